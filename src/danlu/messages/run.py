"""Texts of DL4xx errors and of what the run rooms say."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {
    "DL400": (
        ("there is no run folder {path!r}", "找不到运行目录 {path!r}"),
        ("{why}", "{why}"),
        ("{line}", "{line}"),
    ),
    "DL401": (
        (
            "the disk is full: {path} needs {total:,} bytes, {done:,} were written",
            "磁盘空间不足：{path} 需要 {total:,} 字节，只写入了 {done:,} 字节",
        ),
        (
            "this file was given up; whatever was saved before is untouched",
            "这个文件没有写成；之前保存的内容完好无损",
        ),
        (
            "free some space (df -h {folder}){again}",
            "先腾出空间（df -h {folder} 可查看）{again}",
        ),
    ),
    "DL402": (
        ("cannot write {path}: {reason}", "无法写入 {path}：{reason}"),
        ("danlu keeps the run's results there", "danlu 要把运行结果存放在这里"),
        ("choose a writable folder: --run DIR", "换一个可写的目录：--run 目录"),
    ),
    "DL403": (
        (
            "run folder {path} is in use by process {pid} on {host}",
            "运行目录 {path} 正被 {host} 上的进程 {pid} 使用",
        ),
        (
            "two trainings in one folder would overwrite each other's checkpoints",
            "两个训练写同一个目录，会互相覆盖检查点",
        ),
        (
            "wait for it to end, stop it (kill {pid}), or use another folder: --run DIR",
            "等它结束，或停掉它（kill {pid}），或换一个目录：--run 目录",
        ),
    ),
    "DL404": (
        (
            "not enough disk space in {path}: {free:,} bytes free, checkpoints need {needed:,}",
            "{path} 所在磁盘空间不够：剩余 {free:,} 字节，检查点需要 {needed:,} 字节",
        ),
        (
            "{count} checkpoints of {size:,} bytes must fit side by side while one is replaced",
            "更换检查点时，磁盘上要同时放得下 {count} 个检查点，每个 {size:,} 字节",
        ),
        ("free some space, or choose a folder on another disk: --run DIR", "腾出空间，或换到别的磁盘：--run 目录"),
    ),
    "DL405": (
        (
            "all {count} checkpoints in {folder} are damaged",
            "{folder} 里的 {count} 个检查点全部损坏",
        ),
        (
            "their bytes are not those that were written (see the lines above)",
            "其中的字节和当初写入的不一样（见上面的提示）",
        ),
        (
            "check the disk, then start over in a new folder: danlu train DATA --run DIR",
            "先检查磁盘，再换一个新目录重新训练：danlu train 数据 --run 目录",
        ),
    ),
    "DL406": (
        ("run folder {run} and the data {data} lie one in the other", "运行目录 {run} 和数据 {data} 互相嵌套"),
        (
            "danlu writes nothing among your data: checkpoints there would be taken for data the next time",
            "danlu 不会往你的数据里写任何东西：放在那里的检查点，下次会被当成数据",
        ),
        ("--run {line}", "--run {line}"),
    ),
    "DL410": (
        ("the saved state does not fit this model", "保存的状态与当前模型对不上"),
        ("{differences}", "{differences}"),
        (
            "go on with the model the run was started with, or start a new run: --run DIR",
            "请用这次运行开始时的模型继续，或另开一次运行：--run 目录",
        ),
    ),
    "DL411": (
        (
            "the optimizer does not hold the parameters that it held when the state was saved",
            "优化器里的参数与保存状态时不一致",
        ),
        ("{differences}", "{differences}"),
        (
            "give the optimizer the same parameters as before, or start a new run: --run DIR",
            "让优化器持有和当时相同的参数，或另开一次运行：--run 目录",
        ),
    ),
    "DL412": (
        ("{name} cannot be saved: it holds a {kind}", "{name} 无法保存：其中有 {kind} 类型的对象"),
        (
            "checkpoints hold tensors, numbers, texts, lists and dicts only, so that loading one never runs code",
            "检查点只存张量、数字、文本、列表和字典，这样加载时绝不会执行代码",
        ),
        (
            "return plain values from its state_dict() or get_extra_state()",
            "让它的 state_dict() 或 get_extra_state() 只返回上述类型",
        ),
    ),
    "DL413": (
        ("tensor {name!r} cannot be saved: {kind}", "张量 {name!r} 无法保存：{kind}"),
        (
            "only dense tensors with values can be written to a file",
            "只有带实际数值的稠密张量才能写入文件",
        ),
        (
            "keep it dense (tensor.to_dense()), or register it with persistent=False",
            "改用稠密张量（tensor.to_dense()），或注册时加 persistent=False",
        ),
    ),
    "DL420": (
        ("{path} is not a readable file of weights", "{path} 不是可读的权重文件"),
        ("{reason}", "{reason}"),
        (
            "download or save it again; it may be cut short or not be a weights file",
            "请重新下载或保存；文件可能不完整，或根本不是权重文件",
        ),
    ),
    "DL421": (
        ("{path} holds code, not only weights: {found}", "{path} 里除了权重还有代码：{found}"),
        (
            "loading it would run that code; danlu reads tensors only",
            "加载它就会运行这段代码；danlu 只读取张量",
        ),
        (
            "where the file was made: torch.save(model.state_dict(), 'weights.pth')",
            "在生成该文件的地方改用：torch.save(model.state_dict(), 'weights.pth')",
        ),
    ),
    "DL422": (
        ("there is no weights file {path!r}", "找不到权重文件 {path!r}"),
        ("{why}", "{why}"),
        ("ls {parent}", "ls {parent}"),
    ),
    "DL423": (
        ("the saved weights do not fit {model}", "保存的权重与 {model} 对不上"),
        ("{differences}", "{differences}"),
        (
            "use the class as it was when the weights were saved (--model FILE.py:CLASS)",
            "请使用保存权重时的那个类（--model 文件.py:类名）",
        ),
    ),
    "DL424": (
        ("{path} is not a usable model folder", "{path} 不是可用的模型目录"),
        ("{reason}", "{reason}"),
        (
            "make it again from the run: danlu resume RUN; or copy the whole model/ folder again",
            "可由运行目录重新生成：danlu resume 运行目录；或重新完整复制 model/ 目录",
        ),
    ),
    "DL425": (
        (
            "{path} would grow from {size:,} to {unpacked:,} bytes when unpacked",
            "{path} 解压后会从 {size:,} 字节膨胀到 {unpacked:,} 字节",
        ),
        (
            "torch never compresses weights; such a file is broken or meant to fill the memory",
            "torch 保存权重从不压缩；这样的文件要么已损坏，要么是用来撑爆内存的",
        ),
        (
            "get the file from a source you trust, in safetensors format where there is one",
            "请从可信的来源重新获取，最好是 safetensors 格式",
        ),
    ),
    "DL426": (
        ("weights cannot be written as {suffix!r}", "权重不能保存成 {suffix!r} 格式"),
        ("the file's ending decides the format", "保存格式由文件后缀决定"),
        (
            "danlu.save_weights(model, 'weights.safetensors')  # or .pth",
            "danlu.save_weights(model, 'weights.safetensors')  # 或 .pth",
        ),
    ),
}

SAYINGS: dict[str, Text] = {
    "fit.missing": ("missing in the file: {names}", "文件中缺少：{names}"),
    "fit.unexpected": ("only in the file: {names}", "文件中多出：{names}"),
    "fit.mismatched": ("different (file ≠ model): {names}", "不一致（文件 ≠ 模型）：{names}"),
    "state.groups": (
        "parameter groups of {saved} parameters when saved, of {now} now",
        "保存时各参数组的参数个数为 {saved}，现在为 {now}",
    ),
    "model.changed": (
        "{file} is not the file that config.json names (another size or sha256)",
        "{file} 与 config.json 里记录的不是同一个文件（大小或 sha256 不同）",
    ),
    "model.irregular": ("{file} is no ordinary file", "{file} 不是普通文件"),
    "model.large": (
        "{file} has {size:,} bytes; such a file is never so large",
        "{file} 有 {size:,} 字节，这种文件不会这么大",
    ),
    "model.entry": ("{file}: {entry} is not as danlu writes it", "{file}：{entry} 不是 danlu 写出的格式"),
    "model.missing": ("{file} is missing", "缺少 {file}"),
    "weights.other": (
        "neither a safetensors file nor a state_dict of torch.save",
        "既不是 safetensors 文件，也不是 torch.save 存的 state_dict",
    ),
    "weights.none": ("it holds no tensors by name", "里面没有带名字的张量"),
    "run.empty": (
        "the folder is there, but holds none of {marks}",
        "目录存在，但里面没有 {marks} 中的任何一个",
    ),
    "run.none": ("there are no runs in {parent}", "{parent} 里还没有任何运行记录"),
    "run.newest": (
        "{parent} holds {count} {count:run|runs}, the newest is {name}",
        "{parent} 里有 {count} 次运行，最新的是 {name}",
    ),
    "disk.script": (", then run the script again with run={run!r}", "，然后再运行一次脚本，并加上 run={run!r}"),
    "disk.resume": (", then: danlu resume {run}", "，然后运行：danlu resume {run}"),
    "checkpoint.changed": (
        "{file} is not as it was written",
        "{file} 的内容与写入时不同",
    ),
    "checkpoint.missing": ("{file} is missing", "缺少 {file}"),
    "checkpoint.size": (
        "{file} has {size:,} bytes, {expected:,} were written",
        "{file} 现为 {size:,} 字节，写入时是 {expected:,} 字节",
    ),
}
