"""Texts of DL150 to DL169 and of what the data rooms say: files, images, arrays, parts."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL150": (
        ("there is no {path}", "找不到 {path}"),
        ("{missing} does not exist (here: {here})", "{missing} 不存在（当前目录：{here}）"),
        ("{line}", "{line}"),
    ),
    "DL151": (
        ("{suffix} files are not read as data", "不能把 {suffix} 文件当作数据读取"),
        ("{reason}", "{reason}"),
        ("{line}", "{line}"),
    ),
    "DL152": (
        ("no images in this folder", "这个文件夹里没有图片"),
        ("{found}", "{found}"),
        (
            "{path}/CLASS_NAME/photo.jpg   (a sub-folder for each class)",
            "{path}/类别名/照片.jpg   （每个类别一个子文件夹）",
        ),
    ),
    "DL153": (
        ("the images are not sorted into classes", "图片没有按类别分放"),
        (
            "{count} {count:image lies|images lie} in {path} itself; their class is the name of their folder",
            "{path} 里直接放了 {count} 张图片，而类别要取自所在文件夹的名字",
        ),
        ("{path}/CLASS_NAME/{example}", "{path}/类别名/{example}"),
    ),
    "DL154": (
        ("there is one class only: {name}", "只有一个类别：{name}"),
        (
            "all {rows} {rows:sample has|samples have} the same label, so there is nothing to tell apart",
            "{rows} 个样本的标签全都一样，没有可区分的东西",
        ),
        (
            "add samples of a second class; for labels that are numbers: --task regression (task='regression')",
            "补上第二个类别的样本；若标签其实是数值：--task regression（task='regression'）",
        ),
    ),
    "DL155": (
        ("class {name!r} is not among the training rows", "训练数据里没有类别 {name!r}"),
        ("{count} {count:sample has|samples have} it; {near}", "有 {count} 个样本属于这个类别；{near}"),
        (
            "rename or remove these samples, or add training samples of {name!r}",
            "改正类别名或删掉这些样本，或在训练数据里补上 {name!r} 的样本",
        ),
    ),
    "DL156": (
        ("an image cannot be read", "有一张图片无法读取"),
        ("{problem}", "{problem}"),
        (
            "replace or delete the file, or leave such files out: {skip}",
            "换掉或删掉这个文件；想跳过坏图就加上 {skip}",
        ),
    ),
    "DL157": (
        ("an image is too large: {size} pixels", "图片太大：{size} 像素"),
        (
            "the limit is {limit} pixels, so that a small file cannot fill the memory",
            "上限是 {limit} 像素，以免一个小文件撑爆内存",
        ),
        ("if the file is meant to be so large: --max-pixels {pixels}", "如果图片确实就这么大：--max-pixels {pixels}"),
    ),
    "DL158": (
        (
            "{count} of {total} samples are bad ({share}), more than the {limit} that may be skipped",
            "{total} 个样本里坏了 {count} 个（{share}），超过了可跳过的 {limit}",
        ),
        ("the first: {why}", "第一个的问题：{why}"),
        ("repair them, or allow more: --bad-limit {enough}", "修好这些样本；或放宽上限：--bad-limit {enough}"),
    ),
    "DL159": (
        ("this IDX file is damaged", "这个 IDX 文件已损坏"),
        ("{problem}", "{problem}"),
        ("download the file again and compare its checksum", "重新下载，并核对校验和"),
    ),
    "DL160": (
        ("the labels of these images are missing", "缺少这些图片的标签文件"),
        ("an IDX file of images needs {name} (or {name}.gz) beside it", "IDX 图片文件旁边要有 {name}（或 {name}.gz）"),
        ("put {name} into the same folder", "把 {name} 放进同一个文件夹"),
    ),
    "DL161": (
        ("no training arrays found in this file", "这个文件里没有找到训练用的数组"),
        ("it holds: {found}", "里面有：{found}"),
        (
            "np.savez(path, x_train=x, y_train=y, x_test=xt, y_test=yt)",
            "np.savez(path, x_train=x, y_train=y, x_test=xt, y_test=yt)",
        ),
    ),
    "DL162": (
        ("inputs and labels have different lengths", "输入和标签的长度不一致"),
        ("lengths: {lengths}", "长度：{lengths}"),
        ("data=(x, y) with len(x) == len(y)", "data=(x, y)，并保证 len(x) == len(y)"),
    ),
    "DL163": (
        ("these values are not an array of numbers", "这些值不是数值数组"),
        ("found: {found}", "实际是：{found}"),
        (
            "give rows of equal length; columns with text belong in a table: data=pandas.DataFrame(...)",
            "每一行的长度要一致；含文字的列请用表格：data=pandas.DataFrame(...)",
        ),
    ),
    "DL164": (
        ("{count} {count:row has|rows have} no label", "有 {count} 行没有标签"),
        ("NaN or empty: {rows}", "标签是 NaN 或空：{rows}"),
        ("fill them in, or leave these rows out: --on-bad skip", "补上标签；想跳过这些行就加上 --on-bad skip"),
    ),
    "DL165": (
        ("{count} {count:row holds|rows hold} NaN or infinity", "有 {count} 行含有 NaN 或无穷大"),
        ("rows: {rows}", "行：{rows}"),
        (
            "fill them in, use a table (missing cells are welcome there), or --on-bad skip",
            "补上数值，或改用表格（表格允许缺失值），或加上 --on-bad skip",
        ),
    ),
    "DL166": (
        ("too few rows to split: {rows}", "行数太少，无法划分：{rows}"),
        ("validation and test rows would be none", "验证集或测试集会是空的"),
        ("give them yourself: val=…, test=…", "自己给出：val=…，test=…"),
    ),
    "DL167": (
        ("the rows have no labels", "数据没有标签"),
        ("", ""),
        ("data=(x, y)", "data=(x, y)"),
    ),
    "DL168": (
        ("the input's shape differs from training", "输入的形状和训练时不同"),
        ("trained on {expected}, found {found}", "训练时是 {expected}，现在是 {found}"),
        ("reshape the rows to {expected}", "把每一行变成 {expected}"),
    ),
    "DL169": (
        ("these numbers are no pixels", "这些数不是像素值"),
        (
            "the model was trained on bytes of 0 to 255; found {low:g} to {high:g}",
            "模型是用 0 到 255 的字节训练的；现在的范围是 {low:g} 到 {high:g}",
        ),
        ("give the images as uint8, before any normalisation", "请给 uint8 的原始图像，不要先做归一化"),
    ),
}

SAYINGS: dict[str, Text] = {
    "augment.passes": (
        "each image is seen {passes} times: too few for variations to help",
        "每张图片只看 {passes} 遍，变化图片没有帮助",
    ),
    "augment.grey": (
        "training images moved and zoomed a little; grey ones may be letters or scans: never mirrored",
        "训练图片略作平移和缩放；灰度图可能是文字或扫描件，从不镜像",
    ),
    "augment.labels": (
        "training images moved and zoomed; labels may say where something is: not mirrored",
        "训练图片作平移和缩放；标签可能与左右有关，不镜像",
    ),
    "augment.mirror_matters": (
        "training images moved and zoomed, not mirrored: a linear model is right on {plain} of {rows} as they are, on "
        "{mirrored} in a mirror",
        "训练图片作平移和缩放，不镜像：{rows} 张里线性模型原样答对 {plain} 张，镜像后只答对 {mirrored} 张",
    ),
    "augment.photos": (
        "training images moved, zoomed and mirrored: a linear model is right on {plain} of {rows} as they are, on "
        "{mirrored} in a mirror",
        "训练图片作平移、缩放和镜像：{rows} 张里线性模型原样答对 {plain} 张，镜像后答对 {mirrored} 张",
    ),
    "data.no_label": ("no label", "没有标签"),
    "data.not_finite": ("NaN or infinity", "NaN 或无穷大"),
    "data.zip": ("it is packed", "这是压缩包"),
    "data.zip.line": ("unpack it and give the folder", "先解压，再给出文件夹"),
    "data.object": ("it does not say which array is the label", "它没有说明哪个数组是标签"),
    "data.object.line": (
        "load it in a file of yours: danlu train my.py:data   with data = (x, y)",
        "在自己的文件里读入：danlu train my.py:data   其中 data = (x, y)",
    ),
    "data.image": ("one image is not a data set", "一张图片不是数据集"),
    "data.image.line": (
        "a folder with a sub-folder for each class: photos/cat/1.jpg",
        "给出文件夹，每个类别一个子文件夹：photos/cat/1.jpg",
    ),
    # split
    "data.split.train": ("{count} train", "训练 {count}"),
    "data.split.val": ("{count} validation", "验证 {count}"),
    "data.split.test": ("{count} test", "测试 {count}"),
    "data.split.comma": (", ", "，"),
    "data.split.asked_both": (
        "no split was given: 15 % and 15 %, equal rows on one side",
        "没有给出划分：各取 15 %，内容相同的行放在同一边",
    ),
    "data.split.asked_val": (
        "no validation data was given: a part of the training rows by seed",
        "没有给验证数据：按随机种子从训练数据中划出一部分",
    ),
    "data.split.asked_test": (
        "no test data was given: 15 % of the training rows by seed",
        "没有给测试数据：按随机种子从训练数据中划出 15 %",
    ),
    "data.split.stratified": (", the same share of each class", "，各类别比例相同"),
    # arrays
    "data.image.keep": (
        "bytes as images ({order}): float32 of 0 to 1, {c} x {h} x {w}",
        "字节当作图像（{order}）：转成 0 到 1 的 float32，{c} x {h} x {w}",
    ),
    "data.image.standardise": (
        "images ({order}), {c} channel(s) of {h} x {w}; standardised by the training rows",
        "图像（{order}），{c} 个通道，{h} x {w}；按训练数据标准化",
    ),
    "data.pixels.keep": ("{n} bytes a row: float32 of 0 to 1", "每行 {n} 个字节：转成 0 到 1 的 float32"),
    "data.float64": ("float64 becomes float32", "float64 转成 float32"),
    "data.matrix": (
        "{n} {n:number|numbers} a row, each standardised by the training rows",
        "每行 {n} 个数，各列按训练数据标准化",
    ),
    "data.matrix.pooled": (
        "{n} {n:number|numbers} a row on one scale: standardised together by the training rows",
        "每行 {n} 个同一尺度的数：按训练数据一起标准化",
    ),
    # images
    "data.image.zero_bytes": ("the file has 0 bytes", "文件大小为 0 字节"),
    "data.image.truncated": ("the file ends too early", "文件不完整，后面的内容缺失"),
    "data.image.unknown": ("the file's content is no known image format", "文件内容不是已知的图片格式"),
    "data.image.files": (
        "image files, standardised a channel by the training images",
        "图片文件，各通道按训练图片标准化",
    ),
    "data.image.grey": ("grey", "灰度"),
    "data.image.colour": ("colour", "彩色"),
    "data.size.own": ("all images have this size", "所有图片都是这个尺寸"),
    "data.size.cpu": (
        "the median side is {median}; without a GPU a small side learns more in the same time",
        "边长的中位数为 {median}；没有 GPU 时，同样的时间里小图学到的更多",
    ),
    "data.size.median": (
        "the median of the shorter sides is {median}; the whole image is resized; --size sets another",
        "短边的中位数是 {median}；整张图缩放到这个尺寸；可用 --size 指定",
    ),
    "data.cache.off": (
        "as you set it: images are read from their files each epoch",
        "按你的设置：每一轮都从文件读取图片",
    ),
    "data.cache.large": (
        "{size} of decoded images do not fit in {room}, a quarter of the free memory",
        "解码后的图片有 {size}，放不进可用内存的四分之一（{room}）",
    ),
    "data.classes.folders": ("the folders' names", "取自文件夹的名字"),
    "data.parts.folders": ("the folders' names say so", "由文件夹的名字得知"),
    "data.parts.unsorted": (
        "images without class folders; danlu predict reads them",
        "里面的图片没有按类别分放；可用 danlu predict 来预测",
    ),
    "data.folder.no_images": ("no images in there", "里面没有图片"),
    "data.no_effect": ("the data is {kind}: nothing there reads this", "数据是{kind}，用不到这个设置"),
    "data.is.table": ("a table", "表格"),
    "data.is.images": ("a folder of images", "图片文件夹"),
    "data.is.idx": ("IDX files", "IDX 文件"),
    "data.is.arrays": ("arrays", "数组"),
    "data.is.dataset": ("a Dataset of your own", "你自己的 Dataset"),
    "data.folder.empty": ("the folder is empty", "文件夹是空的"),
    "data.folder.no_files": ("it holds no file", "里面一个文件也没有"),
    "data.folder.holds": ("it holds {found}", "里面有 {found}"),
    "data.raw.no_reader": (
        "the model was trained on arrays, not on files of this kind",
        "模型是用数组训练的，读不了这种文件",
    ),
    "data.sample": ("what your dataset gives; nothing is changed", "你的数据集给出的样子；不做任何改动"),
}
