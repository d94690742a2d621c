"""Texts of DL2xx errors and of what the model, task, optimizer and schedule rooms say."""

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
    # optimizers
    "DL250": (
        ("the model has nothing to train", "模型没有可训练的参数"),
        ("no parameter has requires_grad=True", "没有参数的 requires_grad 为 True"),
        ("model.requires_grad_(True)", "model.requires_grad_(True)"),
    ),
    "DL251": (
        (
            "an optimizer is a name, a function of the parameters, or an optimizer; this is a {got}",
            "优化器要么是名字，要么是接收参数的函数，要么是优化器对象；而这是 {got}",
        ),
        ("", ""),
        (
            "optimizer='adamw', or optimizer=lambda params: torch.optim.SGD(params, lr=0.1)",
            "optimizer='adamw'，或 optimizer=lambda params: torch.optim.SGD(params, lr=0.1)",
        ),
    ),
    "DL252": (
        ("the optimizer's function returned a {got}", "优化器函数返回的是 {got}"),
        ("it gets the parameters and returns a torch.optim.Optimizer", "它接收参数，应返回 torch.optim.Optimizer"),
        (
            "optimizer=lambda params: torch.optim.SGD(params, lr=0.1)",
            "optimizer=lambda params: torch.optim.SGD(params, lr=0.1)",
        ),
    ),
    "DL253": (
        ("LBFGS does not fit training by batches", "LBFGS 不适合按批次训练"),
        (
            "it computes the loss many times an update and takes differences between batches for curvature",
            "它每次更新要反复计算损失，还会把批次之间的差异误当成曲率",
        ),
        ("optimizer='adamw'", "optimizer='adamw'"),
    ),
    "DL254": (
        ("no optimizer is called {name!r}", "没有叫 {name!r} 的优化器"),
        ("{near}", "{near}"),
        ("optimizer={line!r}", "optimizer={line!r}"),
    ),
    "DL255": (
        ("{name} has no {setting}", "{name} 没有 {setting} 参数"),
        ("", ""),
        ("leave {setting} out, or optimizer='sgd'", "去掉 {setting}，或用 optimizer='sgd'"),
    ),
    "DL256": (
        ("{setting} does not reach an optimizer of your own", "{setting} 对你自己的优化器不起作用"),
        ("{name} was made with numbers of its own", "{name} 创建时已有自己的数值"),
        (
            "write {setting}={value} where {name} is made, and leave the setting out",
            "在创建 {name} 的地方写 {setting}={value}，并去掉这个设置",
        ),
    ),
    "DL257": (
        ("the optimizer holds the parameters of another model", "优化器里是另一个模型的参数"),
        (
            "{foreign} of its tensors are not in {model}, and these of {model} are missing: {missing}",
            "其中 {foreign} 个张量不属于 {model}，而 {model} 的这些参数不在里面：{missing}",
        ),
        (
            "make it after the model, from that model: torch.optim.AdamW(model.parameters())",
            "在模型之后、用同一个模型创建：torch.optim.AdamW(model.parameters())",
        ),
    ),
    "DL258": (
        ("{name} does not take sparse gradients", "{name} 不支持稀疏梯度"),
        ("this layer was made with sparse=True", "这一层创建时用了 sparse=True"),
        ("leave sparse=True out, or optimizer='adagrad'", "去掉 sparse=True，或用 optimizer='adagrad'"),
    ),
    # schedules
    "DL350": (
        ("no schedule is called {name!r}", "没有叫 {name!r} 的学习率计划"),
        ("{near}", "{near}"),
        ("schedule='cosine'", "schedule='cosine'"),
    ),
    "DL351": (
        ("{name} needs to know how long training lasts", "{name} 需要知道训练有多长"),
        (
            "neither epochs, steps nor time say how many updates there will be",
            "epochs、steps、time 都没有说明会有多少次更新",
        ),
        ("epochs=10", "epochs=10"),
    ),
    "DL352": (
        (
            "a schedule is a name, or a function from an optimizer to a torch scheduler; this gave a {got}",
            "学习率计划要么是名字，要么是由优化器得到 torch 调度器的函数；这里得到 {got}",
        ),
        ("", ""),
        ("schedule=lambda optimizer: StepLR(optimizer, 10)", "schedule=lambda optimizer: StepLR(optimizer, 10)"),
    ),
    "DL353": (
        ("warm-up does not go with a torch scheduler", "torch 调度器不能再加 warmup"),
        ("the scheduler alone sets the learning rate", "学习率只由该调度器决定"),
        (
            "schedule='cosine', or torch's LinearLR inside SequentialLR",
            "schedule='cosine'，或在 SequentialLR 里用 LinearLR",
        ),
    ),
    "DL354": (
        ("{name} belongs to another optimizer", "{name} 属于另一个优化器"),
        ("danlu hands your function the optimizer to use", "danlu 会把要用的优化器传给你的函数"),
        ("schedule=lambda optimizer: {name}(optimizer, …)", "schedule=lambda optimizer: {name}(optimizer, …)"),
    ),
    "DL355": (
        ("ReduceLROnPlateau has nothing to watch", "ReduceLROnPlateau 没有可以观察的指标"),
        ("there is no validation result", "没有验证结果"),
        ("give validation data: val=…, or schedule='cosine'", "提供验证数据：val=…，或 schedule='cosine'"),
    ),
    "DL356": (
        ("the schedule is another one: {now} instead of {saved}", "学习率计划变了：原来是 {saved}，现在是 {now}"),
        ("a run goes on with the schedule it began with", "继续训练必须用开始时的计划"),
        ("give the schedule the run began with, or start a new run", "用回原来的学习率计划，或开始新的训练"),
    ),
    "DL357": (
        ("warm-up of {warmup} updates, training of {steps}", "warmup 有 {warmup} 次更新，而训练一共只有 {steps} 次"),
        ("the learning rate would never come down", "学习率将永远不会降下来"),
        ("warmup=0.1", "warmup=0.1"),
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
    "interval.wilson": ("Wilson", "Wilson 区间"),
    "interval.bootstrap": ("bootstrap of {resamples}", "自助法 {resamples} 次"),
    "linear.what": (
        "discriminant analysis or ridge regression on at most 1,024 raw features",
        "在至多 1,024 个原始特征上做判别分析或岭回归",
    ),
    "linear.failed": (
        "no linear baseline beside the model: reading the data once more failed ({error})",
        "没有算线性基线：再读一遍数据时出错（{error}）",
    ),
    "interval.paired": ("paired shares (Bonett, Price 2012)", "配对比例（Bonett、Price 2012）"),
    "interval.jackknife": ("jackknife", "刀切法"),
    "baseline.classification": ("always the majority class", "总是猜最多的类别"),
    "baseline.multilabel": ("each label's majority", "每个标签都猜多数情形"),
    "baseline.regression": ("always the training mean", "总是猜训练集均值"),
    "optim.line": ("{name}, lr {lr}", "{name}，学习率 {lr}"),
    "optim.decay": (
        ", weight decay {decay} on {some} of {all} tensors",
        "，权重衰减 {decay}（{all} 个张量中的 {some} 个）",
    ),
    "optim.fused": (", fused", "，融合实现"),
    "schedule.warmup": ("{name}, warm-up of {warmup} updates", "{name}，预热 {warmup} 次更新"),
    "schedule.step": ("{name}, stepped after every update", "{name}，每次更新后调用"),
    "schedule.epoch": ("{name}, stepped after every epoch", "{name}，每轮结束后调用"),
}
