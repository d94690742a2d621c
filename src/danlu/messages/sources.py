"""Texts of where data comes from: several files of one table, sheets, Hugging Face datasets, lists of labels."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL140": (
        ("the files of one table have different columns", "同一张表的几个文件，列不一样"),
        (
            "compared with {first}: {differences}",
            "与 {first} 相比：{differences}",
        ),
        (
            "rename its columns, or leave the file out: danlu train {first}",
            "请改列名，或不要这个文件：danlu train {first}",
        ),
    ),
    "DL141": (
        ("no file matches {pattern!r}", "没有文件符合 {pattern!r}"),
        ("{found}", "{found}"),
        ("{line}", "{line}"),
    ),
    "DL142": (
        ("the targets are lists of labels, which do not fit {task}", "目标是标签列表，不适合 {task}"),
        ("a row has several of them, such as {labels}", "一行可以有好几个，例如 {labels}"),
        (
            "leave task out, or set task='multilabel'; for one class a row give one label a row",
            "不写 task，或设 task='multilabel'；若一行只属一类，请每行只给一个标签",
        ),
    ),
    "DL143": (
        ("the workbook has no sheet {name!r}", "工作簿里没有工作表 {name!r}"),
        ("{near}", "{near}"),
        ("{line}", "{line}"),
    ),
    "DL144": (
        ("a cell of the sheet holds an error: {cell} is {value}", "工作表里有错误值：{cell} 是 {value}"),
        (
            "column {column!r}; nobody can know the value that was meant (cells of this kind: {count})",
            "位于列 {column!r}；无从知道本来的值（这样的单元格共 {count} 个）",
        ),
        (
            "correct or empty the cell; or leave such rows out: --on-bad skip; or the column: --ignore {column!r}",
            "请改正公式或清空单元格；或跳过这些行：--on-bad skip；或不用这一列：--ignore {column!r}",
        ),
    ),
    "DL145": (
        ("this saved Hugging Face dataset is not whole", "这个保存下来的 Hugging Face 数据集不完整"),
        ("{reason}", "{reason}"),
        ("save it again: dataset.save_to_disk({path!r})", "请重新保存：dataset.save_to_disk({path!r})"),
    ),
    "DL146": (
        ("none of the splits is the one for {wanted}", "没有哪个 split 能当 {wanted}"),
        ("there are: {names}", "现有：{names}"),
        ("say which: {line}", "请指明：{line}"),
    ),
    "DL147": (
        ("the folder holds tables of several kinds", "文件夹里有好几种格式的表格"),
        ("{found}; together they could be one table twice", "{found}；合在一起可能会把同一张表读两遍"),
        ("name the files: {line}", "请写明是哪些文件：{line}"),
    ),
}

SAYINGS: dict[str, Text] = {
    "data.task.lists": (
        "lists of labels: {n} different ones, {mean} a row",
        "标签列表：共 {n} 种，平均每行 {mean} 个",
    ),
    "files.count": ("{count} {count:file|files}, {rows} {rows:row|rows}", "{count} 个文件，{rows} 行"),
    "files.why": ("read as one table, one below the other", "上下相接，当作一张表"),
    "files.empty": ("no rows in there", "里面没有数据行"),
    "files.missing": ("lacks {columns}", "少了 {columns}"),
    "files.extra": ("also has {columns}", "多出 {columns}"),
    "files.no_images": ("holds no images in {columns}", "{columns} 列不是图片"),
    "files.width": ("has {found} {found:column|columns} instead of {needed}", "有 {found} 列，应为 {needed} 列"),
    "files.headerless": ("by their place", "按位置"),
    "files.headerless.why": (
        "{count} {count:file has|files have} no header line, as parts of one cut file have none",
        "有 {count} 个文件没有表头，像是一个文件切成的几段",
    ),
    "files.folder": ("the folder {path} holds {found}", "文件夹 {path} 里有 {found}"),
    "files.nothing": ("the folder {path} holds no file", "文件夹 {path} 里没有文件"),
    "files.no_folder": ("there is no folder {path}", "没有文件夹 {path}"),
    "files.parts": ("the files' names say so", "由文件名得知"),
    "files.number": ("{count} files", "{count} 个文件"),
    "files.only_folders": ("it matches folders only: {names}", "只匹配到文件夹：{names}"),
    "hub.parts": ("the names of the splits say so", "由 split 的名字得知"),
    "hub.other": ("splits that are neither train, validation nor test", "既不是训练、验证，也不是测试的 split"),
    "hub.no_labels": (
        "its labels are all -1: they are not published, so nothing can be measured on it",
        "标签全是 -1：没有公布答案，无法用来测试",
    ),
    "hub.no_split": ("the split {name} is not there", "缺少 split：{name}"),
    "sheet.first": (
        "the first sheet; there are also: {others}. To name one: {line}",
        "第一个工作表；另外还有：{others}。指定的写法：{line}",
    ),
    "sheet.title": ("above the table, which begins in row {row}", "在表格上方；表格从第 {row} 行开始"),
    "sheet.merged.value": ("filled", "已填充"),
    "sheet.merged": (
        "{count} {count:cell is|cells are} merged over several rows: {count:its|their} value counts for each",
        "有 {count} 个单元格跨行合并：每一行都取它的值",
    ),
    "sheet.empty": ("left out", "已跳过"),
    "sheet.error": ("column {column!r} holds the error {value}", "列 {column!r} 是错误值 {value}"),
}
