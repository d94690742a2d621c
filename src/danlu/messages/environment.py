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
    "DL099": (
        ("unexpected: {error}", "意外错误：{error}"),
        ("danlu did not foresee this", "danlu 没有料到这种情况"),
        _LINE,
    ),
}

SAYINGS: dict[str, Text] = {
    "lookup.no_folder": ("there is no folder {folder}", "没有 {folder} 这个文件夹"),
    "lookup.no_python_file": ("no .py file in {folder}", "{folder} 里没有 .py 文件"),
}
