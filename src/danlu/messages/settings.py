"""Help for every setting, argument and verb, and the errors of wrong settings."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

_NO: Text = ("", "")

ERRORS: dict[str, ErrorText] = {
    "DL001": (
        ("there is no setting named {name!r}", "没有名为 {name!r} 的设置"),
        ("{near}", "{near}"),
        ("{line}", "{line}"),
    ),
    "DL002": (
        ("{name} cannot be {value}: wrong type", "{name} 不能是 {value}：类型不对"),
        ("it takes {expected}", "应为：{expected}"),
        ("{line}", "{line}"),
    ),
    "DL003": (
        ("{name} cannot be {value}: out of range", "{name} 不能是 {value}：超出范围"),
        ("it takes {expected}", "应为：{expected}"),
        ("{line}", "{line}"),
    ),
    "DL004": (
        ("{names} cannot be given together", "{names} 不能同时给"),
        ("each of them alone says how long to train", "这几项里只要一项就定下了训练多久"),
        ("{line}", "{line}"),
    ),
    "DL005": (
        ("{name} cannot be {value}", "{name} 不能是 {value}"),
        ("it takes {expected}", "应为：{expected}"),
        ("{line}", "{line}"),
    ),
    "DL006": (
        ("{name}: {value} is not a length of time", "{name}：{value} 不是时长"),
        ("it takes {expected}", "应为：{expected}"),
        ("{line}", "{line}"),
    ),
    "DL011": (
        ("{path} is not valid TOML", "{path} 不是合法的 TOML"),
        ("{reason}", "{reason}"),
        _NO,
    ),
    "DL012": (
        ("{path} cannot be read", "读不了 {path}"),
        ("{reason}", "{reason}"),
        _NO,
    ),
    "DL013": (
        ("{value} cannot be written to a TOML file", "{value} 写不进 TOML 文件"),
        ("its name is not valid UTF-8", "这个名字不是合法的 UTF-8"),
        ("mv OLD_NAME NEW_NAME", "mv 旧名 新名"),
    ),
}

SAYINGS: dict[str, Text] = {
    # what a setting takes
    "rule.whole": ("a whole number", "整数"),
    "rule.number": ("a number", "数字"),
    "rule.flag": ("True or False", "True 或 False"),
    "rule.text": ("a name", "名称"),
    "rule.path": ("a path", "路径"),
    "rule.texts": ("a list of names", "名称的列表"),
    "rule.groups": (
        "a dict of one value a test row: {{'camera': array}}",
        "字典，每个测试样本一个值：{{'camera': 数组}}",
    ),
    "rule.numbers": ("a list of numbers, such as 0.2,0.8", "一串数字，如 0.2,0.8"),
    "rule.pairs": ("a weight for each head, such as price=0.5,kind=1", "每个输出头的权重，如 price=0.5,kind=1"),
    "rule.time": ('a time such as "10m", "1h30m", or seconds', '时长，如 "10m"、"1h30m"，或秒数'),
    "rule.call": ("a function", "函数"),
    "rule.reference": ("file.py:name", "file.py:名称"),
    "rule.within": (" ({bounds})", "（{bounds}）"),
    "rule.names": ("one of {names}", "{names} 之一"),
    "rule.or": (", or ", "，或 "),
    "rule.and": (" and ", " 和 "),
    "settings.all": ("all of them: danlu train --help", "全部设置见：danlu train --help"),
    # settings
    "setting.epochs": ("passes over the training data", "把训练数据过多少轮"),
    "setting.steps": ("updates of the weights, instead of epochs", "更新多少步权重（代替轮数）"),
    "setting.time": ("train for about this long: 10m, 1h30m", "大约训练多久：10m、1h30m"),
    "setting.batch_size": ("samples in a batch", "每批多少个样本"),
    "setting.lr": ("learning rate; auto tries up to 100 steps to find one", "学习率；auto 用至多 100 步试出一个"),
    "setting.weight_decay": ("weight decay (never on biases and norms)", "权重衰减（偏置和归一化层不衰减）"),
    "setting.momentum": ("momentum of SGD and Muon", "SGD 和 Muon 的动量"),
    "setting.schedule": (
        "how the learning rate moves: constant, cosine, one-cycle, or file.py:function",
        "学习率怎么变：constant 不变、cosine 余弦、one-cycle 单周期，或 file.py:函数",
    ),
    "setting.warmup": (
        "start with a rising learning rate: below 1 a share of all steps, else steps",
        "开头逐步升高学习率：小于 1 是占总步数的比例，否则是步数",
    ),
    "setting.clip_norm": ("clip the gradients' norm to this", "把梯度的范数裁到这个值"),
    "setting.clip_value": ("clip each gradient to ± this", "把每个梯度值裁到 ± 这个值"),
    "setting.accumulate": ("batches summed up for one update", "累积几批的梯度再更新一次"),
    "setting.ema": ("keep averaged weights with this decay, such as 0.999", "保留权重的滑动平均，衰减率如 0.999"),
    "setting.patience": (
        "stop after this many epochs without a better validation result",
        "验证结果连续这么多轮没有变好就停",
    ),
    "setting.monitor": ("the validation metric that names the best epoch", "按哪个验证指标选出最好的一轮"),
    "setting.class_weights": (
        "weight the classes in the loss: balanced, or one number a class; or draw rows of rare classes more often: "
        "sampled",
        "损失里各类别的权重：balanced，或每类一个数；或 sampled：多抽少数类的样本",
    ),
    "setting.label_smoothing": ("label smoothing, 0 to 1", "标签平滑，0 到 1"),
    "setting.loss_weights": (
        "several heads: weight of each one's loss (price=0.5,kind=1), or learnt",
        "多任务：各输出头损失的权重（price=0.5,kind=1），或 learnt（随训练学出）",
    ),
    "setting.weights": (
        "begin with trained weights: a .safetensors or .pth file, a run's folder, or default "
        "(those that torchvision or timm publish)",
        "从训练好的权重开始：.safetensors 或 .pth 文件、某次训练的文件夹，或 default（torchvision、timm 发布的权重）",
    ),
    "setting.freeze": (
        "body: train only the head; a number: the body too after so many epochs; none: all from the start",
        "body：只训练输出层；数字：这么多轮之后再训练主干；none：一开始就全部训练",
    ),
    "setting.body_lr": (
        "learning rate of all but the head, as a factor of lr",
        "主干（输出层以外）的学习率，是 lr 的多少倍",
    ),
    "setting.seed": ("every random choice follows from it", "一切随机都由它决定"),
    "setting.device": ("auto, cpu, cuda, cuda:1, mps", "用哪个设备：auto、cpu、cuda、cuda:1、mps"),
    "setting.precision": ("auto, fp32, bf16, or fp16 (GPU)", "数值精度：auto、fp32、bf16，或 fp16（仅 GPU）"),
    "setting.workers": ("processes that read your own Dataset", "用几个进程读你自己的 Dataset"),
    "setting.checkpoint_steps": (
        "save every so many updates (else at each epoch's end)",
        "每多少步存一次（默认每轮结束时存）",
    ),
    "setting.cache": (
        "auto keeps in memory what is the same every time of a sample, where it fits and is proven; off",
        "auto：样本里每次都一样的部分留在内存，前提是放得下且已证明；off：不留",
    ),
    "setting.log": (
        "also write TensorBoard's event files, into tensorboard/ in the run's folder",
        "在运行目录的 tensorboard/ 里另写一份 TensorBoard 日志",
    ),
    "setting.target": ("the column to predict; several: a,b", "要预测的列；几列写成 a,b"),
    "setting.task": (
        "classification, multilabel, regression, multitask (a head for each column) or custom",
        "任务：classification 分类、multilabel 多标签、regression 回归、multitask 每列一个输出头、custom 自定",
    ),
    "setting.ignore": ("columns to leave out: a,b", "不用的列：a,b"),
    "setting.slice": (
        "tell the test group by group too, by these columns: sex,region (numbers are cut at their quartiles)",
        "测试结果再按这些列分组给出，如 sex,region（数字按四分位数切分）",
    ),
    "setting.size": ("side of the images the model sees, in pixels", "送进模型的图片边长（像素）"),
    "setting.augment": (
        "auto: training images are moved, zoomed and mirrored where that is safe; off",
        "auto：训练图片在安全时作平移、缩放和镜像；off 关闭",
    ),
    "setting.on_bad": ("an unreadable sample: stop, or skip it", "遇到读不了的样本：stop 停下，skip 跳过"),
    "setting.bad_limit": ("share of samples that may be skipped", "最多可以跳过多大比例的样本"),
    "setting.max_pixels": ("refuse images with more pixels than this", "像素数超过它的图片不打开"),
    "setting.check": ("the trial of one batch before training", "训练前的单批试跑"),
    "setting.lang": ("language of all texts: zh, en", "界面语言：zh、en"),
    "setting.check.off": ("leave out {text}", "跳过{text}"),
    # help pages
    "usage.title": (
        "danlu 丹炉 {version}: from your own data to a PyTorch model you can trust and use",
        "danlu 丹炉 {version}：用你自己的数据，炼出信得过、用得上的 PyTorch 模型",
    ),
    "usage.first": ("to begin with", "先试试"),
    "usage.more": ("all flags of a command: danlu COMMAND --help", "某个命令的全部选项：danlu 命令 --help"),
    "usage.examples": ("examples", "例子"),
    "usage.default": (" (default {value})", "（默认 {value}）"),
    "usage.line": ("usage: {line}", "用法：{line}"),
    "usage.commands": ("commands: {names}", "有这些命令：{names}"),
    "usage.help": ("all flags: danlu {verb} --help", "全部选项：danlu {verb} --help"),
    "examples.usage": (
        "danlu demo\ndanlu train photos/",
        "danlu demo\ndanlu train 照片/",
    ),
    "examples.train": (
        "danlu train photos/                    # a sub-folder per class\n"
        "danlu train houses.csv --target price\n"
        "danlu train my.py:train_set my.py:test_set --model my.py:Net --epochs 10",
        "danlu train 照片/                      # 每个子文件夹是一类\n"
        "danlu train 房价.csv --target 价格\n"
        "danlu train my.py:train_set my.py:test_set --model my.py:Net --epochs 10",
    ),
    "examples.test": (
        "danlu test                             # the last run, on its own test part\n"
        "danlu test runs/photos-1121-2331 new_photos/",
        "danlu test                             # 最近一次训练，用它自己留出的测试集\n"
        "danlu test runs/照片-1121-2331 新照片/",
    ),
    "examples.predict": (
        "danlu predict a.jpg b.jpg              # with the last run's model\n"
        "danlu predict runs/houses-1121-2331 new.csv -o answers.csv",
        "danlu predict a.jpg b.jpg              # 用最近一次训练的模型\n"
        "danlu predict runs/房价-1121-2331 新房.csv -o 结果.csv",
    ),
    "examples.resume": (
        "danlu resume                           # the last run\ndanlu resume runs/photos-1121-2331 --epochs 30",
        "danlu resume                           # 最近一次训练\ndanlu resume runs/照片-1121-2331 --epochs 30",
    ),
    "examples.demo": ("danlu demo\ndanlu demo table", "danlu demo\ndanlu demo table   # 表格数据"),
    # commands
    "verb.train": (
        "train on a folder of images, a table, arrays, or your own file.py:dataset; test it and save it",
        "用图片文件夹、表格、数组或你自己的 file.py:数据集 训练，测试并保存模型",
    ),
    "verb.test": (
        "measure a trained model on other data (without DATA: its own test part)",
        "拿别的数据检验训好的模型（不给 DATA 就用它自己留出的测试集）",
    ),
    "verb.predict": (
        "answers for images, a folder, or the rows of a table",
        "给图片、文件夹或表格的每一行做预测",
    ),
    "verb.resume": (
        "go on with a run that stopped, or train a finished one for longer",
        "接着跑停下来的训练，或把训完的再多训一阵",
    ),
    "verb.demo": (
        "train on real data that comes with danlu: handwritten digits, or penguins",
        "用自带的真实数据训一遍：手写数字，或企鹅表格",
    ),
    "verb.doctor": (
        "what this machine and installation have, and what is wrong with them",
        "看看这台机器和安装环境有什么、哪里不对",
    ),
    # flags that are not settings
    "group.own": ("this command", "本命令"),
    "group.length": ("how long", "训练多久"),
    "group.update": ("how to learn", "怎么训练"),
    "group.data": ("the data", "数据"),
    "group.machine": ("the machine", "机器"),
    "group.rest": ("everywhere", "通用"),
    "flag.train.val": ("data to validate on after each epoch", "每轮结束后用来验证的数据"),
    "flag.train.test": ("data to test on once, at the end", "最后测试一次用的数据"),
    "flag.train.model": (
        "mlp, cnn, resnet_small, resnet18, resnet34, resnet50, convnext_tiny, vit_tiny, tabular, torchvision/NAME, "
        "timm/NAME, or file.py:Class (default: chosen by the data)",
        "mlp、cnn、resnet_small、resnet18、resnet34、resnet50、convnext_tiny、vit_tiny、tabular、torchvision/名字、timm/名字，"
        "或 file.py:类名（默认看数据来选）",
    ),
    "flag.train.loss": (
        "a loss of torch.nn by name, or file.py:function (default: the task's)",
        "torch.nn 里损失的名字，或 file.py:函数（默认按任务定）",
    ),
    "flag.train.optimizer": (
        "adamw, adam, sgd, muon, a name of torch.optim, or file.py:function (default adamw)",
        "adamw、adam、sgd、muon、torch.optim 里的名字，或 file.py:函数（默认 adamw）",
    ),
    "flag.train.run": (
        "the run's folder; one that exists is continued where it stopped (default: a new one in runs/)",
        "结果放哪个文件夹；已有的会从停下的地方接着跑（默认在 runs/ 里新建）",
    ),
    "flag.train.metrics": (
        "file.py:name of metrics of your own: a function (prediction, target), a torchmetrics object, a list or a dict",
        "自己的指标，file.py:名称：函数 (预测, 目标)、torchmetrics 对象，或它们的列表、字典",
    ),
    "flag.test.metrics": ("file.py:name of metrics of your own", "自己的指标，file.py:名称"),
    "flag.test.slice": (
        "columns by which the metrics are given group by group too: sex,region",
        "再按这些列分组给出指标：sex,region",
    ),
    "flag.test.model": ("file.py:Class of a model of your own", "你自己写的模型：file.py:类名"),
    "flag.predict.model": ("file.py:Class of a model of your own", "你自己写的模型：file.py:类名"),
    "flag.predict.output": (
        "write the answers to a .csv, .jsonl or .parquet file (default: print them)",
        "把结果写进 .csv、.jsonl 或 .parquet 文件（默认打印出来）",
    ),
    "flag.json": ("one event a line on stdout, in JSON", "在标准输出上每行打印一个 JSON 事件"),
    "flag.quiet": ("only warnings, errors and the result", "只显示警告、错误和结果"),
    "flag.debug": ("show the whole traceback of an error", "出错时显示完整的调用栈"),
    "flag.help": ("this page", "显示本页"),
}
