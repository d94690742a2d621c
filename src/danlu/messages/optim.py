"""Texts of DL250 to DL258 and DL350 to DL357: optimizers, their parameters, and schedules."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    # optimizers
    "DL250": (
        ("the model has nothing to train", "模型没有可训练的参数"),
        ("no parameter has requires_grad=True", "没有参数的 requires_grad 为 True"),
        ("model.requires_grad_(True)", "model.requires_grad_(True)"),
    ),
    "DL251": (
        (
            "an optimizer is a name, a function of the parameters, or an optimizer; this is a {got}",
            "优化器要么是名字，要么是接收参数的函数，要么是优化器对象；而这是 {got}",
        ),
        ("", ""),
        (
            "optimizer='adamw', or optimizer=lambda params: torch.optim.SGD(params, lr=0.1)",
            "optimizer='adamw'，或 optimizer=lambda params: torch.optim.SGD(params, lr=0.1)",
        ),
    ),
    "DL252": (
        ("the optimizer's function returned a {got}", "优化器函数返回的是 {got}"),
        ("it gets the parameters and returns a torch.optim.Optimizer", "它接收参数，应返回 torch.optim.Optimizer"),
        (
            "optimizer=lambda params: torch.optim.SGD(params, lr=0.1)",
            "optimizer=lambda params: torch.optim.SGD(params, lr=0.1)",
        ),
    ),
    "DL253": (
        ("LBFGS does not fit training by batches", "LBFGS 不适合按批次训练"),
        (
            "it computes the loss many times an update and takes differences between batches for curvature",
            "它每次更新要反复计算损失，还会把批次之间的差异误当成曲率",
        ),
        ("optimizer='adamw'", "optimizer='adamw'"),
    ),
    "DL254": (
        ("no optimizer is called {name!r}", "没有叫 {name!r} 的优化器"),
        ("{near}", "{near}"),
        ("optimizer={line!r}", "optimizer={line!r}"),
    ),
    "DL255": (
        ("{name} has no {setting}", "{name} 没有 {setting} 参数"),
        ("", ""),
        ("leave {setting} out, or optimizer='sgd'", "去掉 {setting}，或用 optimizer='sgd'"),
    ),
    "DL256": (
        ("{setting} does not reach an optimizer of your own", "{setting} 对你自己的优化器不起作用"),
        ("{name} was made with numbers of its own", "{name} 创建时已有自己的数值"),
        (
            "write {setting}={value} where {name} is made, and leave the setting out",
            "在创建 {name} 的地方写 {setting}={value}，并去掉这个设置",
        ),
    ),
    "DL257": (
        ("the optimizer holds the parameters of another model", "优化器里是另一个模型的参数"),
        (
            "{foreign} of its tensors are not in {model}, and these of {model} are missing: {missing}",
            "其中 {foreign} 个张量不属于 {model}，而 {model} 的这些参数不在里面：{missing}",
        ),
        (
            "make it after the model, from that model: torch.optim.AdamW(model.parameters())",
            "在模型之后、用同一个模型创建：torch.optim.AdamW(model.parameters())",
        ),
    ),
    "DL258": (
        ("{name} does not take sparse gradients", "{name} 不支持稀疏梯度"),
        ("this layer was made with sparse=True", "这一层创建时用了 sparse=True"),
        ("leave sparse=True out, or optimizer='adagrad'", "去掉 sparse=True，或用 optimizer='adagrad'"),
    ),
    # schedules
    "DL350": (
        ("no schedule is called {name!r}", "没有叫 {name!r} 的学习率计划"),
        ("{near}", "{near}"),
        ("schedule='cosine'", "schedule='cosine'"),
    ),
    "DL351": (
        ("{name} needs to know how long training lasts", "{name} 需要知道训练有多长"),
        (
            "neither epochs, steps nor time say how many updates there will be",
            "epochs、steps、time 都没有说明会有多少次更新",
        ),
        ("epochs=10", "epochs=10"),
    ),
    "DL352": (
        (
            "a schedule is a name, or a function from an optimizer to a torch scheduler; this gave a {got}",
            "学习率计划要么是名字，要么是由优化器得到 torch 调度器的函数；这里得到 {got}",
        ),
        ("", ""),
        ("schedule=lambda optimizer: StepLR(optimizer, 10)", "schedule=lambda optimizer: StepLR(optimizer, 10)"),
    ),
    "DL353": (
        ("warm-up does not go with a torch scheduler", "torch 调度器不能再加 warmup"),
        ("the scheduler alone sets the learning rate", "学习率只由该调度器决定"),
        (
            "schedule='cosine', or torch's LinearLR inside SequentialLR",
            "schedule='cosine'，或在 SequentialLR 里用 LinearLR",
        ),
    ),
    "DL354": (
        ("{name} belongs to another optimizer", "{name} 属于另一个优化器"),
        ("danlu hands your function the optimizer to use", "danlu 会把要用的优化器传给你的函数"),
        ("schedule=lambda optimizer: {name}(optimizer, …)", "schedule=lambda optimizer: {name}(optimizer, …)"),
    ),
    "DL355": (
        ("ReduceLROnPlateau has nothing to watch", "ReduceLROnPlateau 没有可以观察的指标"),
        ("there is no validation result", "没有验证结果"),
        ("give validation data: val=…, or schedule='cosine'", "提供验证数据：val=…，或 schedule='cosine'"),
    ),
    "DL356": (
        ("the schedule is another one: {now} instead of {saved}", "学习率计划变了：原来是 {saved}，现在是 {now}"),
        ("a run goes on with the schedule it began with", "继续训练必须用开始时的计划"),
        ("give the schedule the run began with, or start a new run", "用回原来的学习率计划，或开始新的训练"),
    ),
    "DL357": (
        ("warm-up of {warmup} updates, training of {steps}", "warmup 有 {warmup} 次更新，而训练一共只有 {steps} 次"),
        ("the learning rate would never come down", "学习率将永远不会降下来"),
        ("warmup=0.1", "warmup=0.1"),
    ),
}

SAYINGS: dict[str, Text] = {
    "optim.line": ("{name}, lr {lr}", "{name}，学习率 {lr}"),
    "optim.decay": (
        ", weight decay {decay} on {some} of {all} tensors",
        "，权重衰减 {decay}（{all} 个张量中的 {some} 个）",
    ),
    "optim.fused": (", fused", "，融合实现"),
    "schedule.warmup": ("{name}, warm-up of {warmup} updates", "{name}，预热 {warmup} 次更新"),
    "schedule.step": ("{name}, stepped after every update", "{name}，每次更新后调用"),
    "schedule.epoch": ("{name}, stepped after every epoch", "{name}，每轮结束后调用"),
}
