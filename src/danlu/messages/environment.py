"""Texts of DL0xx errors and of what the environment, the command line and the terminal say."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

_NO: Text = ("", "")
_LINE: Text = ("{line}", "{line}")

ERRORS: dict[str, ErrorText] = {
    # the command line
    "DL007": (("there is no flag {name}", "没有 {name} 这个选项"), ("{near}", "{near}"), _LINE),
    "DL008": (("there is no command {name!r}", "没有 {name!r} 这个命令"), ("{near}", "{near}"), _LINE),
    "DL009": (("{name} is missing", "缺少 {name}"), ("{usage}", "{usage}"), _LINE),
    "DL010": (("one argument too many: {name}", "多了一个参数：{name}"), ("{usage}", "{usage}"), _LINE),
    "DL014": (("{name} needs a value", "{name} 后面要跟一个值"), ("{expected}", "{expected}"), _LINE),
    "DL015": (("{name} takes no value", "{name} 后面不跟值"), _NO, _LINE),
    # the user's own file
    "DL020": (("{path} does not exist", "{path} 不存在"), ("{why}", "{why}"), _LINE),
    "DL021": (
        ("{path}: which name in that file?", "{path}：要用文件里的哪个名字？"),
        ("it defines: {why}", "里面定义了：{why}"),
        _LINE,
    ),
    "DL022": (("{path} has no {name!r}", "{path} 里没有 {name!r}"), ("{why}", "{why}"), _LINE),
    "DL023": (
        ("{path} stopped with {error}", "{path} 运行时出错：{error}"),
        ("the file is run to get at what it defines", "要取文件里定义的东西，得先运行它"),
        ("python {path}", "python {path}"),
    ),
    "DL024": (
        ("{path} ended the program ({error})", "{path} 自己退出了程序（{error}）"),
        ("the file is run to get at what it defines", "要取文件里定义的东西，得先运行它"),
        ('if __name__ == "__main__":', 'if __name__ == "__main__":'),
    ),
    # packages
    "DL030": (
        ("{module} is not installed", "没有安装 {module}"),
        ("this needs it; danlu alone does not", "这一步要用到它；danlu 本身不依赖它"),
        ('pip install "danlu[{extra}]"', 'pip install "danlu[{extra}]"'),
    ),
    "DL031": (
        ("{module} is installed but does not load", "{module} 装了，但加载不了"),
        ("{reason}", "{reason}"),
        _LINE,
    ),
    "DL032": (
        ("danlu cannot load what it stands on", "danlu 依赖的包加载不了"),
        ("{reason}", "{reason}"),
        ("danlu doctor", "danlu doctor"),
    ),
    "DL016": (
        ("{path} cannot be run again from the command line", "{path} 不能从命令行重跑"),
        ("that run was made from Python objects: {objects}", "那次训练用的是 Python 对象：{objects}"),
        ("run the script that made it again", "重新运行当时的脚本"),
    ),
    "DL099": (
        ("unexpected: {error}", "意外错误：{error}"),
        ("danlu did not foresee this", "danlu 没有料到这种情况"),
        _LINE,
    ),
}

SAYINGS: dict[str, Text] = {
    "lookup.no_folder": ("there is no folder {folder}", "没有 {folder} 这个文件夹"),
    "lookup.no_python_file": ("no .py file in {folder}", "{folder} 里没有 .py 文件"),
    # labels
    "label.where": ("where", "位置"),
    "label.why": ("why", "原因"),
    "label.fix": ("fix", "办法"),
    "label.run": ("run", "存到"),
    "label.test": ("test", "测试"),
    "label.baseline": ("baseline", "基线"),
    "label.files": ("files", "文件"),
    "label.next": ("next", "接着"),
    "label.bad": ("skipped", "跳过"),
    "severity.error": ("error:", "错误："),
    "severity.warning": ("warning:", "注意："),
    "severity.note": ("note:", "提示："),
    "line.note": ("{text} ({note})", "{text}（{note}）"),
    # a run
    "start.model": ("{model}, {n} parameters", "{model}，{n} 个参数"),
    "start.rows": ("{rows} samples", "{rows} 个样本"),
    "start.epochs": ("{n} epochs", "{n} 轮"),
    "start.steps": ("{n} steps", "{n} 步"),
    "start.resumed": ("going on after step {step}", "从第 {step} 步接着练"),
    "rows.train": ("{n} train", "训练 {n}"),
    "rows.val": ("{n} val", "验证 {n}"),
    "rows.test": ("{n} test", "测试 {n}"),
    "epoch.epoch": ("epoch", "轮"),
    "epoch.count": ("epoch {count}", "第 {count} 轮"),
    "epoch.value": ("{name} {value}", "{name} {value}"),
    "epoch.rate": ("samples/s", "样本/秒"),
    "epoch.wait": ("data wait", "等数据"),
    "epoch.left": ("left", "剩余"),
    "live.rate": ("{rate} samples/s", "{rate} 样本/秒"),
    "live.left": ("{left} left", "剩余 {left}"),
    "live.step": ("step {step}/{total}", "步 {step}/{total}"),
    "done.interval": ("95% {low} – {high}", "95% 区间 {low} – {high}"),
    "done.kind": (" ({kind})", "（{kind}）"),
    "done.baseline": ("baseline {value}", "基线 {value}"),
    "bad.more": ("… more of them; all are counted", "……后面的不再逐个列出，只计数"),
    "bad.count": ("{n} in all", "共 {n} 个"),
    "stopped.saved": ("stopped; everything so far is saved. To go on:", "已停下，进度都存好了。接着练："),
    # metrics
    "metric.train/loss": ("loss", "损失"),
    "metric.val/loss": ("val loss", "验证损失"),
    "metric.loss": ("loss", "损失"),
    "metric.accuracy": ("accuracy", "准确率"),
    "metric.macro_f1": ("macro-F1", "宏平均 F1"),
    "metric.exact_match": ("exact match", "全对率"),
    "metric.log_loss": ("log loss", "对数损失"),
    "metric.mae": ("MAE", "平均绝对误差"),
    "metric.rmse": ("RMSE", "均方根误差"),
    "metric.r2": ("R²", "R²"),
    # doctor
    "doctor.machine": ("machine", "机器"),
    "doctor.machine.value": ("{system}, {cpu}, {cores} cores to use", "{system}，{cpu}，可用 {cores} 核"),
    "doctor.memory": ("memory", "内存"),
    "doctor.memory.value": ("{free} free of {total}", "共 {total}，可用 {free}"),
    "doctor.torch.value": ("{version}, {threads} threads", "{version}，{threads} 线程"),
    "doctor.gpu": ("GPU", "显卡"),
    "doctor.gpu.none": ("none that torch can use: training runs on the CPU", "torch 没有可用的显卡，用 CPU 训练"),
    "doctor.gpu.cpu_build": (
        "an NVIDIA driver is here, but this torch was built for the CPU only",
        "装了 NVIDIA 驱动，但这个 torch 是纯 CPU 版",
    ),
    "doctor.gpu.no_driver": (
        "this torch was built for CUDA {cuda}, but no GPU answers",
        "这个 torch 是 CUDA {cuda} 版，但没有显卡响应",
    ),
    "doctor.bf16": ("bf16 on CPU", "CPU 的 bf16"),
    "doctor.bf16.yes": ("in hardware ({how}); used where it pays", "硬件支持（{how}），划算时会用"),
    "doctor.bf16.no": ("not in hardware: fp32 is used", "硬件不支持，用 fp32"),
    "doctor.needed": ("needed", "必需的包"),
    "doctor.needed.missing": ("{name} is missing", "缺 {name}"),
    "doctor.broken": ("{name} {version} does not load: {reason}", "{name} {version} 加载不了：{reason}"),
    "doctor.torchvision.mismatch": (
        "{version} was made for torch {wanted}; torch here is {have}",
        "{version} 对应 torch {wanted}，而这里的 torch 是 {have}",
    ),
    "doctor.absent": ("not installed; danlu works without it", "没有安装；danlu 不靠它也能用"),
    "doctor.extras": ("optional", "可选的包"),
    "doctor.disk": ("disk", "硬盘"),
    "doctor.disk.value": ("{free} free in {folder}", "{folder} 里剩 {free}"),
    "doctor.disk.readonly": ("{folder} cannot be written to: {reason}", "{folder} 写不进去：{reason}"),
    "doctor.shm": ("shared memory", "共享内存"),
    "doctor.shm.value": ("{free} free of {total} in /dev/shm", "/dev/shm 共 {total}，剩 {free}"),
    "doctor.shm.small": (
        "only {total} in /dev/shm: reading with --workers may fail",
        "/dev/shm 只有 {total}，用 --workers 读数据可能出错",
    ),
    "doctor.text": ("text", "文字"),
    "doctor.text.value": ("{encoding}, language {language}", "{encoding}，语言 {language}"),
}
