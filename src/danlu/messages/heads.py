"""Texts of several targets at once: heads, their losses and weights."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL260": (
        ("loss_weights names {name!r}, and no head is called that", "loss_weights 里的 {name!r} 不是任何输出头的名字"),
        ("the heads are: {heads}", "输出头有：{heads}"),
        ("loss_weights='{near}=0.5'", "loss_weights='{near}=0.5'"),
    ),
    "DL261": (
        ("loss_weights has nothing to weigh", "loss_weights 没有可加权的东西"),
        (
            "there is one loss; weights are for several heads, each with its own",
            "只有一个损失；权重用于各有损失的多个输出头",
        ),
        (
            "leave loss_weights out, or predict several columns: --target price,kind",
            "去掉 loss_weights，或同时预测几列：--target price,kind",
        ),
    ),
    "DL262": (
        ("a loss has its weight twice", "一个损失给了两次权重"),
        (
            "the dict of losses says {weight}, and loss_weights says something too",
            "损失字典里写了 {weight}，loss_weights 里又给了权重",
        ),
        ("give the weights in one place: loss_weights={{'a': 0.5}}", "只在一处给权重：loss_weights={{'a': 0.5}}"),
    ),
    "DL263": (
        ("one loss cannot serve several heads", "一个损失管不了多个输出头"),
        ("the heads are {heads}; each has a loss of its own", "输出头有 {heads}；每个头都有自己的损失"),
        (
            "leave the loss out, or give a dict: loss={{'price': nn.L1Loss(), 'kind': nn.CrossEntropyLoss()}}",
            "不写 loss，或给一个字典：loss={{'price': nn.L1Loss(), 'kind': nn.CrossEntropyLoss()}}",
        ),
    ),
    "DL265": (
        ("the training labels of head {head!r} are not known", "不知道输出头 {head!r} 的训练标签"),
        (
            "danlu does not read a Dataset of yours in full to count its classes",
            "danlu 不会为了统计类别而读完你的整个 Dataset",
        ),
        ("give the losses, with weights: {line}", "自己给出损失，并写上权重：{line}"),
    ),
    "DL266": (
        ("of several heads, whose metrics are these?", "有多个输出头，这些指标是哪个头的？"),
        ("the heads are {heads}; metrics names {given}", "输出头有 {heads}；metrics 里写的是 {given}"),
        (
            "name the heads, each with its metrics: metrics={{{near!r}: …}}; on the command line "
            "--metrics my.py:METRICS, a dict like that",
            "按输出头分别给出：metrics={{{near!r}: …}}；命令行里写 --metrics my.py:METRICS，是一个这样的字典",
        ),
    ),
}

SAYINGS: dict[str, Text] = {
    "heads.entry": (
        "return x, y[{key!r}]   # in __getitem__: the one target itself",
        "return x, y[{key!r}]   # 在 __getitem__ 里：只有一个目标时直接返回它",
    ),
    "heads.forward": (
        "return {{{parts}}}   # in forward: an output for each target",
        "return {{{parts}}}   # 在 forward 里：每个目标一个输出",
    ),
    "heads.losses": (
        "with several outputs give a dict: loss={{'a': 'CrossEntropyLoss', 'b': ('MSELoss', 0.5)}}",
        "模型有多个输出时请给字典：loss={{'a': 'CrossEntropyLoss', 'b': ('MSELoss', 0.5)}}",
    ),
    "table.task.heads": ("a head for each column; {heads}", "每列一个输出头；{heads}"),
    "heads.one": ("{name}: {task} ({why})", "{name}：{task}（{why}）"),
    "heads.task": ("{name}: {task}", "{name}：{task}"),
    "heads.no_loss": (
        "no loss is given under this name, so it teaches nothing",
        "损失字典里没有这个名字，所以它不参加训练",
    ),
    "heads.whole": (
        "{name} holds {count} whole numbers that come again",
        "{name} 只有 {count} 种会重复的整数",
    ),
    "task.classification": ("classification", "分类"),
    "task.multilabel": ("several labels", "多标签"),
    "task.regression": ("regression", "回归"),
    "task.multitask": ("several targets", "多个目标"),
    "task.custom": ("a task of your own", "自定任务"),
    "heads.missing": (
        "rows without this target train and test the other heads; this one leaves them out",
        "缺这个目标的行仍用于其他输出头的训练和测试，只是不算进这一个",
    ),
    "heads.missing.count": ("{head}: {parts}", "{head}：{parts}"),
    "heads.missing.train": ("{count} of {rows} training rows", "训练集 {rows} 行中 {count} 行"),
    "heads.missing.val": ("{count} of {rows} validation rows", "验证集 {rows} 行中 {count} 行"),
    "heads.missing.test": ("{count} of {rows} test rows", "测试集 {rows} 行中 {count} 行"),
    "heads.weights.equal": (
        'the losses are added up as they are, 1 each; loss_weights=… or "learnt" weighs them',
        '各头损失直接相加，权重都是 1；可用 loss_weights=… 或 "learnt" 加权',
    ),
    "heads.weights.standard": (
        "numbers are standardised, so that a squared error of 1 is that of always answering the mean",
        "数值目标已标准化：平方误差为 1，相当于总是回答平均值",
    ),
    "heads.weights.given": ("as given", "按给定的权重"),
    "heads.weights.others": ("as given; 1 for a head that is not named", "按给定的权重；没写到的头为 1"),
    "heads.weights.learnt": (
        "log-variances trained with the model, without weight decay (Kendall, Gal & Cipolla, 2018)",
        "对数方差与模型一起训练，不做权重衰减（Kendall、Gal、Cipolla，2018）",
    ),
    "heads.weights.end": ("what the losses were multiplied with at the last update", "最后一步时各损失乘上的权重"),
    "heads.monitor.fixed": (
        'the weighted loss is what is trained; monitor="{example}" judges by one head',
        '加权后的损失就是训练的目标；monitor="{example}" 则只看一个头',
    ),
    "heads.monitor.learnt": (
        "the geometric mean of the heads' losses: the weighted loss also moves when only its weights do",
        "各头损失的几何平均：权重一变，加权损失就变，哪怕预测没变",
    ),
    "card.heads": ("It answers {count} questions at once:", "它同时回答 {count} 个问题："),
    "card.head_line": ("- **{name}**: {task}", "- **{name}**：{task}"),
    "metric.balanced_loss": ("balanced loss", "均衡损失"),
    "what.loss weights": ("loss weights", "损失权重"),
    "what.not trained": ("not trained", "不训练"),
    "what.missing targets": ("missing", "缺目标"),
    "what.monitor": ("monitor", "选优"),
    "line.of_heads": ("{heads}: {text}", "{heads}：{text}"),
    "line.head": ("{head} {metric}", "{head} {metric}"),
}
