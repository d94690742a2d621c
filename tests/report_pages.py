"""Contents of report pages as a run would fill them, made of numbers that are drawn with a seed."""

from __future__ import annotations

import io
import math
import random
from dataclasses import replace

import numpy as np
from PIL import Image

from danlu.report.page import contents as c

NAMES_ZH = ("苹果", "香蕉", "樱桃番茄（小）", "火龙果", "猕猴桃", "阳光玫瑰葡萄", "芒果", "西瓜", "草莓", "哈密瓜")
HOSTILE = '<script>alert("x")</script>\'"&\u202e🙈 مرحبا \x00'
VERDICT = (
    ("The model gets 93.1 % of 2,000 unseen images right.", "模型在 2,000 张没见过的图片上答对了 93.1 %。"),
    (
        "That is far above always answering the most frequent class (11.4 %) and a linear model (84.2 %).",
        "远高于总是回答最多类别的 11.4 %，也高于像素上的线性模型 84.2 %。",
    ),
    (
        "It can be trusted with two reservations: 3 test images are copies of training images, and it is too sure.",
        "结果可信，但有两点保留：3 张测试图与训练图完全相同；模型过于自信。",
    ),
)
FINDINGS = (
    c.Finding(
        "DL171",
        "warning",
        ("3 test images are exact copies of training images", "3 张测试图与训练图完全相同"),
        "photos/test/apple/0031.png",
        ("a model can know them by heart", "模型可能已经背下了它们"),
        ("remove them from the test folder", "请把它们从测试目录中删除"),
    ),
    c.Finding(
        "DL305",
        "error",
        ("the validation loss rose for 6 epochs at the end", "验证损失在最后 6 轮持续上升"),
        ("epochs 14 to 20", "第 14 到 20 轮"),
        ("the model began to learn the training images by heart", "模型开始死记训练图片"),
        "--patience 3",
    ),
    c.Finding("DL190", "note", ("labels were read from folder names", "标签取自目录名"), "photos/train"),
)


def png(seed: int, side: int = 28) -> c.Picture:
    """A small picture, another for each seed."""
    y, x = np.mgrid[0:side, 0:side]
    wave = (
        np.sin(x / (2 + seed % 7)) + np.cos(y / (2 + seed % 5)) + np.hypot(x - side / 2, y - side / 2) / (4 + seed % 3)
    )
    grey = np.uint8(255 * (wave - wave.min()) / np.ptp(wave))
    tone = [(1.0, 0.7, 0.5), (0.6, 0.9, 0.8), (0.7, 0.7, 1.0)][seed % 3]
    rgb = np.stack([np.uint8(grey * t) for t in tone], 2)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return c.Picture(file.getvalue())


def image(i: int, label: str = "") -> c.Sample:
    return c.Sample(f"photos/test/{label or 'x'}/{i:04}.png", picture=png(i), label=label)


def row(i: int) -> c.Sample:
    rng = random.Random(i)
    cells = (
        ("age", str(rng.randrange(18, 80))),
        ("workclass", rng.choice(["Private", "State-gov", "Self-emp-not-inc"])),
        ("education", rng.choice(["Bachelors", "HS-grad", "Some-college"])),
        ("hours-per-week", str(rng.randrange(10, 80))),
        ("native-country", "United-States"),
    )
    return c.Sample(f"adult.csv:{i + 2}", row=cells, label=rng.choice(["<=50K", ">50K"]))


def around(value: float, half: float = 0.02, kind: str = "Wilson") -> c.Interval:
    return c.Interval(max(0.0, value - half), min(1.0, value + half), kind)


def accuracy(value: float, classes: int) -> c.Metric:
    return c.Metric(("Accuracy", "准确率"), value, around(value, 0.011), 1.14 / classes, value - 0.09, "higher", "%")


def training(epochs: int = 20, seed: int = 0) -> c.Curves:
    rng = random.Random(seed)
    points = tuple(
        c.EpochPoint(
            e,
            2.3 * math.exp(-e / 4) + 0.05 + rng.random() * 0.02,
            2.3 * math.exp(-e / 4) + 0.19 + max(0, e - 13) * 0.012 + rng.random() * 0.03,
            0.94 - 0.6 * math.exp(-e / 3) - max(0, e - 13) * 0.002 + rng.random() * 0.006,
            11_800 + rng.random() * 900,
            0.04 + rng.random() * 0.02,
            4.1,
        )
        for e in range(1, epochs + 1)
    )
    steps = epochs * 94
    rates = tuple((s, 1e-3 * min(1, s / 200) * 0.5 * (1 + math.cos(math.pi * s / steps))) for s in range(1, steps + 1))
    found = tuple(
        (10 ** (-6 + i / 20), 2.3 - 1.4 / (1 + math.exp(-(i - 60) / 8)) + math.exp((i - 100) / 6)) for i in range(121)
    )
    test = c.RangeTest(found, 1.2e-3)
    return c.Curves(points, 13, ("Validation accuracy", "验证准确率"), "%", rates, test, (("CPU", 812_000_000),))


def table_of(classes: tuple[str, ...], rows: int, right: float, seed: int = 1) -> tuple[tuple[int, ...], ...]:
    """Counts with most of each class on the diagonal."""
    rng = np.random.default_rng(seed)
    k, out = len(classes), []
    for t in range(k):
        shares = rng.random(k) ** 6
        shares[t] = 0
        shares = shares / shares.sum() * (1 - right)
        shares[t] = right
        out.append(tuple(int(v) for v in rng.multinomial(rows // k + int(rng.integers(0, rows // k + 1)), shares)))
    return tuple(out)


def scores(classes: tuple[str, ...], counts: tuple[tuple[int, ...], ...]) -> tuple[c.ClassScore, ...]:
    array = np.array(counts)
    out = []
    for i, name in enumerate(classes):
        hit, guessed, actual = array[i, i], array[:, i].sum(), array[i].sum()
        p, r = hit / max(1, guessed), hit / max(1, actual)
        f = 2 * p * r / max(1e-9, p + r)
        half = 0.9 / math.sqrt(max(1, actual))
        scored = (float(p), float(r), float(f))
        out.append(c.ClassScore(name, int(actual), *scored, *(around(v, half) for v in scored)))
    return tuple(out)


def cells(
    classes: tuple[str, ...], counts: tuple[tuple[int, ...], ...], make: object = image, each: int = 8
) -> tuple[c.Cell, ...]:
    out = []
    for t in range(len(classes)):
        for a in range(len(classes)):
            if counts[t][a]:
                some = range(min(each, counts[t][a]))
                out.append(c.Cell(t, a, tuple(make(t * 97 + a * 31 + i) for i in some)))  # type: ignore[operator]
    return tuple(out)


def curve(name: str, power: float, points: int = 200, flip: bool = False) -> c.Curve:
    xs = [i / (points - 1) for i in range(points)]
    ys = [1 - (1 - (1 - x if flip else x) ** 0.5) ** power for x in xs]
    return c.Curve(name, tuple(zip(xs, ys)), sum(ys) / points, around(sum(ys) / points, 0.01, "bootstrap"))


def calibration() -> c.Calibration:
    bins = [c.Bin(i / 10, (i + 1) / 10, i / 10 + 0.06, max(0.02, i / 10 - 0.03), 20 + i**4 // 4) for i in range(10)]
    return c.Calibration(tuple(bins), 0.0431)


def reproduce() -> c.Reproduce:
    config = 'command = "danlu train photos/ --epochs 20"\n\n[settings]\nepochs = 20\nlr = 0.0012\nseed = 0\n'
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    return c.Reproduce(
        "danlu train photos/ --epochs 20 --seed 0",
        config,
        (("python", "3.11.7"), ("torch", "2.15.0"), ("danlu", "0.1.0"), ("numpy", "2.4.6")),
        (("model/weights.safetensors", digest), ("photos/train (12,000 files)", digest[::-1])),
        (
            c.Fact(("Seed", "随机种子"), "0"),
            c.Fact(("Device", "设备"), "CPU, 8 threads"),
            c.Fact(("Date", "日期"), "2026-11-25"),
        ),
    )


def model() -> c.Model:
    layers = (
        c.Layer("stem", "Conv2d", (32, 28, 28), 320, 501_760),
        c.Layer("stem_norm", "BatchNorm2d", (32, 28, 28), 64, 50_176),
        c.Layer("blocks.0.conv1", "Conv2d", (64, 14, 14), 18_496, 7_225_344),
        c.Layer("blocks.0.conv2", "Conv2d", (64, 14, 14), 36_928, 14_450_688),
        c.Layer("pool", "AdaptiveAvgPool2d", (64, 1, 1), 0, 12_544),
        c.Layer("head", "Linear", (10,), 650, 1_280),
    )
    return c.Model(
        "cnn", layers, totals=(c.Fact(("Trainable", "可训练参数"), "56,458"), c.Fact(("Size", "大小"), "226 kB"))
    )


def image_page(classes: tuple[str, ...], rows: int = 2000, language: str = "en") -> c.Page:
    """A page of an image classification with everything there is."""
    k = len(classes)
    counts = table_of(classes, rows, 0.93)
    data = c.Data(
        (c.Part("train", 12_000), c.Part("val", 2_000), c.Part("test", rows)),
        (
            c.FieldRow("image", "image", "input", ("files are JPEG and PNG", "文件是 JPEG 和 PNG")),
            c.FieldRow("label", "category", "target", ("a folder per class", "每个类别一个目录"), 0, k),
        ),
        (c.ClassBars(classes, tuple((900 + 37 * (i % 9), 150 + i % 7, sum(counts[i])) for i in range(k))),),
        tuple(image(i, classes[i % k]) for i in range(20)),
        (c.BadRow("photos/train/x/0199.png", ("the file ends early", "文件不完整")),),
        4,
        tuple(
            c.Duplicate((("train", f"photos/train/a/{i}.png"), ("test", f"photos/test/b/{i}.png")), image(i))
            for i in range(3)
        ),
    )
    shown = (
        accuracy(0.931, k),
        c.Metric(("Macro-F1", "宏平均 F1"), 0.9234, around(0.923, 0.013, "bootstrap"), 0.02, 0.81),
    )
    shown += (c.Metric(("Log loss", "对数损失"), 0.2312, c.Interval(0.21, 0.2511, "bootstrap"), 2.29, 0.55, "lower"),)
    results = c.Results(
        rows=rows,
        metrics=shown,
        classes=scores(classes, counts),
        confusion=c.Confusion(classes, counts, cells(classes, counts)),
        roc=tuple(curve(name, 4 + i % 9) for i, name in enumerate(classes if k > 2 else classes[1:])),
        pr=tuple(curve(name, 3 + i % 9, flip=True) for i, name in enumerate(classes if k > 2 else classes[1:])),
        calibration=calibration(),
    )
    wrong = tuple(
        c.Mistake(image(i), classes[i % k], classes[(i + 1) % k], 0.99 - i / 100, 6.1 - i / 8) for i in range(24)
    )
    return c.Page(
        ("Fruit photos: 93.1 % right", "水果照片：正确率 93.1 %"),
        "zh" if language == "zh" else "en",
        (
            c.Fact(("Data", "数据"), "photos/"),
            c.Fact(("Model", "模型"), "cnn"),
            c.Fact(("Trained", "训练时间"), "2026-11-25 10:48"),
        ),
        c.Verdict(
            VERDICT,
            shown[0],
            ("always the most frequent class", "总是回答最多的类别"),
            ("logistic regression on pixels", "像素上的逻辑回归"),
            FINDINGS,
        ),
        data,
        training(),
        (results,),
        wrong,
        tuple(c.LabelError(image(40 + i), classes[i % k], classes[(i + 1) % k], 0.97 - i / 50) for i in range(6)),
        c.Why(
            tuple(c.Attribution(image(i), png(i + 3), classes[i % k], classes[i % k]) for i in range(6)),
            ("gradient × input", "梯度 × 输入"),
        ),
        model(),
        reproduce(),
    )


def table_page() -> c.Page:
    """Two classes, rows of a table, slices and importances."""
    classes = ("<=50K", ">50K")
    base = image_page(classes, 9000)
    counts = table_of(classes, 9000, 0.86)
    fields = tuple(
        c.FieldRow(n, k, r, (f"why {n}", f"理由：{n}"), 12 * (i % 3), 7 if k == "category" else None)
        for i, (n, k, r) in enumerate(
            [("age", "number", "input"), ("workclass", "category", "input"), ("fnlwgt", "number", "ignored")]
            + [
                ("education", "category", "input"),
                ("hours-per-week", "number", "input"),
                ("income", "category", "target"),
            ]
        )
    )
    rows = [
        ("sex", "Female", 0.91),
        ("sex", "Male", 0.83),
        ("race", "White", 0.86),
        ("race", "Black", 0.92),
        ("race", "Other", 0.88),
    ]
    slices = c.Slices(
        ("Accuracy", "准确率"),
        tuple(c.SliceRow(f, v, 3000 // (i + 1), m, around(m, 0.01 * (i + 1))) for i, (f, v, m) in enumerate(rows)),
        0.862,
        "%",
    )
    results = replace(
        base.tests[0],
        confusion=c.Confusion(classes, counts, cells(classes, counts, row)),
        classes=scores(classes, counts),
        slices=slices,
    )
    names = ("marital-status", "capital-gain", "education-num", "age", "occupation", "hours-per-week", "race", "sex")
    important = tuple(
        c.Importance(n, 0.06 / (i + 1) - 0.008, c.Interval(0.05 / (i + 1) - 0.009, 0.07 / (i + 1) - 0.007))
        for i, n in enumerate(names)
    )
    return replace(
        base,
        title=("Adult income", "成人收入"),
        data=replace(base.data, fields=fields, gallery=tuple(row(i) for i in range(8)), duplicates=()),
        tests=(results,),
        mistakes=tuple(c.Mistake(row(i), ">50K", "<=50K", 0.99 - i / 90, 5 - i / 9) for i in range(24)),
        label_errors=tuple(c.LabelError(row(i), ">50K", "<=50K", 0.95) for i in range(3)),
        why=c.Why(importances=(c.Importances(important, ("accuracy", "准确率")),)),
    )


def regression_page(points: int = 1500) -> c.Page:
    """Two targets."""
    rng = np.random.default_rng(3)
    targets = []
    for name, unit, scale in (("median_house_value", "$", 100_000.0), ("rooms", "", 3.0)):
        true = rng.gamma(4, scale / 2, points)
        guess = true + rng.normal(0, scale / 3, points)
        counts, edges = np.histogram(guess - true, 30)
        pairs = tuple((float(a), float(b)) for a, b in zip(true, guess))
        targets.append(c.Target(name, pairs, tuple(map(float, edges)), tuple(map(int, counts)), unit))
    metrics = (
        c.Metric("R²", 0.8051, c.Interval(0.792, 0.816, "bootstrap"), -0.0003, 0.61),
        c.Metric("RMSE", 51_240.0, c.Interval(49_100.0, 53_400.0, "bootstrap"), 115_900.0, 72_400.0, "lower"),
        c.Metric(
            "MAPE",
            0.184,
            c.Interval(0.176, 0.193, "bootstrap"),
            0.47,
            None,
            "lower",
            "%",
            ("Divides by the true value: rows near 0 decide it.", "以真实值为分母：接近 0 的样本会左右结果。"),
        ),
    )
    base = table_page()
    curves = replace(training(), monitor="", monitor_unit="")
    return replace(
        base,
        title=("California houses", "加州房价"),
        verdict=replace(base.verdict, headline=metrics[1], findings=FINDINGS[2:]),
        data=replace(base.data, classes=()),
        curves=curves,
        tests=(c.Results(rows=points, metrics=metrics, targets=tuple(targets)),),
        mistakes=tuple(
            c.Mistake(row(i), f"{90_000 + i * 1000:,}", f"{410_000 - i * 900:,}", None, 9 - i / 9) for i in range(24)
        ),
        label_errors=(),
    )


def many_classes() -> tuple[str, ...]:
    return tuple(f"class_{i:03}_{('long-eared owl', 'jay', '东方白鹳')[i % 3]}" for i in range(200))


def all_pages() -> dict[str, c.Page]:
    right = image_page(("cat", "dog"), 800).tests[0].metrics[0]
    off = c.Metric(("RMSE", "均方根误差"), 12_345.678, c.Interval(11_999.5, 12_700.25), 30_123.4, 15_432.1, "lower")
    heads = (c.HeadScore("income", right, ("majority", "多数类")), c.HeadScore("hours-per-week", off, ("mean", "均值")))
    return {
        "two": image_page(("cat", "dog"), 800),
        "ten": image_page(NAMES_ZH, 2000, "zh"),
        "many": image_page(many_classes(), 20_000),
        "regression": regression_page(),
        "table": table_page(),
        "heads": replace(
            table_page(),
            verdict=c.Verdict(VERDICT, linear=("logistic regression", "逻辑回归"), findings=FINDINGS, heads=heads),
            why=c.Why(importances=(table_page().why.importances[0], table_page().why.importances[0])),
            tests=(
                replace(table_page().tests[0], name="income"),
                replace(regression_page().tests[0], name=("hours", "工时")),
            ),
        ),
        "hostile": hostile_page(),
        "empty": c.Page("run-1125-1048"),
    }


def hostile_page() -> c.Page:
    """Every name, place and text is an attack on the page."""
    names = (HOSTILE, "</style><img src=x onerror=alert(1)>" + "長" * 200, "مرحبا بالعالم", "👩‍👩‍👧‍👦" * 40)
    page = image_page(names, 600)
    wild = c.Sample(HOSTILE, row=((HOSTILE, HOSTILE), ("a", "=1+1")), label=HOSTILE)
    found = (c.Finding(HOSTILE, "error", HOSTILE, HOSTILE, (HOSTILE, "]]>" + HOSTILE), HOSTILE),)
    return replace(
        page,
        title=HOSTILE,
        facts=(c.Fact(HOSTILE, HOSTILE),),
        verdict=replace(page.verdict, findings=found),
        data=replace(page.data, gallery=(wild, c.Sample("t", text="</p><script>" + HOSTILE))),
        reproduce=c.Reproduce(
            "danlu train '</code></pre><script>'", HOSTILE, ((HOSTILE, HOSTILE),), ((HOSTILE, HOSTILE),)
        ),
    )
