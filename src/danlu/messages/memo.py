"""Texts of how samples are read: kept after they were made once, or made every time, and why."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {}

SAYINGS: dict[str, Text] = {
    "memo.kept": ("kept", "保留"),
    "memo.plain": ("made every time", "每次重新生成"),
    "memo.why.whole": (
        "each is made once by your code; {rows} were made again from what is kept, whole batches at a time, and are "
        "the same bit for bit",
        "每个样本只让你的代码生成一次；抽查了 {rows} 个，由保留的内容整批重新得到，逐位相同",
    ),
    "memo.why.random": (
        "what is the same every time is made once by your code, what draws random numbers every time; {rows} were made "
        "again that way and are the same bit for bit",
        "每次都一样的部分只让你的代码生成一次，用到随机数的部分每次重做；抽查了 {rows} 个，逐位相同",
    ),
    "memo.why.same": (
        "each is made once by your code; {rows} were made again from what is kept and are the same bit for bit",
        "每个样本只让你的代码生成一次；抽查了 {rows} 个，由保留的内容重新得到，逐位相同",
    ),
    "memo.not.off": ("as you set it: cache off", "按你的设置：cache off"),
    "memo.not.few": ("there are only {rows}", "一共只有 {rows} 个"),
    "memo.not.getitems": (
        "the dataset reads several at once by its own __getitems__",
        "这个数据集自己用 __getitems__ 一次读多个",
    ),
    "memo.not.processes": (
        "worker processes that are not forked, or have a worker_init_fn, share nothing",
        "工作进程不是 fork 出来的，或者带有 worker_init_fn，彼此不共享",
    ),
    "memo.not.state": (
        "the dataset holds a {what}, whose state cannot be seen",
        "数据集里有一个 {what}，它的状态看不见",
    ),
    "memo.not.kind": ("a sample holds a {what}", "样本里有一个 {what}"),
    "memo.not.writes": (
        "making sample [{row}] changed the dataset itself",
        "生成样本 [{row}] 时，数据集自身被改动了",
    ),
    "memo.not.hidden": (
        "sample [{row}] asks {what}, which nobody can repeat",
        "样本 [{row}] 用到了 {what}，无法重现",
    ),
    "memo.not.another": (
        "sample [{row}] was another one the second time, from the same random numbers",
        "样本 [{row}] 第二次生成时变了样，尽管随机数相同",
    ),
    "memo.not.structure": (
        "what {name} returns is not always built alike",
        "{name} 返回的结构并不总是一样",
    ),
    "memo.not.touched": (
        "sample [{row}] works on with what its random transform gives",
        "样本 [{row}] 在随机变换之后还要继续处理它的结果",
    ),
    "memo.not.fails": ("sample [{row}]: {error}", "样本 [{row}]：{error}"),
    "memo.not.draws": (
        "sample [{row}] draws random numbers ({what}) in its own code, not in a transform that is an attribute",
        "样本 [{row}] 在自己的代码里用随机数（{what}），而不是在作为属性的变换里",
    ),
    "memo.not.unlike": ("sample [{row}] is built otherwise than others", "样本 [{row}] 的结构与别的不同"),
    "memo.not.unequal": (
        "sample [{row}] put together again is not the same",
        "样本 [{row}] 重新拼起来后不一样",
    ),
    "memo.not.gain": (
        "keeping would gain little: {kept} µs a sample instead of {own} µs",
        "保留下来快不了多少：每个样本 {kept} 微秒，原来 {own} 微秒",
    ),
    "memo.not.large": (
        "they would take {size}, more than the {room} that may be used",
        "它们要占 {size}，超过了可用的 {room}",
    ),
    "memo.not.ragged": (
        "samples differ in shape, which worker processes cannot share",
        "样本形状不一，工作进程之间无法共享",
    ),
    "memo.not.changed": (
        "the dataset has changed since the last epoch",
        "数据集在上一轮之后变了",
    ),
    "memo.not.recheck": (
        "sample [{row}] is not what it was when it was kept",
        "样本 [{row}] 与保留时不一样了",
    ),
    "memo.not.drew": (
        "sample [{row}] or one read with it drew random numbers where those looked at before draw none",
        "样本 [{row}] 或与它同批的某个样本，在先前抽查的样本不用随机数的地方用了随机数",
    ),
}
