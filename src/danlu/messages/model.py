"""Texts of DL270 to DL286 and of models: chosen, pretrained, frozen, given a new head."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    # models
    "DL270": (
        ("no model is called {name!r}", "没有叫 {name!r} 的模型"),
        ("{near}", "{near}"),
        ("model={line!r}, or a class of yours: model='my.py:Net'", "model={line!r}，或用自己的类：model='my.py:Net'"),
    ),
    "DL271": (
        ("how many outputs {name} needs is not known", "不知道 {name} 需要多少个输出"),
        (
            "the task is {task}: danlu knows neither classes nor target columns",
            "任务是 {task}：既没有类别，也没有目标列",
        ),
        ("give a model of your own: model=Net()", "给出自己的模型：model=Net()"),
    ),
    "DL272": (
        ("{name} does not read this input", "{name} 不能读取这种输入"),
        ("the input is {kinds}", "输入是 {kinds}"),
        (
            "cnn, resnet18 and other image models: images; tabular: tables; mlp: numbers",
            "cnn、resnet18 等图像模型用于图片，tabular 用于表格，mlp 用于数值",
        ),
    ),
    "DL273": (
        ("{cls}: nobody knows what {argument!r} should be", "{cls}：不知道参数 {argument!r} 该填什么"),
        ("{cls}{signature}", "{cls}{signature}"),
        (
            "give it a default (def __init__(self, {argument}=…)), or pass the model itself: model={cls}({argument}=…)",
            "给它一个默认值（def __init__(self, {argument}=…)），或直接给模型对象：model={cls}({argument}=…)",
        ),
    ),
    "DL274": (
        ("a model has to be a class made from nn.Module, this is a {got}", "模型必须是 nn.Module 的子类，而这是 {got}"),
        ("", ""),
        ("class Net(nn.Module): …", "class Net(nn.Module): …"),
    ),
    "DL275": (
        ("{cls}({given}) failed", "{cls}({given}) 创建失败"),
        ("{reason}", "{reason}"),
        ("pass the model itself: model={cls}(…)", "直接给模型对象：model={cls}(…)"),
    ),
    "DL281": (
        ("{name} cannot be made for images of {size}", "{name} 不能用于 {size} 的图片"),
        ("{reason}", "{reason}"),
        ("--size 224, or another model", "--size 224，或换一个模型"),
    ),
    "DL282": (
        ("the default weights of {name} cannot be had", "拿不到 {name} 的默认权重"),
        ("{reason}", "{reason}"),
        (
            "without network: get the file from {place} elsewhere, then weights='path/to/the file'",
            "没有网络时：在别处下载 {place}，再写 weights='文件路径'",
        ),
    ),
    "DL283": (
        ("no default weights are known for {name}", "{name} 没有默认权重"),
        (
            '"default" stands for the weights that torchvision or timm publish for a model of theirs',
            '"default" 指 torchvision 或 timm 为自己的模型发布的权重',
        ),
        (
            "model='torchvision/resnet18', or weights='my_weights.pth'",
            "model='torchvision/resnet18'，或 weights='my_weights.pth'",
        ),
    ),
    "DL284": (
        (
            "these weights are of another model: {matched} of the {all} tensors of {model} are in the file",
            "这份权重不是这个模型的：{model} 的 {all} 个张量中，文件里只对上 {matched} 个",
        ),
        ("the model has {own}; the file has {theirs}", "模型里是 {own}；文件里是 {theirs}"),
        ("give the model the weights were trained with: model=…", "用权重对应的模型：model=…"),
    ),
    "DL285": (
        ("weights are for one model, and none is named", "权重只适合某一个模型，但没有指明模型"),
        ("without model= danlu picks one by the data", "不给 model= 时由 danlu 按数据挑选"),
        ("model='resnet18', or a class of yours: model='my.py:Net'", "model='resnet18'，或自己的类：model='my.py:Net'"),
    ),
    "DL286": (
        ("freeze={freeze}, but {name} begins with random weights", "freeze={freeze}，但 {name} 的权重是随机的"),
        ("a body that has learnt nothing would stay as it is", "什么都没学过的主干被冻结，就永远学不到东西"),
        (
            "weights='default', weights='my_weights.pth', or leave freeze out",
            "weights='default'、weights='my_weights.pth'，或去掉 freeze",
        ),
    ),
}

SAYINGS: dict[str, Text] = {
    "model.tabular": ("the input is a table", "输入是表格"),
    "model.cnn": ("not coloured, {side} px, {limit} px at most", "不是彩色图，边长 {side} 像素，不超过 {limit} 像素"),
    "model.resnet_small": (
        "images of {channels} × {side} px: learns from few photos in minutes",
        "图片为 {channels} × {side} 像素：照片不多也能在几分钟内学会",
    ),
    "model.chosen": ("the model that danlu picks", "danlu 选的模型"),
    "model.libraries": (
        "; every model of torchvision and timm too, as torchvision/NAME, timm/NAME",
        "；torchvision 和 timm 的模型也都能用，写成 torchvision/名字、timm/名字",
    ),
    "pretrained.taken": ("{taken} of {all} tensors", "{all} 个张量中的 {taken} 个"),
    "pretrained.channels": (
        "first layer brought from 3 colours to the data's channels: {names}",
        "第一层由 3 个颜色通道换算成数据的通道数：{names}",
    ),
    "pretrained.shape": ("begin at random, another shape: {names}", "形状不同，从随机值开始：{names}"),
    "pretrained.new": ("begin at random, not in the file: {names}", "文件里没有，从随机值开始：{names}"),
    "pretrained.unused": ("not used, {count} in all: {names}", "没用上的共 {count} 个：{names}"),
    "head.shape": (
        "new, with {outputs} outputs for this data: the weights' own does not fit",
        "换成新的，按这份数据有 {outputs} 个输出：权重自带的输出层对不上",
    ),
    "head.unknown": (
        "new, with {outputs} outputs: the weights do not tell whether theirs stand for the same classes",
        "换成新的，{outputs} 个输出：权重没有说明它的输出是不是同样的类别",
    ),
    "head.kept": (
        "kept: the weights are for the same {outputs} classes",
        "沿用：权重就是为同样的 {outputs} 个类别训练的",
    ),
    "normalise.value": ("mean {mean}, std {std}", "均值 {mean}，标准差 {std}"),
    "normalise.kept": ("as without weights", "与不用预训练权重时相同"),
    "normalise.library": ("what the weights of {name} were trained with", "{name} 的权重就是这样训练的"),
    "normalise.run": ("what the run {path} was trained with", "训练 {path} 时用的就是这个"),
    "normalise.file_library": (
        "the file does not tell: what {name} is usually trained with",
        "文件里没写：按 {name} 通常训练时的数值",
    ),
    "normalise.imagenet": (
        "the file does not tell, but has ImageNet's 1,000 classes: ImageNet's",
        "文件里没写，但它有 ImageNet 的 1,000 个类别：按 ImageNet 的数值",
    ),
    "normalise.unknown": (
        "the weights do not tell how their images were scaled",
        "权重没有说明当初图片是怎样缩放的",
    ),
    "normalise.yours": (
        "your own code scales them, or they are no shares of 0 to 1; the weights were trained with {value}",
        "图片由你自己的代码缩放，或数值不在 0 到 1 之间；权重训练时用的是：{value}",
    ),
    "size.weights": (
        "what the weights were trained on; --size for another",
        "权重就是用这个尺寸训练的；可用 --size 改",
    ),
    "freeze.thawed": ("the body is trained from now on", "从现在起主干也参加训练"),
    "body_lr.default": (
        "the weights have learnt already: all but the head moves more slowly",
        "这些权重已经学过东西：输出层以外的部分学得慢一些",
    ),
    "model.mlp": ("{width} numbers a sample", "每个样本 {width} 个数"),
}
