"""Texts of what reading tables can say, errors and notices."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

_NONE: Text = ("", "")

ERRORS: dict[str, ErrorText] = {
    "DL100": (
        ("this file cannot be read as a table", "这个文件无法作为表格读取"),
        ("{reason}", "{reason}"),
        (
            "save it again as CSV (UTF-8), JSON lines or Parquet: pandas.DataFrame.to_parquet('data.parquet')",
            "请重新存成 UTF-8 的 CSV、JSONL 或 Parquet：pandas.DataFrame.to_parquet('data.parquet')",
        ),
    ),
    "DL101": (
        ("the text encoding is neither UTF-8, UTF-16 nor GB18030", "文本编码既不是 UTF-8、UTF-16，也不是 GB18030"),
        (
            "byte {byte} at offset {offset} begins no character; a wrong guess would garble the text",
            "偏移 {offset} 处的字节 {byte} 不是合法字符；猜错编码会得到乱码，所以不猜",
        ),
        (
            "iconv -f LATIN1 -t UTF-8 {name} > utf8.csv   # with the encoding it was written in",
            "iconv -f BIG5 -t UTF-8 {name} > utf8.csv   # 换成文件实际的编码",
        ),
    ),
    "DL102": (
        ("the table has no rows", "表格里一行数据也没有"),
        _NONE,
        ("give a file with at least one row: head -3 DATA.csv", "请换一个有数据的文件，可先看看：head -3 DATA.csv"),
    ),
    "DL103": (
        ("the table has only a header line", "表格只有表头，没有数据"),
        ("its columns: {columns}", "它的列：{columns}"),
        (
            "add rows below the header; check the export that wrote the file",
            "请在表头下补上数据行，并检查导出这个文件的步骤",
        ),
    ),
    "DL104": (
        ("a row does not have as many cells as the others", "有一行的单元格数与其他行不一致"),
        (
            "{problem} (rows of this kind: {count}); shifting or padding cells would change the data",
            "{problem}（这样的行共 {count} 行）；错位或补空都会改动数据，所以不做",
        ),
        (
            "correct the line (quote cells that hold the delimiter), or leave such rows out: --on-bad skip",
            "请改正这一行（含分隔符的内容要加引号），或跳过这类行：--on-bad skip",
        ),
    ),
    "DL105": (
        ("a quote is opened and never closed", "引号只开未关"),
        ("everything after it would become one cell", "它之后的全部内容都会变成一个单元格"),
        (
            'close the quote on that line; a quote inside a quoted cell is written twice: ""',
            '请在该行补上右引号；引号内部的引号要写两遍：""',
        ),
    ),
    "DL106": (
        ("a line is not a JSON object", "有一行不是 JSON 对象"),
        ("{reason}", "{reason}"),
        (
            'write one object a line, such as {{"text": "…", "label": "a"}}; or leave such lines out: --on-bad skip',
            '每行写一个对象，例如 {{"text": "…", "label": "a"}}；或跳过这类行：--on-bad skip',
        ),
    ),
    "DL107": (
        ("too many rows cannot be used: {count} of {rows}", "不可用的行太多：{rows} 行中有 {count} 行"),
        (
            "at most a share of {limit} may be left out; the first: {first}",
            "最多允许跳过的比例是 {limit}；第一处：{first}",
        ),
        (
            "correct the rows, or allow more: --on-bad skip --bad-limit {enough}",
            "请改正这些行，或放宽上限：--on-bad skip --bad-limit {enough}",
        ),
    ),
    "DL108": (
        ("two columns have the same name: {name!r}", "有两列同名：{name!r}"),
        ("a column is found by its name", "各列是按名字来找的"),
        ("rename one of them in the header line", "请在表头里给其中一列改名"),
    ),
    "DL110": (
        ("there is no column {name!r}", "没有名为 {name!r} 的列"),
        ("{hint}", "{hint}"),
        ("{flag} {near!r}", "{flag} {near!r}"),
    ),
    "DL111": (
        ("which column is to be predicted?", "要预测的是哪一列？"),
        ("none or several can be the target: {columns}", "没有哪一列能确定为目标列，候选：{columns}"),
        ("--target {last!r}", "--target {last!r}"),
    ),
    "DL113": (
        ("these columns cannot be predicted together: {columns}", "这些列不能一起预测：{columns}"),
        (
            "for --task {task} several targets must all be numbers, or all yes/no columns",
            "--task {task} 要求多个目标列全是数值，或全是是/否（0/1）",
        ),
        ("a head for each of them: --task multitask", "每列一个输出头：--task multitask"),
    ),
    "DL114": (
        ("column {column!r} does not fit the task {task}", "列 {column!r} 不适合任务 {task}"),
        ("it holds, among others: {holds}", "它的内容例如：{holds}"),
        (
            "choose another: --target COLUMN; a regression needs numbers, a classification classes that come again",
            "换一列：--target 列名；回归需要数值，分类需要会重复出现的类别",
        ),
    ),
    "DL115": (
        ("rows without a label: {count}", "有 {count} 行没有标签"),
        ("nothing can be learnt from a row whose target is unknown ({rows})", "目标未知的行学不到任何东西（{rows}）"),
        ("fill in the labels, or leave these rows out: {skip}", "请补上标签，或跳过这些行：{skip}"),
    ),
    "DL116": (
        ("the target {column!r} is the same in every row", "目标列 {column!r} 的每一行都相同"),
        (
            "all {rows} {rows:row holds|rows hold} {value!r}; there is nothing to tell apart",
            "全部 {rows} 行都是 {value!r}，没有可区分的东西",
        ),
        (
            "choose another column: --target COLUMN; or add rows of another class",
            "换一列：--target 列名；或补充其他类别的数据",
        ),
    ),
    "DL117": (
        ("the class {name!r} is only in {part}, never in training", "类别 {name!r} 只出现在 {part} 中，训练数据里没有"),
        (
            "{count} {count:row|rows} of column {column!r} {count:has|have} it{others}; {near}",
            "列 {column!r} 有 {count} 行是它{others}；{near}",
        ),
        ("{line}", "{line}"),
    ),
    "DL129": (
        ("column {column!r} is written with decimal commas", "列 {column!r} 用逗号作小数点"),
        (
            "its cells are such as {cell!r}; danlu reads numbers with points",
            "单元格形如 {cell!r}；danlu 只认句点作小数点",
        ),
        (
            "danlu.train(pandas.read_csv({path!r}, sep=';', decimal=','))",
            "danlu.train(pandas.read_csv({path!r}, sep=';', decimal=','))",
        ),
    ),
    "DL118": (
        ("no column is left to predict from", "没有可用来预测的输入列"),
        ("left out: {columns}", "已排除：{columns}"),
        (
            "add columns of numbers or categories; for free text give your own Dataset: danlu train my.py:train_set",
            "请补充数值列或类别列；自由文本请用自己的 Dataset：danlu train my.py:train_set",
        ),
    ),
    "DL119": (
        ("the column {column!r} is missing", "缺少列 {column!r}"),
        ("the model was trained with it ({count} missing in all); {hint}", "训练时用到了它（共缺 {count} 列）；{hint}"),
        (
            "give a table with the training columns; their order does not matter",
            "请提供含训练时各列的表格，列的顺序不限",
        ),
    ),
    "DL120": (
        ("a cell is not what its column holds elsewhere", "有单元格与该列的类型不符"),
        ("{why} (rows of this kind: {count})", "{why}（这样的行共 {count} 行）"),
        ("correct the cell, or leave such rows out: {skip}", "请改正该单元格，或跳过这类行：{skip}"),
    ),
    "DL121": (
        (
            "the table has {found} {found:column|columns}, {needed} {needed:is|are} needed",
            "表格有 {found} 列，需要 {needed} 列",
        ),
        ("without a header, columns are told by their place", "没有表头时，各列按位置对应"),
        ("give the same columns in the same order, or add a header line", "请按相同顺序给出相同的列，或加上表头"),
    ),
    "DL124": (
        ("the columns are not equally long", "各列长度不一致"),
        ("{sizes}", "{sizes}"),
        ("give every column one value a row", "请让每一列在每一行都有一个值"),
    ),
    "DL125": (
        ("this is an Excel or zip file, not a text table", "这是 Excel 或 zip 文件，不是文本表格"),
        _NONE,
        (
            "a workbook's name has to end in .xlsx or .xls; a zip file has to be unpacked: unzip {name}",
            "Excel 文件请把扩展名改成 .xlsx 或 .xls；zip 文件请先解压：unzip {name}",
        ),
    ),
    "DL126": (
        ("there is no such file", "没有这个文件"),
        ("{hint}", "{hint}"),
        ("{line}", "{line}"),
    ),
    "DL130": (
        ("{path} is a folder", "{path} 是文件夹"),
        (
            "a table is one file: CSV, TSV, JSON lines, Parquet or Arrow",
            "表格是单个文件：CSV、TSV、JSON 行、Parquet 或 Arrow",
        ),
        ("name the file: {line}", "请写出文件名：{line}"),
    ),
    "DL128": (
        ("the label {cell!r} is not a number", "标签 {cell!r} 不是数值"),
        (
            "{good} rows of column {column!r} hold numbers (rows that do not: {count})",
            "列 {column!r} 有 {good} 行是数值，不是数值的有 {count} 行",
        ),
        (
            "put a number there, or leave the cell empty and the row out: --on-bad skip",
            "请改成数值；或把这个单元格清空，再用 --on-bad skip 跳过这一行",
        ),
    ),
    "DL127": (
        ("this object is no table", "这个对象不是表格"),
        ("it is a {type}", "它的类型是 {type}"),
        (
            "give a DataFrame, a pyarrow table, a list of dicts, a dict of columns, or a path",
            "请提供 DataFrame、pyarrow 表、字典列表、由列组成的字典，或文件路径",
        ),
    ),
}

SAYINGS: dict[str, Text] = {
    "table.near": ("did you mean {near!r}?", "是不是想写 {near!r}？"),
    "table.has": ("known: {columns}", "已有：{columns}"),
    "table.unseen": (
        "categories that training never had count as missing: {columns}",
        "训练时没见过的类别按缺失处理：{columns}",
    ),
    "table.unseen.column": (
        "{count} {count:cell|cells} of {column}, such as {example!r}",
        "{column} 列有 {count} 个单元格，例如 {example!r}",
    ),
    "table.folder": ("nothing like it in {path}", "{path} 里没有相近的文件"),
    "table.none": ("none", "无"),
    "table.all": ("all rows", "全部行"),
    "table.binary": ("it holds zero bytes, as texts never do", "文件含零字节，文本文件不会有"),
    "table.encoding.bom": ("the file begins with its byte order mark", "文件开头有它的 BOM 标记"),
    "table.encoding.gb18030": (
        "the bytes are no UTF-8, and nearly all pairs are Chinese characters",
        "字节不是 UTF-8，而且几乎都能成对解成汉字",
    ),
    "table.comma": ("comma", "逗号"),
    "table.tab": ("tab", "制表符"),
    "table.semicolon": ("semicolon", "分号"),
    "table.bar": ("bar |", "竖线 |"),
    "table.blank": ("blanks", "空格"),
    "table.delimiter.own": (
        "by the file's name, and rows have {width} cells each",
        "与文件名相符，且每行都是 {width} 个单元格",
    ),
    "table.delimiter.sniffed": ("with it rows have {width} cells each", "这样切分后每行都是 {width} 个单元格"),
    "table.delimiter.none": ("no delimiter gives several columns", "没有哪种分隔符能切出多列"),
    "table.quotes.why": (
        "read as tab-separated text without quoting: quotes do not pair up",
        "引号不成对，按不带引号规则的制表符文本读取",
    ),
    "table.ragged": ("{found} {found:cell|cells}, other rows have {usual}", "有 {found} 个单元格，其他行是 {usual} 个"),
    "table.comment.value": ("{count} line(s) skipped", "跳过 {count} 行"),
    "table.comment.why": ("comments before the table", "表格前面的注释"),
    "table.spaces.value": ("stripped", "已去除"),
    "table.spaces.why": ("{count} {count:cell|cells} had blanks around {count:it|them}", "{count} 个单元格两端有空格"),
    "table.header.yes": ("first line", "第一行"),
    "table.header.no": ("none", "没有表头"),
    "table.header.given": ("as told", "按指定"),
    "table.header.known": ("{count} of its cells are known column names", "其中 {count} 格是已知的列名"),
    "table.header.counting": ("it counts the columns, 0 to {last}", "它给各列编号，0 到 {last}"),
    "table.header.numbers": ("{name!r} stands over a column of numbers", "{name!r} 下面整列都是数值"),
    "table.header.value": ("the first line holds the value {cell!r}", "第一行里有数值 {cell!r}"),
    "table.header.target": ("{name!r} is a usual name of a target", "{name!r} 是常见的目标列名"),
    "table.header.repeats": ("{cell!r} of the first line comes again below", "第一行的 {cell!r} 在下面又出现"),
    "table.header.default": ("nothing in the first line comes again below", "第一行的内容在下面都没有再出现"),
    "table.json.syntax": ("at column {column}: {words}", "第 {column} 列：{words}"),
    "table.json.objects": ("not an object with named values", "不是带名字的对象"),
    "table.number": ("all cells are numbers", "全部单元格都是数值"),
    "table.number.only": ("counts up, and it is all there is", "虽是递增编号，但没有别的输入列"),
    "table.date": ("ISO dates, read as days since 1970-01-01", "ISO 日期，换算成距 1970-01-01 的天数"),
    "table.bool": ("true or false", "真或假"),
    "table.id.number": ("numbers the rows: different in each", "行编号，每行都不同"),
    "table.id.text": ("an id: different in each row", "标识符，每行都不同"),
    "table.id.repeats": (
        "an id that comes again ({count} {count:value|values}): told apart, not counted",
        "会重复的编号（{count} 个值）：只区分，不比大小",
    ),
    "table.category": ("text with {count} {count:value|different values}", "文本，共 {count} 种取值"),
    "table.text": (
        "free text (about {length} characters): the table models cannot use it",
        "自由文本（平均约 {length} 字）：表格模型用不上",
    ),
    "table.different": (
        "nearly every value is different ({count} in {rows} rows)",
        "几乎每行都不同（{rows} 行有 {count} 种取值）",
    ),
    "table.nearly": (
        "numbers but for {count} of {rows} cells, the first {cell!r} in {where}: correct them to use it as numbers",
        "{rows} 个单元格里只有 {count} 个不是数字，第一个是 {where} 的 {cell!r}：改正后就能当数值列用",
    ),
    "table.commas": (
        "numbers with decimal commas ({cell}): write points to use the column as numbers",
        "数字用了逗号作小数点（{cell}）：改成句点就能当数值列用",
    ),
    "table.left_out": ("left out", "不用"),
    "table.constant": ("the same in every row: {value}", "每行都相同：{value}"),
    "table.empty": ("no value in any row", "整列都没有值"),
    "table.nested": ("holds lists or nested values: {type}", "内容是列表或嵌套结构：{type}"),
    "table.large": (
        "{count} categories, more than {most} columns of 0 and 1",
        "有 {count} 个类别，超过 {most} 个 0/1 列的上限",
    ),
    "table.ignored.asked": ("asked to leave it out", "按要求排除"),
    "table.inputs.number": ("all cells are numbers", "全部单元格都是数值"),
    "table.inputs.number.missing": (
        'numbers; "", NA, NaN, null, None, ?, - and inf count as missing, in: {columns}',
        "数值；空、NA、NaN、null、None、?、-、inf 视为缺失，见于：{columns}",
    ),
    "table.inputs.category": ("texts that come again", "会重复出现的文本"),
    "table.inputs.category.missing": (
        "texts that come again; empty cells in: {columns}",
        "会重复出现的文本；有空单元格的列：{columns}",
    ),
    "table.target.given": ("as told", "按指定"),
    "table.target.name": ("the usual name of a target", "是常见的目标列名"),
    "table.target.only": ("the only column of numbers or classes", "唯一的数值或类别列"),
    "table.task.given": ("as told", "按指定"),
    "table.task.numbers": ("{name} holds {count} different {count:number|numbers}", "{name} 有 {count} 种不同的数值"),
    "table.task.whole": (
        "{name} holds {count} whole numbers that come again (else: --task regression)",
        "{name} 只有 {count} 种会重复的整数（若要预测数值：--task regression）",
    ),
    "table.task.texts": ("{name} holds {count} different names", "{name} 有 {count} 种名称"),
    "table.task.labels": (
        "{name} lists labels: {count} in all, {mean} a row",
        "{name} 是标签列表：共 {count} 种，平均每行 {mean} 个",
    ),
    "table.task.yes_no": ("{count} yes/no columns", "{count} 个是/否列"),
    "table.task.several": ("{count} {count:column|columns} of numbers", "{count} 个数值列"),
    "table.not_number": ("{cell!r} in column {column!r} is not a number", "列 {column!r} 中的 {cell!r} 不是数值"),
    "table.no_label": ("no value in the target column {column!r}", "目标列 {column!r} 没有值"),
    "table.class.same": ("write classes the same way in both files", "请让两个文件里的类别写法一致"),
    "table.class.point": (
        "sed 's/\\.$//' {path} > {fixed}   # labels without the point at their end",
        "sed 's/\\.$//' {path} > {fixed}   # 去掉标签末尾的句点",
    ),
    "table.class.others": (" (and {count} more {count:class is|classes are} new)", "（另有 {count} 个新类别）"),
    "table.split": ("shuffled with seed {seed}", "按种子 {seed} 打乱"),
    "table.split.classes": (
        "shuffled with seed {seed}, the same share of each class",
        "按种子 {seed} 打乱，各类别比例相同",
    ),
    "table.copies.together": ("kept on one side", "放在同一侧"),
    "table.copies.found": (
        "{count} {count:row is a copy of another|rows are copies of others}",
        "有 {count} 行与别的行完全相同",
    ),
    "table.copies.apart": ("split like other rows", "与其他行一样划分"),
    "table.copies.few": (
        "there are only {count} different rows, so equal ones are no sign of copying",
        "不同的行只有 {count} 种，相同并不说明是复制",
    ),
}
