"""Texts of tables whose columns name image files: errors, and what is said of them."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL131": (
        ("rows whose image file is not there: {count}", "有 {count} 行的图片文件不存在"),
        ("{why}", "{why}"),
        (
            "put the files there or correct the cells; to leave such rows out: {skip}",
            "请补上文件或改正单元格；要跳过这些行：{skip}",
        ),
    ),
    "DL132": (
        ("rows whose image cannot be read: {count}", "有 {count} 行的图片读不出来"),
        ("{why}", "{why}"),
        (
            "replace these files; to leave such rows out: {skip}",
            "请换掉这些文件；要跳过这些行：{skip}",
        ),
    ),
    "DL133": (
        ("column {column!r} holds addresses, not files", "列 {column!r} 里是网址，不是文件"),
        (
            "danlu downloads nothing by itself; the first is {cell}",
            "danlu 不会自己下载任何东西；第一个是 {cell}",
        ),
        (
            "download the images beside the table and write their file names there{instead}",
            "请先把图片下载到表格旁边，并在这一列写文件名{instead}",
        ),
    ),
    "DL134": (
        ("the model asks for other inputs than this table gives", "模型要的输入和这张表格给的不一致"),
        ("forward({forward}); the table gives {given}. {near}", "forward({forward})；表格给的是 {given}。{near}"),
        (
            "def forward({line}):   # or name single columns, in any order",
            "def forward({line}):   # 也可以写单个列名，顺序随意",
        ),
    ),
    "DL135": (
        ("none of the image files in column {column!r} is found", "列 {column!r} 里的图片文件一个也找不到"),
        (
            "{cell!r} was sought from {folder}, from the working folder, and in the folders below and beside them",
            "按 {cell!r} 找过：{folder}、当前目录，以及它们下面和旁边的文件夹",
        ),
        (
            "ls {path}   # put the images there{instead}",
            "ls {path}   # 请把图片放到那里{instead}",
        ),
    ),
}

SAYINGS: dict[str, Text] = {
    "pictures.instead": ("; without them: --ignore {column!r}", "；不用图片的话：--ignore {column!r}"),
    "pictures.found": (
        "{count} {count:cell names an image file|cells name image files}, found as {pattern}: {example}, …",
        "{count} 个单元格是图片文件名，按 {pattern} 找到：{example} ……",
    ),
    "pictures.objects": ("its cells are images", "单元格本身就是图片"),
    "pictures.outside": (
        "{count} of them lie outside {folder}, such as {path}",
        "其中 {count} 个在 {folder} 之外，例如 {path}",
    ),
    "pictures.others": (
        "files of the same names lie in {folders} too; name the folder in the cells to choose another",
        "{folders} 里也有同名文件；要用别的，请在单元格里写上文件夹",
    ),
    "pictures.url": (
        "addresses such as {cell}: nothing is downloaded",
        "是 {cell} 这样的网址：不会下载任何东西",
    ),
    "pictures.none": (
        "names image files, such as {cell}, none of which is found",
        "像是图片文件名（例如 {cell}），但一个也找不到",
    ),
    "pictures.empty": ("no image in column {column!r}", "列 {column!r} 没有图片"),
    "pictures.missing": ("there is no file {path}.{hint}", "没有文件 {path}。{hint}"),
    "pictures.parts": ("what the model gets, in this order", "按这个顺序送进模型"),
    "pictures.parts.named": (
        "what the parameters of your model's forward name",
        "按你的模型 forward 的参数名来取",
    ),
    "augment.mixed": (
        "images beside other columns: those of a row are varied alike, and not mirrored",
        "图片旁边还有别的列：同一行的图片做同样的变化，不做镜像",
    ),
    "model.mixed": (
        "images beside other columns: one {trunk} for every image, a small network for numbers and categories",
        "除图片外还有别的列：所有图片共用一个 {trunk}，数值和类别用一个小网络",
    ),
    "model.trunk": (
        "{trunk} for every image, with shared weights; numbers and categories beside it",
        "所有图片共用一个 {trunk}，权重共享；数值和类别在旁边",
    ),
    "table.header.file": ("{cell} in the first line is a file", "第一行的 {cell} 是文件名"),
}
