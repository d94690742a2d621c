"""Texts of DL33x: what makes a figure doubtful, before training and after the test."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL330": (
        (
            "validation and test disagree: {metric} {val} and {test}",
            "验证集与测试集的结果对不上：{metric} 分别为 {val} 和 {test}",
        ),
        (
            "chance explains a difference of {limit} at most; are the two parts from the same source, or was the "
            "validation part used to choose too often?",
            "偶然因素最多解释 {limit} 的差距；两部分数据的来源是否相同？是否用验证集挑选了太多次？",
        ),
        (
            "believe the test figure; compare how the two parts were collected",
            "以测试结果为准；核对两部分数据的采集方式",
        ),
    ),
    "DL331": (
        (
            "a linear model {how}: {metric} {linear} beside {value}",
            "{how}：{metric} {linear}，本模型 {value}",
        ),
        (
            "it was solved in a moment on at most 1,024 raw features; that the network has learned more is not shown",
            "它只用至多 1,024 个原始特征、一步求解；还看不出网络学到了更多",
        ),
        ("train longer, or with another rate: {line}", "多训练一会儿，或换学习率：{line}"),
    ),
    "DL332": (
        (
            "no better than guessing: {metric} {value} (95% {low} – {high}), {baseline} without looking at the input",
            "不比瞎猜好：{metric} {value}（95% 区间 {low} – {high}），不看输入也有 {baseline}",
        ),
        (
            "the baseline lies inside the interval or beyond it: what was learned may be nothing",
            "基线落在区间之内（甚至更好）：模型可能什么也没学到",
        ),
        (
            "check that inputs and labels belong together, then train longer or with another rate: {line}",
            "先核对输入与标签是否对应，再多训练一会儿或换学习率：{line}",
        ),
    ),
    "DL333": (
        (
            "{rows} test {rows:row is|rows are} few: {metric} is only known within ± {half}",
            "测试集只有 {rows} 行：{metric} 只能确定到 ± {half}",
        ),
        (
            "models that differ by less cannot be told apart; ± 0.02 would take about {needed} rows",
            "差距更小的模型分不出高下；要精确到 ± 0.02，约需 {needed} 行",
        ),
        ("test on more rows: {line}", "用更多数据测试：{line}"),
    ),
    "DL339": (
        (
            "{count} {count:class has|classes have} hardly a test row: {classes}",
            "有 {count} 个类别几乎没有测试数据：{classes}",
        ),
        (
            "means over the classes ({metrics}, balanced accuracy, AUROC) count each class alike: a row more or less "
            "moves them much, and of a class with one row no interval can be told",
            "按类别平均的指标（{metrics}、平衡准确率、AUROC）把每个类别看得一样重："
            "多一行少一行都会让它们大变，只有一行的类别给不出区间",
        ),
        ("look at accuracy, or test on more rows: {line}", "请看准确率，或用更多数据测试：{line}"),
    ),
    "DL334": (
        (
            "the model knows its training rows much better: loss {train} there, {val} on validation",
            "模型对训练数据熟得多：训练损失 {train}，验证损失 {val}",
        ),
        (
            "it has begun to remember rows instead of what they have in common; the best epoch ({best}) was kept",
            "它开始背下样本而不是学共性；保存的是最好的一轮（第 {best} 轮）",
        ),
        (
            "more data, augmentation, --weight-decay 0.1, a smaller model, or --patience 3",
            "更多数据、数据增强、--weight-decay 0.1、更小的模型，或 --patience 3",
        ),
    ),
    "DL335": (
        ("the last epoch is the best: it was still improving", "最后一轮最好：模型还在进步"),
        (
            "{metric} on validation went from {before} to {after} over the last quarter of the training",
            "训练的最后四分之一里，验证集 {metric} 从 {before} 变为 {after}",
        ),
        ("{line}", "{line}"),
    ),
    "DL336": (
        (
            "{count} {part} {count:row has exactly a training row's inputs|rows have exactly training rows' inputs}",
            "{part}里有 {count} 行的输入与训练集的某一行完全相同",
        ),
        (
            "the model may know their answers by heart: {share} of that part; such as {examples}",
            "模型可能背下了它们的答案：占这部分的 {share}；例如 {examples}",
        ),
        ("remove the copies from one side, then train again", "从其中一边删去重复的行，再训练"),
    ),
    "DL337": (
        (
            "the classes are unequal: {most} has {ratio} times the rows of {fewest} ({rows})",
            "类别不均衡：{most} 的行数是 {fewest}（{rows} 行）的 {ratio} 倍",
        ),
        (
            "accuracy then says little about the rare ones: read balanced accuracy and each class's recall. Weights "
            "find more of them at the price of false alarms, and the probabilities are no longer shares",
            "这时准确率说明不了少数类：请看均衡准确率和各类召回率。加权会多找回一些少数类，"
            "代价是误报增多，输出的概率也不再等于实际比例",
        ),
        (
            "--class-weights balanced, if missing a rare one costs more",
            "若漏掉少数类代价更大：--class-weights balanced",
        ),
    ),
    "DL338": (
        (
            "{group} is served worse: {metric} {value} (95% {low} – {high}), {rest} on all other test rows",
            "{group} 的表现明显更差：{metric} {value}（95% 区间 {low} – {high}），其余测试样本为 {rest}",
        ),
        (
            "{rows} rows against the rest ({rest_low} – {rest_high}); chance does not explain it, even with {compared} "
            "groups compared{also}",
            "{rows} 行与其余（{rest_low} – {rest_high}）相比；即使同时比较了 {compared} 个组，偶然因素也解释不了{also}",
        ),
        (
            "look at that group's rows and baseline in report.html; if it matters, collect more of it and train again",
            "在 report.html 里查看该组的样本与基线；若这组很重要，请多收集这类数据后重新训练",
        ),
    ),
}

SAYINGS: dict[str, Text] = {
    "doubt.val": ("validation", "验证集"),
    "doubt.test": ("test", "测试集"),
    "doubt.linear.as_good": ("does as well", "线性模型不输于它"),
    "doubt.linear.better": ("is clearly better", "线性模型明显更好"),
    "doubt.linear.unsure": (
        "may do as well (difference 95% {low} – {high})",
        "还不能说胜过线性模型（差距的 95% 区间 {low} – {high}）",
    ),
    "doubt.group_baseline": (
        "; ignoring the input reaches {baseline} in that group",
        "；在该组里不看输入就能到 {baseline}",
    ),
    "doubt.also_worse": ("; also worse ({count}): {groups}", "；同样更差的还有 {count} 组：{groups}"),
}
