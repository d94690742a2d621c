"""Texts of how a model is measured: slices of the test, own metrics, sampling by class."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL360": (
        ("there is no column {names} to slice the test by", "没有可用来分组的列：{names}"),
        (
            "the test rows are no table: their groups have to be given, one value a row "
            "(images in folders below their class know the group 'folder')",
            "测试数据不是表格：分组需要自己给出，每行一个值（图片若放在类别下的子文件夹里，可用 'folder' 分组）",
        ),
        (
            "slice={{{first!r}: values}}  # in Python: one value for each test row",
            "slice={{{first!r}: 各行的值}}  # 在 Python 里：每个测试样本一个值",
        ),
    ),
    "DL361": (
        (
            "the groups {name!r} are {given} values, the test part has {rows} {rows:row|rows}",
            "分组 {name!r} 有 {given} 个值，而测试集有 {rows} 行",
        ),
        ("a group has to be known for every test row, in their order", "每个测试样本都要有自己的组，次序也要一致"),
        (
            "give one value a row: slice={{{name!r}: array of shape ({rows},)}}",
            "每行给一个值：slice={{{name!r}: 形状为 ({rows},) 的数组}}",
        ),
    ),
    "DL362": (
        ("metrics cannot hold {got}", "metrics 里不能放 {got}"),
        (
            "a metric is a function (prediction, target) -> number, a function of sklearn.metrics, an object of "
            "torchmetrics (made, not its class), 'file.py:name', or a list or dict of them",
            "指标可以是函数 (预测, 目标) -> 数、sklearn.metrics 的函数、torchmetrics 的对象（要实例，不是类）、"
            "'文件.py:名称'，或它们的列表、字典",
        ),
        ("{line}", "{line}"),
    ),
    "DL363": (
        ("a metric cannot be called {name!r}", "指标不能叫 {name!r}"),
        (
            "danlu measures something of that name itself, or it is there twice",
            "danlu 自己已有这个名字的指标，或者重名了",
        ),
        ("give it another name: metrics={{'my_{name}': …}}", "换个名字：metrics={{'my_{name}': …}}"),
    ),
    "DL364": (
        ("a lambda among the metrics has no name", "metrics 里的 lambda 没有名字"),
        ("results are kept by name: val/NAME and test/NAME", "结果按名字保存：val/名称、test/名称"),
        ("metrics={{'NAME': lambda prediction, target: …}}", "metrics={{'名称': lambda prediction, target: …}}"),
    ),
    "DL365": (
        ("your metric {name!r} failed", "你的指标 {name!r} 出错了"),
        ("{why}", "{why}"),
        (
            "it gets (prediction, target): probabilities and class numbers, 0/1 labels, or numbers; scikit-learn's "
            "functions the guessed classes. Settings of a metric: functools.partial(f1_score, average='macro')",
            "它收到 (预测, 目标)：概率与类别编号、0/1 标签，或数值；scikit-learn 的函数收到预测的类别。"
            "要给指标设参数：functools.partial(f1_score, average='macro')",
        ),
    ),
    "DL367": (
        ("rows cannot be drawn by class here", "这里没法按类别抽样"),
        ("{why}", "{why}"),
        ("leave class_weights out", "去掉 class_weights"),
    ),
    "DL368": (
        ("danlu.step needs an optimizer, this is a {got}", "danlu.step 需要优化器对象，而这是 {got}"),
        (
            "it is called once for each batch: what an optimizer remembers would be lost every time",
            "它每个 batch 调用一次：临时新建的优化器记不住任何状态",
        ),
        (
            "optimizer = torch.optim.AdamW(model.parameters())  # once, before the loop",
            "optimizer = torch.optim.AdamW(model.parameters())  # 循环之前建一次",
        ),
    ),
    "DL366": (
        ("monitor={name!r}: is more of it better, or less?", "monitor={name!r}：越大越好还是越小越好？"),
        ("nothing about this metric says so, and danlu does not guess", "这个指标本身没有说明，danlu 不会替你猜"),
        (
            "monitor='+{name}' (more is better), or monitor='-{name}'",
            "monitor='+{name}'（越大越好），或 monitor='-{name}'",
        ),
    ),
}

SAYINGS: dict[str, Text] = {
    "sampled.not.task": ("the task is {task}: rows have no one class each", "任务是 {task}：一行不是恰好属于一类"),
    "sampled.not.order": (
        "your DataLoader sets the order itself ({names})",
        "你的 DataLoader 已经自己定了顺序（{names}）",
    ),
    "sampled.not.iterable": ("an iterable dataset gives its rows in its own order", "可迭代数据集按自己的顺序给出样本"),
    "class_weights.sampled": (
        "every class is drawn equally often: a row of {rare} ({rows} {rows:row|rows}) comes {times} times an epoch, "
        "and {unseen} of the rows of {common} are not seen in one; probabilities are no longer how frequent the "
        "classes are",
        "各类别抽到的次数相同：{rare}（{rows} 行）的每一行每轮出现 {times} 次，而 {common} 有 {unseen} 的行当轮见不到；"
        "输出的概率不再等于实际比例",
    ),
    "class_weights.balanced": (
        "an error on {rare} ({rows} {rows:row|rows}) counts {times} times one on {common}: more of it is found, at the "
        "price of false alarms; probabilities are no longer how frequent the classes are",
        "{rare}（{rows} 行）上的错误按 {common} 的 {times} 倍计：会多找回一些，代价是误报增多；"
        "输出的概率不再等于实际比例",
    ),
    "page.why_failed": (
        "the model could not be asked why it answers so: {error}; log.txt has more",
        "没能分析模型为什么这样回答：{error}；详见 log.txt",
    ),
    "showing.memory.gpu": ("tensors on the GPU", "GPU 上的张量"),
    "showing.memory.process": ("the whole process", "整个进程"),
    "own.line": ("metrics={{'NAME': lambda prediction, target: …}}", "metrics={{'名称': lambda p, y: …}}"),
    "own.file": (
        "metrics='my_metrics.py:name'   # in that file: def name(prediction, target): …",
        "metrics='my_metrics.py:name'   # 文件里写：def name(prediction, target): …",
    ),
    "own.sizes": (
        "it needs all rows at once, and the model's outputs are not of one size ({sizes}); a metric with update(), "
        "compute() and reset() gets them batch by batch",
        "它需要一次拿到所有样本，而模型输出的大小不一（{sizes}）；带 update()、compute()、reset() 的指标可以逐批计算",
    ),
    "own.no_number": ("it gave {got}, not one number", "它返回的是 {got}，不是一个数"),
    "showing.own": ("Your own metric.", "你自己的指标。"),
    "slice.missing": ("(none)", "（缺失）"),
    "slice.others": ("{count} {count:other|others together}", "其余 {count} 个合并"),
    "slice.no_test": ("none", "无"),
    "slice.no_test.why": ("there is no test part to tell group by group", "没有测试集，无法分组评估"),
    "slice.few": ("too few rows to say", "行数太少，说明不了什么"),
    "slice.more": ("{count} more in report.html", "另外 {count} 组见 report.html"),
    "slice.row": ("{group} {value}{interval}, {rows} {rows:row|rows}", "{group} {value}{interval}，{rows} 行"),
    "slice.quarters": ("cut at its quartiles", "按四分位数切分"),
    "slice.head": (
        "the test rows group by group; ! clearly worse than all others",
        "测试样本分组来看；! 表示明显差于其余样本",
    ),
    "slice.row.few": ("{row}, too few rows to say", "{row}，行数太少，说明不了什么"),
    "slice.line": ("{metric}: {groups}", "{metric}：{groups}"),
    "slice.worse": ("clearly worse than all others", "明显差于其余样本"),
    "slice.note.cut": ("Cut at the quartiles of the test rows: {columns}.", "按测试样本的四分位数切分：{columns}。"),
    "slice.note.worse": (
        "Clearly worse: the interval of the difference to all other rows leaves out 0, with {compared} groups compared "
        "(Bonferroni).",
        "“明显差于其余样本”指：与其余样本之差的区间不含 0（已按 {compared} 个组做 Bonferroni 校正）。",
    ),
    "label.slices": ("by group", "分组"),
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
}
