"""Texts that a finished run's page is filled with: the verdict, and what things are called there."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {}

SAYINGS: dict[str, Text] = {
    "showing.data": ("data", "数据"),
    "showing.model": ("model", "模型"),
    "showing.date": ("date", "日期"),
    "showing.duration": ("duration", "用时"),
    "showing.seed": ("seed", "随机种子"),
    "showing.device": ("device", "设备"),
    "showing.system": ("system", "系统"),
    "showing.machine": ("machine", "架构"),
    "showing.processor": ("processor", "处理器"),
    "showing.threads": ("threads", "线程数"),
    "showing.no_test": (
        "This run has no test part: nothing says how good it is.",
        "这次训练没有测试集：好坏无从说起。",
    ),
    "showing.no_figure": (
        "The test on {rows} rows gave no figure to judge by.",
        "在 {rows} 个样本上做了测试，但没有得到可供评判的指标。",
    ),
    "showing.broken": (
        "Do not rely on it: {count} of {rows} answers are not numbers (NaN or infinite).",
        "不能采信：{rows} 个回答中有 {count} 个不是数（NaN 或无穷大）。",
    ),
    "showing.good": (
        "On {rows} test {rows:row|rows} that training never saw, {metric} is {value} (95 % interval {low} to {high}).",
        "在训练从未见过的 {rows} 个测试样本上，{metric}为 {value}（95 % 区间 {low} 至 {high}）。",
    ),
    "showing.good_alone": (
        "On {rows} test {rows:row|rows} that training never saw, {metric} is {value}.",
        "在训练从未见过的 {rows} 个测试样本上，{metric}为 {value}。",
    ),
    "showing.against.trivial_linear": (
        "Without looking at the input one reaches {trivial}, a linear model on raw features {linear}{over}.",
        "不看输入就能到 {trivial}，原始特征上的线性模型能到 {linear}{over}。",
    ),
    "showing.against.trivial": (
        "Without looking at the input one reaches {trivial}.",
        "不看输入就能到 {trivial}。",
    ),
    "showing.against.linear": (
        "A linear model on raw features reaches {linear}{over}.",
        "原始特征上的线性模型能到 {linear}{over}。",
    ),
    "showing.over": (
        "; on the same rows this model is ahead of it by {value}{points} (95 % interval {low} to {high}), more than "
        "chance",
        "；在同样的样本上，本模型比它好 {value}{points}（95 % 区间 {low} 至 {high}），不是偶然",
    ),
    "showing.not_over": (
        "; on the same rows the difference to it is {value}{points} (95 % interval {low} to {high}), which may be "
        "chance",
        "；在同样的样本上与它相差 {value}{points}（95 % 区间 {low} 至 {high}），可能只是偶然",
    ),
    "showing.under": (
        "; on the same rows the linear model is clearly better, by {value}{points} (95 % interval {low} to {high})",
        "；在同样的样本上线性模型明显更好，领先 {value}{points}（95 % 区间 {low} 至 {high}）",
    ),
    "showing.heads.good": (
        "On {rows} test rows that training never saw: {figures}{more}.",
        "在训练从未见过的 {rows} 个测试样本上：{figures}{more}。",
    ),
    "showing.heads.figure": ("{metric} {value}", "{metric} {value}"),
    "showing.heads.more": (" and {count} more", "，另有 {count} 个"),
    "showing.heads.names": ("{names}{more}", "{names}{more}"),
    "showing.heads.what.linear": ("a linear model on the same rows", "同样样本上的线性模型"),
    "showing.heads.what.trivial": ("an answer that ignores the input", "不看输入的回答"),
    "showing.heads.what.both": ("the baselines in the table", "表中的基线"),
    "showing.heads.all_over": ("Each of them is clearly better than {what}.", "每一个都明显好于{what}。"),
    "showing.heads.against": ("Beside {what}: {groups}.", "与{what}相比：{groups}。"),
    "showing.heads.over": ("clearly better in {heads}", "明显更好的有 {heads}"),
    "showing.heads.not_over": ("perhaps no better in {heads}", "可能不比它好的有 {heads}"),
    "showing.heads.under": ("clearly worse in {heads}", "明显更差的有 {heads}"),
    "showing.points": (" percentage points", " 个百分点"),
    "showing.against.none": ("There is no baseline to hold it against.", "没有可对照的基线。"),
    "showing.trust": (
        "Nothing that danlu checks speaks against it, for data like the test part.",
        "对与测试集同类的数据，danlu 检查过的各项都没有发现问题。",
    ),
    "showing.trust_notes": (
        "It can be believed within its interval, for data like the test part; read the notes below.",
        "对与测试集同类的数据，可以在其区间之内采信；请看下面的备注。",
    ),
    "showing.doubt": ("Do not rely on it yet: {what}{more}.", "先别急着采信：{what}{more}。"),
    "showing.doubt.head": ("Do not rely on {head} yet: {what}{more}.", "先别急着采信 {head}：{what}{more}。"),
    "showing.doubt.one_more": ("; one more warning below{of}", "；下面还有一条警告{of}"),
    "showing.doubt.more": ("; {count} more warnings below{of}", "；下面还有 {count} 条警告{of}"),
    "showing.doubt.of": (" ({heads})", "（{heads}）"),
    "showing.occlusion": (
        "Occlusion: covering the picture makes the answer less probable where it is orange, more probable where blue.",
        "遮挡法：盖住橙色处，答案的概率会下降；盖住蓝色处，概率反而上升。",
    ),
    "showing.smooth_gradient": (
        "SmoothGrad: the more orange a pixel, the more the answer reacts to it, averaged over 25 noisy copies of the "
        "picture.",
        "SmoothGrad：像素越橙，答案对它越敏感；在 25 张加噪图片上取平均。",
    ),
    "page.failed": (
        "report.html could not be made: {error}; log.txt has more",
        "没能生成 report.html：{error}；详见 log.txt",
    ),
    "page.trap.mape": (
        "Truths near zero make it enormous, and it prefers answers that are too small.",
        "真值接近零时会大得离谱，而且偏爱偏小的预测。",
    ),
    "page.trap.multilabel.accuracy": (
        "Counts every label of every row: where most labels are absent, answering none looks good.",
        "逐个标签计算：大多数标签都不出现时，什么都不答也显得很准。",
    ),
    "page.trap.multilabel.micro_f1": (
        "All labels of all rows together: frequent labels decide it.",
        "所有样本的所有标签合在一起算：常见标签说了算。",
    ),
    "page.trap.accuracy": ("Says little where one class is most of the rows.", "某一类占大多数时，它说明不了什么。"),
    "page.trap.calibration_error": (
        "Between confidence and the share that is right; never quite 0 on few rows.",
        "置信度与实际正确率之差；样本少时不会正好是 0。",
    ),
    "page.trap.micro_f1": ("With one class a row this is accuracy.", "每行只有一类时，它就是准确率。"),
}
