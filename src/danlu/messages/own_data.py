"""Texts of DL170 to DL189: samples of a user's own Dataset, and what its labels are taken for."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL170": (
        ("your dataset failed at index {index}: {error}", "你的数据集在下标 {index} 处出错：{error}"),
        ("{line}", "{line}"),
        ("try it alone: dataset[{index}]", "单独试一下：dataset[{index}]"),
    ),
    "DL171": (
        ("samples have different shapes: {shapes}", "样本的形状不一致：{shapes}"),
        ("{name!r} cannot be stacked into one batch", "{name!r} 没法叠成一个批次"),
        (
            "resize or pad in __getitem__, or pass DataLoader(dataset, collate_fn=…)",
            "在 __getitem__ 里统一大小或补齐，或传入 DataLoader(dataset, collate_fn=…)",
        ),
    ),
    "DL172": (
        ("a sample holds a {type}, which cannot become a tensor", "样本里有 {type}，没法变成张量"),
        ("it is {name!r} of the sample", "它是样本的 {name!r}"),
        ("{line}", "{line}"),
    ),
    "DL173": (
        ("there are no rows", "一行数据也没有"),
        ("{where_from} is empty", "{where_from} 是空的"),
        ("print(len(data))", "print(len(data))"),
    ),
    "DL174": (
        ("a {type} is not understood as data", "看不懂这种数据：{type}"),
        (
            'data can be a path, "file.py:name", (x, y) arrays, a table, a Dataset or a DataLoader',
            'data 可以是路径、"file.py:名字"、(x, y) 数组、表格、Dataset 或 DataLoader',
        ),
        ("danlu.train((x, y))", "danlu.train((x, y))"),
    ),
    "DL175": (
        ("the test rows are given twice", "测试数据给了两次"),
        (
            "data is a tuple of {n} sets, and test= or val= is given as well",
            "data 已经是 {n} 份数据的元组，又另外给了 test= 或 val=",
        ),
        ("danlu.train(train_set, test_set, val=val_set)", "danlu.train(train_set, test_set, val=val_set)"),
    ),
    "DL176": (
        ("a label is text: {label!r}", "标签是文字：{label!r}"),
        ("a loss needs class numbers", "损失函数要的是类别编号"),
        (
            "return the class's number in __getitem__: self.classes.index(label)",
            "在 __getitem__ 里返回类别编号：self.classes.index(label)",
        ),
    ),
    "DL177": (
        ("this function cannot be called without arguments", "这个函数不能不带参数调用"),
        ("{problem}", "{problem}"),
        ("def train_set(): return MyDataset(…)", "def train_set(): return MyDataset(…)"),
    ),
    "DL178": (
        ("a {type} can be read only once", "{type} 只能读一遍"),
        ("training reads the data once an epoch", "训练每一轮都要重新读一遍数据"),
        (
            "class Rows(torch.utils.data.IterableDataset): def __iter__(self): yield …",
            "class Rows(torch.utils.data.IterableDataset): def __iter__(self): yield …",
        ),
    ),
    "DL180": (
        ("the model was not trained on image files", "模型不是用图片文件训练的"),
        (
            "it was trained on arrays of other numbers, so a file's bytes mean nothing to it",
            "训练时用的是另一种数值的数组，图片的字节对它没有意义",
        ),
        ("predict(array)   # numbers on the scale of training", "predict(array)   # 数值尺度与训练时相同"),
    ),
    "DL181": (
        ("the model was trained on your own Dataset", "模型是用你自己的 Dataset 训练的"),
        ("only your code knows how to make a sample of a file", "怎样把文件变成样本，只有你的代码知道"),
        ("danlu predict RUN my.py:new_samples", "danlu predict RUN my.py:new_samples"),
    ),
    "DL182": (
        ("nothing to predict in {path}", "{path} 里没有可以预测的内容"),
        ("{found}", "{found}"),
        (
            "ls {folder}   # then give the files: danlu predict RUN FILE…",
            "ls {folder}   # 再给出文件：danlu predict RUN 文件…",
        ),
    ),
    "DL184": (
        ("a sampler names row {index}, and there are {rows} rows", "采样器给出了第 {index} 行，而数据只有 {rows} 行"),
        ("rows count from 0 to one less than their number", "行号从 0 开始，最大为行数减一"),
        ("SubsetRandomSampler(range({rows}))", "SubsetRandomSampler(range({rows}))"),
    ),
    "DL186": (
        ("the target of a sample is a list of labels: {labels}", "样本的目标是标签的列表：{labels}"),
        (
            "a loss needs numbers: a 1 for each class that a sample has, a 0 for each other",
            "损失函数要的是数：样本属于的类别为 1，其余为 0",
        ),
        (
            "return x, torch.tensor([float(c in labels) for c in self.classes])   # and task='multilabel'"
            "; lists of another meaning: DataLoader(dataset, collate_fn=…)",
            "return x, torch.tensor([float(c in labels) for c in self.classes])   # 并写 task='multilabel'"
            "；如果列表是别的意思：DataLoader(dataset, collate_fn=…)",
        ),
    ),
    "DL187": (
        ("targets beside arrays are a dict: {names}", "数组旁边的目标是字典：{names}"),
        (
            "an array has one target a row; several by their names stand in samples, or in the columns of a table",
            "数组每一行只有一个目标；按名字给出的多个目标要放在样本里，或是表格的几列",
        ),
        ("{line}", "{line}"),
    ),
    "DL189": (
        ("len() of your {type} does not work", "对你的 {type} 求 len() 失败了"),
        ("{reason}", "{reason}"),
        (
            "def __len__(self): return len(self.targets)  # how many samples there are",
            "def __len__(self): return len(self.targets)  # 一共多少个样本",
        ),
    ),
    "DL185": (
        (
            "a DataLoader with {names} of its own does not go with a file of arrays",
            "自带 {names} 的 DataLoader 不能与数组文件搭配",
        ),
        (
            "danlu prepares the file's rows itself; the loader's code would see others",
            "文件里的数据由 danlu 预处理，这个 DataLoader 的代码处理不了",
        ),
        (
            "give the training data as a Dataset or DataLoader too, or val='val.npz'",
            "训练数据也用 Dataset 或 DataLoader 给出，或写 val='val.npz'",
        ),
    ),
    "DL183": (
        ("the model was trained on a table, this is an image", "模型是用表格训练的，而这是一张图片"),
        ("it answers from the columns {columns}", "它根据这些列作答：{columns}"),
        ("danlu predict RUN rows.csv", "danlu predict RUN rows.csv"),
    ),
    "DL179": (
        ("this part does not match the training folder", "这部分数据和训练文件夹不匹配"),
        (
            "found a {type}; beside a folder of classes, test and val are folders too",
            "得到的是 {type}；训练数据是按类别分的文件夹，test 和 val 也要是文件夹",
        ),
        ("--test photos_test", "--test photos_test"),
    ),
}

SAYINGS: dict[str, Text] = {
    # task
    "data.task.given": ("as you set it", "按你的设置"),
    "data.task.text": ("the labels are text", "标签是文字"),
    "data.task.bool": ("the labels are true or false", "标签是真或假"),
    "data.task.zero_one": (
        "the labels are 0 and 1 only; for numbers set task=regression",
        "标签只有 0 和 1；若是数值请设 task=regression",
    ),
    "data.task.float": (
        "the labels are fractional numbers; for classes set task=classification",
        "标签是小数；若是类别请设 task=classification",
    ),
    "data.task.floats": ("{n} {n:number|numbers} a row", "每行 {n} 个数值"),
    "data.task.one_hot": (
        "one 1 in each row: one-hot classes; for several labels a row set task=multilabel",
        "每行恰有一个 1，是独热编码；若一行可有多个标签请设 task=multilabel",
    ),
    "data.task.multilabel": ("{n} {n:column|columns} of 0 and 1: several labels a row", "{n} 列 0/1：一行可有多个标签"),
    "data.task.integers": (
        "the labels are whole numbers, {n} different; for numbers set task=regression",
        "标签是整数，共 {n} 种；若是数值请设 task=regression",
    ),
    "data.task.sample_integer": (
        "the labels are whole numbers; for numbers set task=regression",
        "标签是整数；若是数值请设 task=regression",
    ),
    "data.task.many_integers": (
        "{n} different whole numbers in {rows} rows; for classes set task=classification",
        "{rows} 行里有 {n} 种整数；若是类别请设 task=classification",
    ),
    "data.task.custom": (
        "labels of shape {shape}: your loss decides, metrics are the loss alone",
        "标签形状为 {shape}：由你的损失函数决定，只报告损失",
    ),
    "data.task.negative": (
        "there are negative labels: your loss decides, metrics are the loss alone",
        "有负数标签：由你的损失函数决定，只报告损失",
    ),
    "data.task.no_target": (
        "no labels among the sample's parts: your loss decides",
        "样本里没有标签：由你的损失函数决定",
    ),
    "data.labels.samples": ("as your samples have them", "以样本给出的为准"),
    "data.labels.why": (
        "the labels your dataset keeps as an array are others: {differs}",
        "数据集里的标签数组与样本给出的标签不同：{differs}",
    ),
    "data.val.none": ("none", "无"),
    "data.val.iterable": (
        "an iterable dataset has no row numbers to split by; give val=",
        "可迭代数据集没有下标，无法划分；请给 val=",
    ),
    "data.val.sampler": (
        "your sampler picks rows of the whole dataset; give val=",
        "你的 sampler 面向整个数据集取样；请给 val=",
    ),
    "data.val.random": ("with your random transforms", "带有你的随机变换"),
    "data.val.random.why": (
        "they come from the dataset that draws random numbers ({names}); the draws are fixed; or give val=",
        "验证行来自同一个数据集，而它会抽随机数（{names}）；抽样已固定；想不带增强请给 val=",
    ),
    "data.order.fixed": ("as it is", "保持原样"),
    "data.order.fixed.why": ("your DataLoader has shuffle=False", "你的 DataLoader 设了 shuffle=False"),
}
