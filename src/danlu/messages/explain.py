"""Texts of what is said when a model is looked into."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {}

SAYINGS: dict[str, Text] = {
    "modules.name": ("module", "模块"),
    "modules.kind": ("class", "类"),
    "modules.output": ("output", "输出"),
    "modules.parameters": ("parameters", "参数量"),
    "modules.flops": ("FLOPs", "计算量"),
    "modules.model": ("(model)", "（整个模型）"),
    "modules.uncalled": ("not called", "未被调用"),
    "modules.frozen": ("{n} frozen", "{n} 冻结"),
    "modules.total": (
        "{n} parameters, {trainable} of them trained; {size}B in memory",
        "共 {n} 个参数，其中 {trainable} 个参与训练；占内存 {size}B",
    ),
    "modules.work": (
        "{flops} FLOPs for a batch of {samples} ({each} a sample): matrix products, convolutions and attention only",
        "一批 {samples} 个样本要 {flops} FLOPs（每个样本 {each}），只计矩阵乘、卷积和注意力",
    ),
}
