"""Texts of DL23x, DL24x and DL3xx errors and of what training says."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL241": (
        ("cannot tell which entries of the batch go into the model", "分不清 batch 里哪些该送进模型"),
        (
            "the batch has {entries}; {model}.forward takes {parameters}; no name is in both",
            "batch 里有 {entries}，而 {model}.forward 的参数是 {parameters}，没有一个同名",
        ),
        (
            "name forward's arguments like the dict's keys, and the target 'label' or 'target'",
            "让 forward 的参数名与字典的键一致，标签的键叫 'label' 或 'target'",
        ),
    ),
    "DL240": (
        ("this device cannot be used here", "这台机器上用不了这个设备"),
        ("{reason}; here there is: {here}", "{reason}；这里可用的有：{here}"),
        ("--device auto", "--device auto"),
    ),
    "DL242": (
        ("the model stopped at a layer that does not fit its input", "模型在一层上停住了：输入与这一层不匹配"),
        ("the layer got {got}; torch says: {reason}", "这一层收到的是 {got}；torch 的原话：{reason}"),
        ("change this layer's sizes in {model}, or the layer before it", "在 {model} 里改这一层（或前一层）的尺寸"),
    ),
    "DL243": (
        ("the model or the loss does not take this batch", "模型或损失函数接不住这个 batch"),
        ("the batch is {got}; {reason}", "这个 batch 是 {got}；{reason}"),
        (
            "make forward's arguments match what the dataset returns before the target",
            "让 forward 的参数与数据集返回的（标签之前的）各项对上",
        ),
    ),
    "DL244": (
        ("the model's weights and its input have different number formats", "模型的权重与输入的数值格式不同"),
        ("the layer got {got}; torch says: {reason}", "这一层收到的是 {got}；torch 的原话：{reason}"),
        ("{line}", "{line}"),
    ),
    "DL245": (
        ("the loss does not take this kind of numbers", "损失函数接受不了这种数值格式"),
        ("the batch is {got}; torch says: {reason}", "这个 batch 是 {got}；torch 的原话：{reason}"),
        (
            "y = y.long() for classes (CrossEntropyLoss), y = y.float() for numbers (MSELoss, BCEWithLogitsLoss)",
            "类别用 y = y.long()（CrossEntropyLoss），数值用 y = y.float()（MSELoss、BCEWithLogitsLoss）",
        ),
    ),
    "DL301": (
        (
            "step {step}: the gradients are not finite; this update was not made",
            "第 {step} 步：梯度里有 NaN 或无穷大，这次更新没有执行",
        ),
        ("{cause}; {state}", "{cause}；{state}"),
        ("{cure}", "{cure}"),
    ),
    "DL302": (
        ("step {step}: the gradients were not finite", "第 {step} 步：梯度里出现了 NaN 或无穷大"),
        (
            "{cause}; this optimizer updates on the GPU without looking, so the weights were put back "
            "to the last checkpoint",
            "{cause}；这个优化器在 GPU 上不检查就更新，所以权重已退回上一个检查点",
        ),
        ("a smaller learning rate (--lr), or --clip-norm 1", "调小学习率（--lr），或加上 --clip-norm 1"),
    ),
    "DL303": (
        ("accumulate needs danlu's own step", "梯度累积要用 danlu 自己的 step"),
        (
            "your step function gets one batch and makes the whole update",
            "你的 step 函数一次拿到一个 batch，整个更新都归它管",
        ),
        ("accumulate=1, or add up the gradients inside your step", "accumulate=1，或在你的 step 里自己累积"),
    ),
    "DL304": (
        ("the loader gave no batch", "加载器一个 batch 也没给出来"),
        ("it is empty, or drop_last left nothing over", "它是空的，或者 drop_last 把仅有的样本丢掉了"),
        ("a smaller batch_size, or drop_last=False", "调小 batch_size，或 drop_last=False"),
    ),
    "DL305": (
        ("the loss is not one number: {got}", "损失不是一个数：{got}"),
        (
            "backward starts from one number; a loss returns a 0-d tensor or (sum, weight)",
            "反向传播要从一个数开始；损失函数应返回 0 维张量，或 (总和, 权重)",
        ),
        ("return loss.mean()", "return loss.mean()"),
    ),
    "DL306": (
        ("the learning-rate test found no rate that works", "学习率试验没有找到可用的学习率"),
        (
            "the loss was not finite within the first ten updates, even at a rate of 1e-6",
            "哪怕学习率只有 1e-6，损失在前十步之内就不是有限数了",
        ),
        ("--lr 1e-4, and look at the inputs' scale", "--lr 1e-4，并检查输入的数值范围"),
    ),
    "DL307": (
        ("this is not a model: {got}", "这不是模型：{got}"),
        (
            "a model is a name, an nn.Module, its class, or a function without arguments that returns one",
            "model 可以是名字、nn.Module 对象、它的类，或不带参数、返回 nn.Module 的函数",
        ),
        ("model=MyNet()", "model=MyNet()"),
    ),
    "DL308": (
        ("this input cannot be read", "这个输入读不了"),
        ("{reason}", "{reason}"),
        ("{line}", "{line}"),
    ),
    "DL309": (
        ("this model's outputs have no meaning that danlu knows", "danlu 不知道这个模型的输出是什么意思"),
        (
            "it was trained with a loss of its own, so there are no labels or numbers to name",
            "它是用自定义损失训练的，没有类别或数值可以命名",
        ),
        ("danlu.load(run).outputs([x]), or call .module yourself", "danlu.load(run).outputs([x])，或直接调用 .module"),
    ),
    "DL310": (
        ("this metric is not computed here", "这里没有这个指标"),
        ("there are: {known}", "有这些：{known}"),
        ("monitor={line!r}", "monitor={line!r}"),
    ),
    "DL311": (
        ("this run was begun with other settings", "这个运行开始时用的是别的设置"),
        ("{differences}", "{differences}"),
        ("{line}", "{line}"),
    ),
    "DL312": (
        ("this run was made from Python objects", "这个运行是用 Python 对象建立的"),
        ("its {objects} live in your script, not in the folder", "它的 {objects} 在你的脚本里，不在文件夹里"),
        ("run the script again with run={run!r}", "再运行一次脚本，并加上 run={run!r}"),
    ),
    "DL318": (
        ("this run has been trained further than {name} {wanted}", "这个运行已经训练得比 {name} {wanted} 更长"),
        (
            "it has {name} {done} behind it, and training cannot be taken back",
            "它已完成的 {name} 是 {done}，训练过的部分无法撤回",
        ),
        (
            "danlu resume {folder} --{name} {more}; for a shorter run, a new one: "
            "danlu train {folder}/run.toml --{name} {wanted}",
            "继续训练：danlu resume {folder} --{name} {more}；想要更短的，就另建一个运行："
            "danlu train {folder}/run.toml --{name} {wanted}",
        ),
    ),
    "DL317": (
        ("predictions cannot be written to {path}", "预测结果无法写入 {path}"),
        ("{reason}", "{reason}"),
        ("{line}", "{line}"),
    ),
    "DL315": (
        ("predictions cannot be written in this form: {suffix!r}", "不能把预测写成这种格式：{suffix!r}"),
        ("known are {known}", "支持 {known}"),
        ("-o answers.csv", "-o answers.csv"),
    ),
    "DL314": (
        ("this model is of a class of the user's own: {name}", "这个模型用的是自定义的类：{name}"),
        ("loading never imports code that a folder names", "加载时不会导入文件夹里提到的任何代码"),
        ("{line}", "{line}"),
    ),
    "DL313": (
        ("there is no test data of its own here", "这里没有它自己的测试数据"),
        ("it was trained without any, or only its model/ folder is here", "训练时没有给过，或这里只有它的 model/ 目录"),
        ("danlu test {run} DATA", "danlu test {run} 数据"),
    ),
}

SAYINGS: dict[str, Text] = {
    "dtype.float": (
        "x = x.float()  # numpy makes float64, models are float32",
        "x = x.float()  # numpy 默认 float64，模型是 float32",
    ),
    "dtype.whole": (
        "x = x.long()  # an embedding looks rows up by whole numbers",
        "x = x.long()  # 嵌入层按整数编号查表",
    ),
    "nan.input": (
        "these rows hold NaN or infinity in their inputs or targets",
        "这些样本的输入或标签里有 NaN 或无穷大",
    ),
    "nan.loss": (
        "the loss itself is {loss}: the weights have grown too far, or the loss takes log(0)",
        "损失本身就是 {loss}：权重已经发散，或损失里取了 log(0)",
    ),
    "nan.gradient": ("the loss is finite, but the gradient of {name} is not", "损失是有限的，但 {name} 的梯度不是"),
    "nan.overflow": (
        "every gradient is finite, but together they are too large for float32",
        "每个梯度都是有限的，但加在一起超出了 float32 的范围",
    ),
    "nan.good": ("the weights are still good", "权重没有被污染"),
    "nan.gone": (
        "{name} was no longer finite before it: the update before went too far",
        "在此之前 {name} 就已经不是有限的数：上一次更新步子太大",
    ),
    "nan.later": ("seen one step later, on the GPU", "在 GPU 上晚一步才看到"),
    "precision.gpu": ("this GPU computes bfloat16 natively", "这块 GPU 原生支持 bfloat16"),
    "precision.old_gpu": ("this GPU has no bfloat16", "这块 GPU 不支持 bfloat16"),
    "precision.no_bf16": ("this processor has no fast bfloat16", "这颗处理器没有快速的 bfloat16"),
    "precision.light": (
        "no convolutions or attention in the model, so a lower precision gains nothing",
        "模型里没有卷积和注意力，降低精度没有好处",
    ),
    "precision.refused": ("bfloat16 does not run here: {reason}", "bfloat16 在这里跑不了：{reason}"),
    "precision.measured": (
        "measured on real batches: bfloat16 is {gain} times as fast as float32",
        "用真实 batch 实测：bfloat16 的速度是 float32 的 {gain} 倍",
    ),
    "batch_size.loader": ("taken from your DataLoader", "取自你的 DataLoader"),
    "batch_size.rows": ("by the number of training rows ({rows})", "按训练样本数（{rows}）"),
    "epochs.photos": (
        "{rows} training images, each seen a little differently every time",
        "训练图片 {rows} 张，每次看都略有不同",
    ),
    "epochs.rows": ("by the number of training rows ({rows})", "按训练样本数（{rows}）"),
    "steps.time": ("measured: one update takes {each} ms", "实测：一次更新 {each} 毫秒"),
    "lr.range_test": (
        "range test over {steps} updates of a copy: a tenth of the rate where the loss was lowest",
        "在模型副本上试了 {steps} 步：取损失最低处学习率的十分之一",
    ),
    "test.none": ("none", "没有"),
    "test.none.why": (
        "a test part is split off files, tables and arrays only; give one as the second argument to know how good it "
        "is",
        "只有文件、表格和数组会自动留出测试集；想知道模型有多好，请把测试数据作为第二个参数传入",
    ),
    "drop_last.batch_norm": (
        "the last batch would hold one row, which BatchNorm cannot normalise; each epoch leaves out another",
        "最后一个 batch 只剩一个样本，BatchNorm 无法归一化；每个 epoch 轮流少一个样本",
    ),
    "accumulate.batch_norm": (
        "{layer} is a BatchNorm: it still sees each small batch by itself",
        "{layer} 是 BatchNorm：它看到的仍是一个个小 batch",
    ),
    "stop.patience": (
        "no better validation result for {epochs} {epochs:epoch|epochs}",
        "验证结果已连续 {epochs} 个 epoch 没有变好",
    ),
    "schedule.cosine": (
        "down to zero over the whole run, after a warm-up of 5 %",
        "先用 5 % 的步数预热，再沿余弦降到零",
    ),
    "schedule.yours": ("the optimizer is yours, so its rate is left alone", "优化器是你给的，学习率保持不动"),
    "schedule.unknown": ("the number of updates is not known beforehand", "事先不知道一共要更新多少次"),
    "schedule.fresh": (
        "trained further: a fresh schedule begins at step {step}",
        "继续训练：从第 {step} 步开始一个新的学习率计划",
    ),
    "session.skipped": (
        "checkpoint {path} is damaged ({why}); the one before it is used",
        "检查点 {path} 已损坏（{why}），改用前一个",
    ),
    "resume.differs": (
        "this environment differs from the one the run began in, so the end may not be bit-identical: {changes}",
        "环境与开始时不同，结果可能不再逐位一致：{changes}",
    ),
    "best.lost": (
        "the checkpoint of the best epoch ({epoch}) cannot be read; the last weights are kept",
        "最佳 epoch（第 {epoch} 个）的检查点读不出来，保留最后的权重",
    ),
    "record.title": (
        "What this run was asked and what was chosen. Again: danlu train {folder}/run.toml",
        "这个运行的参数和自动做出的选择。重跑一遍：danlu train {folder}/run.toml",
    ),
    "record.difference": ("{name} was {old}, now {new}", "{name} 原来是 {old}，现在是 {new}"),
    "card.what": (
        "A {model} model for {task}. Inputs: {inputs}. Trained with danlu.",
        "{model} 模型，任务：{task}。输入：{inputs}。用 danlu 训练。",
    ),
    "card.classes": ("{count} classes: {names}.", "共 {count} 类：{names}。"),
    "card.results": (
        "On {rows} test {rows:row|rows} that training never saw:",
        "在训练从未见过的 {rows} 个测试样本上：",
    ),
    "card.head": (
        "| metric | value | 95 % interval | trivial baseline | linear model |",
        "| 指标 | 数值 | 95 % 区间 | 简单基线 | 线性模型 |",
    ),
    "card.use": ("From this folder:", "在这个文件夹里使用："),
    "nan.clean": ("correct or leave out the rows named above", "改正或去掉上面点名的样本"),
    "nan.slower": ("a smaller learning rate (--lr), or --clip-norm 1", "调小学习率（--lr），或加上 --clip-norm 1"),
    "answers.no_folder": ("there is no folder {path}", "没有文件夹 {path}"),
    "load.instance": (
        "danlu.load({path!r}, model=net)   # net: the same network, made by the lines of your script",
        "danlu.load({path!r}, model=net)   # net：用你脚本里同样的代码建出的网络",
    ),
    "loss.twice": (
        "the model ends with a {step}, and {loss} takes one itself: twice, it learns little. "
        "Let forward return the numbers before the {step}",
        "模型的最后一步是 {step}，而 {loss} 自己还会再做一次：做两次就学不到多少。请让 forward 返回 {step} 之前的数",
    ),
    "val.nan": (
        "the validation loss is not a number: the model's answers or the validation rows hold NaN",
        "验证损失是 NaN：模型的输出或验证数据里有 NaN",
    ),
    "predict.none": (
        "give inputs of the kind the model was trained on: {kinds}",
        "请给出与训练数据同类的输入：{kinds}",
    ),
    "predict.damaged": (
        "the file is damaged: copy or download it again, {path}",
        "文件已损坏，请重新拷贝或下载：{path}",
    ),
    "predict.skips": (
        "danlu predict RUN FILES -o answers.csv  # leaves such inputs out and goes on",
        "danlu predict 运行目录 文件… -o answers.csv  # 跳过这类输入，继续往下",
    ),
    "predict.done": (
        "{rows} predictions written to {output}; {bad} inputs could not be read",
        "{rows} 个预测已写入 {output}；{bad} 个输入读不了",
    ),
}
