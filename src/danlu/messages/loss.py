"""Texts of DL200 to DL231: targets, outputs and losses that do not go together."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

_SHAPES: Text = (
    "{loss} got output {output} and target {target}",
    "{loss} 收到的输出是 {output}，目标是 {target}",
)

ERRORS: dict[str, ErrorText] = {
    # outputs, targets and losses
    "DL200": (
        ("the loss needs one tensor as output and one as target", "损失函数需要一个输出张量和一个目标张量"),
        ("got output {output} and target {target}", "实际收到：输出 {output}，目标 {target}"),
        ("{line}", "{line}"),
    ),
    "DL201": (
        ("output and target have different numbers of rows", "输出和目标的行数不一致"),
        ("output {output}, target {target}", "输出 {output}，目标 {target}"),
        (
            "keep the batch as the first dimension in forward: x.flatten(1), not x.flatten()",
            "forward 里第一维必须是批次：用 x.flatten(1)，不要用 x.flatten()",
        ),
    ),
    "DL202": (
        (
            "the model has {units} outputs, the data has {classes} classes",
            "模型有 {units} 个输出，数据有 {classes} 个类别",
        ),
        _SHAPES,
        (
            "give the last layer {classes} outputs: nn.Linear(…, {classes})",
            "把最后一层改成 {classes} 个输出：nn.Linear(…, {classes})",
        ),
    ),
    "DL203": (
        ("output and target have different shapes", "输出和目标的形状对不上"),
        _SHAPES,
        ("give the last layer as many outputs as the target has columns", "最后一层的输出个数要等于目标的列数"),
    ),
    "DL204": (
        ("one output unit cannot tell classes apart with {loss}", "只有一个输出单元，{loss} 无法区分类别"),
        (
            "output {output}, target {target}: this loss would always be 0",
            "输出 {output}，目标 {target}：这样损失恒为 0",
        ),
        (
            "loss={other!r}, or nn.Linear(…, {classes}) with labels 0 to {last} as integers (y.long())",
            "loss={other!r}，或者改成 nn.Linear(…, {classes})，标签用 0 到 {last} 的整数（y.long()）",
        ),
    ),
    "DL205": (
        ("class labels come as a column", "类别标签多了一维"),
        _SHAPES,
        ("y = y.squeeze(1)", "y = y.squeeze(1)"),
    ),
    "DL206": (
        ("class labels are floats", "类别标签是浮点数"),
        _SHAPES,
        ("y = y.long()", "y = y.long()"),
    ),
    "DL207": (
        ("class labels do not fit the output", "类别标签与输出的形状对不上"),
        _SHAPES,
        (
            "classes go in dimension 1 of the output: (B, C) for labels (B,), (B, C, H, W) for (B, H, W)",
            "输出的第 1 维是类别：标签 (B,) 对应输出 (B, C)，标签 (B, H, W) 对应输出 (B, C, H, W)",
        ),
    ),
    "DL208": (
        (
            "label {label} is not one of the {classes} classes 0 to {last}",
            "标签 {label} 超出范围：{classes} 个类别应编号 0 到 {last}",
        ),
        ("class numbers count from 0 up to the model's outputs less one", "类别编号从 0 开始，最大为模型输出个数减一"),
        (
            "count the labels from 0 (y = y - y.min()), or give the last layer more outputs",
            "让标签从 0 开始编号（y = y - y.min()），或者增加最后一层的输出个数",
        ),
    ),
    "DL209": (
        ("a label is {value}, not between 0 and 1", "有一个标签的值是 {value}，不在 0 和 1 之间"),
        (
            "with several labels a row, 1 says a label is there, 0 that it is not",
            "多标签任务里，1 表示有这个标签，0 表示没有",
        ),
        ("y = (y > 0).float()", "y = (y > 0).float()"),
    ),
    "DL210": (
        ("{loss} needs counts, and some targets are negative", "{loss} 要求目标是计数，但有目标是负数"),
        (
            "danlu's own sources standardise regression targets (mean 0, standard deviation 1)",
            "danlu 自己读的数据会把回归目标标准化（均值 0，标准差 1）",
        ),
        (
            "loss='HuberLoss', or bring the targets in your own Dataset",
            "loss='HuberLoss'，或用自己的 Dataset 提供未标准化的目标",
        ),
    ),
    "DL211": (
        ("a target is {value}", "有一个目标值是 {value}"),
        ("a loss of NaN or infinity would spoil every weight", "NaN 或无穷大的损失会毁掉所有权重"),
        ("leave such rows out, or --on-bad skip", "去掉这些行，或使用 --on-bad skip"),
    ),
    "DL212": (
        ("the model gives no tensor", "模型没有返回张量"),
        ("got {output}", "实际返回 {output}"),
        ("return the output in forward: return self.head(x)", "在 forward 末尾返回输出：return self.head(x)"),
    ),
    "DL213": (
        ("these targets need a loss of yours", "这种目标需要自己给出损失函数"),
        ("danlu knows a loss for classes, labels and numbers only", "danlu 只为分类、多标签和回归准备了默认损失"),
        (
            "loss='MSELoss', loss=my_function, or loss={{'a': …, 'b': …}}",
            "loss='MSELoss'、loss=my_function 或 loss={{'a': …, 'b': …}}",
        ),
    ),
    "DL214": (
        ("no loss is called {name!r}", "没有叫 {name!r} 的损失函数"),
        ("{near}", "{near}"),
        ("loss={line!r}", "loss={line!r}"),
    ),
    "DL215": (
        ("loss {name!r} cannot be accumulated beside others", "损失 {name!r} 不能和其他损失一起做梯度累积"),
        (
            "{loss} returns (sum, weight): what to divide by is known only when the last batch has been answered",
            "{loss} 返回 (sum, weight)：要到最后一个 batch 算完才知道该除以多少",
        ),
        ("accumulate=1, or let it return the mean over the rows", "accumulate=1，或让它返回对样本的平均"),
    ),
    "DL216": (
        ("the loss is not a tensor", "损失不是张量"),
        ("got {got}", "实际得到 {got}"),
        ("return a tensor; no .item() inside the loss", "返回张量；损失函数里不要用 .item()"),
    ),
    "DL217": (
        ("the loss is not one number", "损失不是一个数"),
        ("got {got}", "实际得到 {got}"),
        ("loss.mean(), or reduction='mean'", "loss.mean()，或 reduction='mean'"),
    ),
    "DL218": (
        ("the loss does not depend on the model's weights", "损失与模型的权重没有关系"),
        (
            "nothing to differentiate: detach(), .data, no_grad(), argmax() or all weights frozen",
            "没有可求导的东西：用了 detach()、.data、no_grad()、argmax()，或冻结了所有权重",
        ),
        ("compute the loss from the output of forward as it is", "直接用 forward 的输出计算损失"),
    ),
    "DL219": (
        ("{setting} does not reach a loss of your own", "{setting} 对你自己给的损失不起作用"),
        (
            "the loss is {loss}; danlu changes only losses given by name",
            "损失是 {loss}；danlu 只会修改按名字给出的损失",
        ),
        (
            "nn.CrossEntropyLoss(weight=…, label_smoothing=…), or loss='CrossEntropyLoss'",
            "nn.CrossEntropyLoss(weight=…, label_smoothing=…)，或 loss='CrossEntropyLoss'",
        ),
    ),
    "DL220": (
        ("the dict of losses is empty", "损失字典是空的"),
        ("", ""),
        ("loss={{'a': 'CrossEntropyLoss'}}", "loss={{'a': 'CrossEntropyLoss'}}"),
    ),
    "DL221": (
        ("a loss's weight is {weight!r}, not a number", "损失的权重是 {weight!r}，不是数字"),
        ("", ""),
        ("loss={{'a': ('MSELoss', 0.5)}}", "loss={{'a': ('MSELoss', 0.5)}}"),
    ),
    "DL222": (
        ("the {what} has no {missing}", "{what} 里没有 {missing}"),
        ("losses are called {names}, the {what} has {have}", "损失的名字是 {names}，{what} 里有 {have}"),
        (
            "use the same names in the dict of losses, of outputs and of targets",
            "损失、输出和目标三个字典要用相同的名字",
        ),
    ),
    "DL223": (
        ("{what}: {have}, losses: {names}", "{what} 有 {have} 个，损失有 {names}"),
        ("outputs and targets are matched to the losses one by one", "输出、目标与损失一一对应"),
        ("return one output for each loss: return a, b", "每个损失对应一个输出：return a, b"),
    ),
    "DL224": (
        ("{name} cannot be made without arguments", "{name} 不带参数无法创建"),
        ("{reason}", "{reason}"),
        ("give the loss itself: loss=nn.{name}(…)", "直接给出损失对象：loss=nn.{name}(…)"),
    ),
    "DL225": (
        ("a loss has to be callable, this is a {got}", "损失必须可以调用，而这是 {got}"),
        ("", ""),
        (
            "loss='CrossEntropyLoss', or loss=lambda output, target: …",
            "loss='CrossEntropyLoss'，或 loss=lambda output, target: …",
        ),
    ),
    "DL226": (
        ("label smoothing does not go with {loss}", "{loss} 不支持标签平滑"),
        ("it softens the one right class of CrossEntropyLoss", "标签平滑只用于 CrossEntropyLoss 的唯一正确类别"),
        ("label_smoothing=0, or loss='CrossEntropyLoss'", "label_smoothing=0，或 loss='CrossEntropyLoss'"),
    ),
    "DL227": (
        ("class weights do not go with {loss}", "{loss} 不支持类别权重"),
        ("", ""),
        ("leave class_weights out, or loss='CrossEntropyLoss'", "去掉 class_weights，或 loss='CrossEntropyLoss'"),
    ),
    "DL228": (
        ("class_weights: {given} given for {classes} classes", "class_weights 给了 {given} 个，而类别有 {classes} 个"),
        ("one weight for each class, in the order of the class names", "每个类别一个权重，顺序与类别名相同"),
        ('class_weights="balanced"', 'class_weights="balanced"'),
    ),
    "DL229": (
        ("the training labels are not known", "不知道训练集的标签"),
        (
            "danlu does not read a Dataset of yours in full to count its classes",
            "danlu 不会为了统计类别而读完你的整个 Dataset",
        ),
        (
            "give the Dataset a `targets` array, or class_weights=[1.0, 3.5, …]",
            "给 Dataset 加上 targets 数组，或写 class_weights=[1.0, 3.5, …]",
        ),
    ),
    "DL230": (
        ("{loss} needs outputs between 0 and 1", "{loss} 要求输出在 0 和 1 之间"),
        (
            "this model gives {low} to {high}: there is no sigmoid at its end",
            "这个模型的输出是 {low} 到 {high}：最后没有 sigmoid",
        ),
        (
            "loss='BCEWithLogitsLoss' (it takes the sigmoid itself), or nn.Sigmoid() after the last layer",
            "loss='BCEWithLogitsLoss'（自带 sigmoid），或者在最后一层之后加 nn.Sigmoid()",
        ),
    ),
    "DL231": (
        ("{loss} needs logarithms of probabilities", "{loss} 要求输出是概率的对数"),
        (
            "this model gives {low} to {high}, and exp(output) does not add up to 1: the loss would fall without end",
            "这个模型的输出是 {low} 到 {high}，exp(输出) 之和不等于 1：损失会一直下降，却学不到东西",
        ),
        (
            "loss='CrossEntropyLoss' (it takes log_softmax itself), or nn.LogSoftmax(dim=1) after the last layer",
            "loss='CrossEntropyLoss'（自带 log_softmax），或者在最后一层之后加 nn.LogSoftmax(dim=1)",
        ),
    ),
}

SAYINGS: dict[str, Text] = {}
