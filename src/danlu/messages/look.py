"""Texts of ``danlu look``: of data, of a run, of a model, and DL343 to DL349."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL343": (
        ("the column {column} gives the target away", "{column} 这一列直接泄露了目标"),
        (
            "looked up by this column alone, the other half of the rows is answered with {score} ({guess} without it): "
            "is it known before the answer is?",
            "只查这一列，另一半样本就能答到 {score}（不看它只有 {guess}）：在知道答案之前，真的拿得到这一列吗？",
        ),
        ("--ignore {column}, unless it will be there when predicting", "--ignore {column}，除非预测时也有这一列"),
    ),
    "DL344": (
        ("the column {column} looks like an id", "{column} 这一列看起来是编号"),
        (
            "whole numbers, another one in each row; a model would learn rows by heart",
            "全是整数，而且每行都不同；模型会拿它来死记每一行",
        ),
        ("--ignore {column}, if it is one", "如果是编号：--ignore {column}"),
    ),
    "DL345": (
        (
            "rows with the same inputs as another row, but another label: {count}",
            "输入与另一行完全相同、标签却不同的行：{count}",
        ),
        (
            "no model can answer both rightly; one of the labels may be wrong",
            "没有模型能两边都答对；其中一个标签可能标错了",
        ),
        ("look at these rows, and correct or remove one of each pair", "看看这些样本，每一对改正或删掉一个"),
    ),
    "DL346": (
        ("rows or files that cannot be used: {count}", "无法使用的行或文件：{count}"),
        ("training stops at the first of them: {first}", "训练会停在第一个上：{first}"),
        ("{line}", "{line}"),
    ),
    "DL347": (
        ("there is a file already, and danlu did not make it", "那里已有一个文件，而且不是 danlu 生成的"),
        ("{path} is no page of danlu look; it is left as it is", "{path} 不是 danlu look 的页面，不会动它"),
        ("-o {line}", "-o {line}"),
    ),
    "DL348": (
        ("there is nothing of this kind to look at: {kind!r}", "没有这一种可看的东西：{kind!r}"),
        ("kind is data, run or model", "kind 可以是 data、run、model"),
        ("kind={line!r}", "kind={line!r}"),
    ),
    "DL349": (
        ("{model} does not run on the input it was tried with", "{model} 在试用的输入上跑不起来"),
        ("{reason}", "{reason}"),
        (
            "give an input that fits: danlu.look(model, sample=x), or --sample my.py:x",
            "给一个合适的输入：danlu.look(model, sample=x)，或 --sample my.py:x",
        ),
    ),
}

SAYINGS: dict[str, Text] = {
    # what it is
    "look.is.data": ("data", "数据"),
    "look.is.run": ("a run", "训练结果"),
    "look.is.model": ("a model", "模型"),
    "look.or_model": (
        "taken as {kind}; {name} is a model's name too: --kind model shows that one",
        "这里按{kind}来看；{name} 也是一个模型的名字：想看模型请加 --kind model",
    ),
    "look.or_layers": ("its model, layer by layer: {line}", "逐层看它的模型：{line}"),
    # sections
    "look.section.columns": ("Columns", "字段"),
    "look.section.classes": ("Classes", "类别"),
    "look.section.target": ("Target, training rows", "目标的分布（训练集）"),
    "look.section.copies": ("Exact copies", "完全相同的样本"),
    "look.section.bad": ("Cannot be used", "无法使用"),
    "look.section.chosen": ("danlu train would choose", "danlu train 会自动选用"),
    "look.section.curves": ("Epoch by epoch", "逐轮变化"),
    "look.section.settings": ("Settings that differ from the defaults", "与默认值不同的设置"),
    "look.section.decided": ("Chosen by danlu", "danlu 选定的"),
    "look.section.files": ("Files", "文件"),
    # facts
    "look.fact.kind": ("kind", "类型"),
    "look.fact.rows": ("rows", "样本数"),
    "look.fact.sizes": ("sizes", "图片尺寸"),
    "look.fact.modes": ("formats", "图片格式"),
    "look.fact.opened": ("opened", "打开检查"),
    "look.fact.compared": ("copies", "查重范围"),
    "look.fact.model_sees": ("model sees", "模型看到"),
    "look.fact.state": ("state", "状态"),
    "look.fact.data": ("data", "数据"),
    "look.fact.task": ("task", "任务"),
    "look.fact.model": ("model", "模型"),
    "look.fact.time": ("time", "用时"),
    "look.fact.input": ("input", "输入"),
    "look.rows.train": ("{n} training", "训练 {n}"),
    "look.rows.val": ("{n} validation", "验证 {n}"),
    "look.rows.test": ("{n} test", "测试 {n}"),
    "look.rows.all": ("{n} in all", "共 {n}"),
    "look.rows.unknown": ("not known before they are read", "读完之前不知道"),
    "look.opened.all": ("all {all} {all:file|files}", "全部 {all} 个文件"),
    "look.opened.some": (
        "{opened} of {all} files; --whole opens every one",
        "{all} 个文件中的 {opened} 个；--whole 会逐个打开",
    ),
    "look.opened.decoded": (
        "{opened} of {all} files, {decoded} of them decoded; --whole does it with every one",
        "{all} 个文件中的 {opened} 个，其中 {decoded} 个做了解码；--whole 会逐个检查",
    ),
    "look.opened.samples": (
        "{some} of {all} {all:sample|samples} made; --whole makes every one",
        "{all} 个样本中读了 {some} 个；--whole 会逐个读取",
    ),
    "look.opened.every": ("all {all} {all:sample|samples} made", "全部 {all} 个样本都读了"),
    "look.no_page": (
        "no page was written: runs/ would lie among the data. -o FILE names another place",
        "没有写页面：runs/ 会落在数据里面。可用 -o 文件 指定别处",
    ),
    "look.compared": (
        "looked for among {some} of {all} files; --whole compares all",
        "在 {all} 个文件中的 {some} 个里查了重复；--whole 会全部比较",
    ),
    "look.others": ("{kinds} {kinds:other|others} ({count})", "另有 {kinds} 种（{count}）"),
    "look.model_sees": (
        "{width} × {height} pixels, {channels} {channels:channel|channels}",
        "{width} × {height} 像素，{channels} 个通道",
    ),
    # columns
    "look.column.values": ("values", "取值"),
    "look.kind.date": ("date", "日期"),
    "look.range": ("{low} to {high}, mean {mean}", "{low} 到 {high}，平均 {mean}"),
    "look.text": (
        "about {length} {length:character|characters}, at most {longest}: {example} …",
        "平均约 {length} 字，最长 {longest}：{example} …",
    ),
    "look.none_in": ("none in: {parts}", "没有样本：{parts}"),
    "look.more": ("… and {n} more", "……还有 {n} 个"),
    "look.more.rows": (", {low} to {high} {high:row|rows} each", "，每个 {low} 到 {high} 条"),
    "look.copies": (
        "rows with the very inputs of an earlier row of the same part: {parts}",
        "与同一部分里前面某行输入完全相同的：{parts}",
    ),
    "look.own_model": ("one of your own", "你自己的模型"),
    # the page
    "page.look.section.verdict": ("In short", "概览"),
    "page.look.section.reproduce": ("Next", "接下来"),
    "page.look.findings": ("What to know before training", "训练之前须知"),
    "page.look.bad": ("Cannot be used", "无法使用的样本"),
    "page.look.bad.note": (
        "{count} {count:sample cannot be read or has|samples cannot be read or have} no answer; training stops at the "
        "first of them.",
        "有 {count} 条样本读不出来或没有标签，训练会停在第一条上。",
    ),
    "page.look.duplicates": ("Exact copies", "完全相同的样本"),
    "page.look.duplicates.note": (
        "{count} {count:row has|rows have} the very inputs of an earlier row of the same part.",
        "有 {count} 条样本的输入与同一部分里前面某条完全相同。",
    ),
    "look.short": ("{rows} {rows:row|rows} in all, from {kind}.", "共 {rows} 条，来自{kind}。"),
    "look.task.classification": (
        "Classification: {target}, {n} {n:class|classes}.",
        "任务是分类：{target}，共 {n} 类。",
    ),
    "look.task.multilabel": ("Multi-label: {target}, {n} {n:label|labels}.", "任务是多标签：{target}，共 {n} 个标签。"),
    "look.task.regression": ("Regression: a number, {target}.", "任务是回归，预测数值 {target}。"),
    "look.task.multitask": ("Several heads: {target}.", "任务是同时预测几个目标：{target}。"),
    "look.task.custom": ("What is to be learnt only your loss knows.", "要学什么，由你自己的损失函数决定。"),
    "look.short.error": ("Training cannot begin yet: see below.", "现在还不能训练：见下。"),
    "look.short.warnings": (
        "Warnings to read before training: {n}.",
        "训练之前有 {n} 条警告要看。",
    ),
    "look.short.fine": (
        "Nothing that danlu checks speaks against training on it.",
        "danlu 检查的各项都没有发现问题，可以训练。",
    ),
    # a run
    "look.state.finished": (
        "finished: {epochs} {epochs:epoch|epochs}, best {best}",
        "已训完：{epochs} 轮，最佳是第 {best} 轮",
    ),
    "look.state.stopped": (
        "stopped after {epochs} {epochs:epoch|epochs} (best so far: {best})",
        "停在 {epochs} 轮之后（目前最佳：第 {best} 轮）",
    ),
    "look.state.training": (
        "training now: {epochs} {epochs:epoch|epochs} done, best so far {best}",
        "正在训练：已完成 {epochs} 轮，目前最佳第 {best} 轮",
    ),
    "look.state.empty": ("stopped before its first epoch ended", "第一轮还没训完就停了"),
    # a model
    "look.input.images": (
        "assumed: images of 3 × {side} × {side}, {classes} classes (--size sets the side)",
        "假定：3 × {side} × {side} 的图片，{classes} 类（--size 改边长）",
    ),
    "look.input.columns": (
        "assumed: {n} columns of numbers, {classes} classes",
        "假定：{n} 列数值，{classes} 类",
    ),
    "look.input.yours": ("your sample: {what}", "你给的样本：{what}"),
    "look.input.data": ("as in its training: {what}", "与训练时相同：{what}"),
    "look.input.guess": (
        "guessed from its first layer: {what} (sample= gives another)",
        "按第一层推测：{what}（可用 sample= 另给）",
    ),
    # help
    "verb.look": (
        "before training: what danlu understands of data; a run in short; a model layer by layer",
        "训练之前先看看：danlu 怎么理解这份数据；一次训练的概况；一个模型的每一层",
    ),
    "examples.look": (
        "danlu look photos/                     # classes, sizes, broken files, copies\n"
        "danlu look houses.csv --target price   # columns, ranges, leaks\n"
        "danlu look                             # the last run\n"
        "danlu look resnet18 --size 224         # layers, parameters, operations",
        "danlu look 照片/                       # 类别、尺寸、坏文件、重复\n"
        "danlu look 房价.csv --target 价格      # 各列、取值范围、泄露\n"
        "danlu look                             # 最近一次训练\n"
        "danlu look resnet18 --size 224         # 各层、参数量、运算量",
    ),
    "flag.look.val": ("data to validate on, as for train", "验证用的数据，同 train"),
    "flag.look.test": ("data to test on, as for train", "测试用的数据，同 train"),
    "flag.look.sample": ("file.py:name of a batch to run a model on", "看模型时试跑的一个 batch：file.py:名字"),
    "flag.look.kind": (
        "data, run or model, where it might be several of them",
        "data、run 或 model：分不清是哪一种时用它说明",
    ),
    "flag.look.output": (
        "where the page goes (data: runs/look-NAME.html; a model has one only with this)",
        "页面写到哪里（数据默认写到 runs/look-名字.html；模型只在给出时才写）",
    ),
    "flag.look.whole": (
        "open every image file, and make every sample of a Dataset, not only some of them",
        "逐个打开所有图片、读取 Dataset 的每一个样本，而不是抽查",
    ),
}
