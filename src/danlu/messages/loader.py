"""Texts of what the loader can say: datasets that fail while they are read, workers that die."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL191": (
        ("the collate function failed on samples {rows}: {error}", "collate_fn 拼接样本 {rows} 时出错：{error}"),
        ("raised by: {line}", "出错的代码：{line}"),
        (
            "batch = collate_fn([dataset[i] for i in ({rows},)])  # the same call, outside the loader",
            "batch = collate_fn([dataset[i] for i in ({rows},)])  # 单独运行这一行即可重现",
        ),
    ),
    "DL192": (
        ("the samples do not stack into a batch: {error}", "这些样本无法拼成一个批次：{error}"),
        (
            "torch's default collate needs numbers or tensors of one shape in every sample",
            "torch 默认的拼接要求每个样本都是形状相同的张量或数值",
        ),
        (
            "return tensors of one shape from __getitem__, or pass collate_fn=your_function to pad them",
            "让 __getitem__ 返回形状一致的张量，或传入 collate_fn=自己的函数 来补齐",
        ),
    ),
    "DL193": (
        ("worker_init_fn failed in worker {worker}: {error}", "worker_init_fn 在第 {worker} 号进程里出错：{error}"),
        ("raised by: {line}", "出错的代码：{line}"),
        ("num_workers=0  # reads without worker processes", "num_workers=0  # 不开子进程读取"),
    ),
    "DL194": (
        (
            "{count} of {total} samples could not be read, more than the share of {limit} that may be left out",
            "{total} 个样本中有 {count} 个读不出来，超过了可跳过的比例 {limit}",
        ),
        ("the latest one: {why}", "最近的一个：{why}"),
        (
            "repair or remove them, or allow more: --bad-limit {enough} (in Python bad_limit={enough})",
            "请修复或删除这些样本；确实可以忽略时放宽上限：--bad-limit {enough}（Python 里写 bad_limit={enough}）",
        ),
    ),
    "DL195": (
        ("a worker process reading the data has died ({how})", "一个读数据的子进程意外退出（{how}）"),
        (
            "SIGKILL: the system ran out of memory; SIGBUS: /dev/shm is full; SIGSEGV: a crash inside a library",
            "SIGKILL：内存不足，被系统杀掉；SIGBUS：共享内存 /dev/shm 已满；SIGSEGV：某个库崩溃了",
        ),
        (
            "num_workers=0  # was {workers}; reads in the main process",
            "num_workers=0  # 原来是 {workers}；改在主进程里读取",
        ),
    ),
    "DL196": (
        ("no batch came from the workers for {seconds} s", "等了 {seconds} 秒，子进程仍没有送来数据"),
        (
            "the dataset takes longer than timeout for this batch, or hangs on one of its samples",
            "读取这一批样本的时间超过了 timeout，或者其中某个样本卡住了",
        ),
        ("timeout=0  # waits without a limit", "timeout=0  # 不限等待时间"),
    ),
    "DL197": (
        ("the dataset is empty: there is nothing to shuffle", "数据集是空的，没有可以打乱的样本"),
        ("its len() is 0", "它的 len() 为 0"),
        (
            "print(len(dataset))  # and look at how it collects its files or rows",
            "print(len(dataset))  # 检查它收集文件或行的代码",
        ),
    ),
    "DL198": (
        ("{name} has no such value", "{name} 没有这个取值"),
        ("{meant}", "{meant}"),
        ("on_bad='stop', cache='auto'", "on_bad='stop', cache='auto'"),
    ),
    "DL199": (
        ("torch's IterDataPipe is not supported", "不支持 torch 的 IterDataPipe"),
        (
            "it shuffles and shards by itself, so that its order cannot be taken up again after a stop",
            "它自己打乱和切分数据，中断后无法接着原来的顺序继续",
        ),
        ("class MyData(torch.utils.data.IterableDataset): ...", "class MyData(torch.utils.data.IterableDataset): ..."),
    ),
}

SAYINGS: dict[str, Text] = {
    "workers.iterable": (
        "each of the {n} reads the whole iterable dataset, so every row comes {n} times an epoch, "
        "unless its __iter__ shares the rows out by torch.utils.data.get_worker_info()",
        "{n} 个进程各自读完整个可迭代数据集，每一行一轮会出现 {n} 次；"
        "除非它的 __iter__ 用 torch.utils.data.get_worker_info() 分配了各进程该读的行",
    ),
}
