"""Photos from scratch in equal minutes: danlu, fastai and Ultralytics with the defaults that each of them recommends.

Each contestant is a process of its own, in turn, seed by seed. Results are appended to ``--out`` as they come; what is
in there is not measured again. fastai and Ultralytics may live in another environment (``--peers``, its Python).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import ChildFailed, cpu_name, data_folder, mark, median, run_child, spread, table

DATA = {"cifar10": "images_cifar10", "clothing10": "images_clothing10"}
VAL_EVERY = 7  # where there is no validation folder, every seventh training file of a class


def prepare(name: str) -> Path:
    """train/, val/ and test/ with a folder a class, the same for everyone; links where the system has them."""
    source, made = data_folder() / DATA[name], Path(tempfile.mkdtemp(prefix=f"photos-{name}-"))
    parts = {"train": source / "train", "test": source / "test"}
    if (source / "validation").is_dir():
        parts["val"] = source / "validation"
    for part, folder in parts.items():
        for classed in sorted(p for p in folder.iterdir() if p.is_dir()):
            for i, file in enumerate(sorted(classed.iterdir())):
                held = part == "train" and "val" not in parts and i % VAL_EVERY == 0
                place = made / ("val" if held else part) / classed.name
                place.mkdir(parents=True, exist_ok=True)
                try:
                    (place / file.name).symlink_to(file)
                except OSError:
                    shutil.copy(file, place / file.name)
    return made


# ---- contestants: each marks the share of test photos it got right


def danlu(folder: Path, minutes: float, seed: int) -> None:
    import danlu as d

    run = d.train(str(folder), time=60 * minutes, seed=seed, run="run")
    mark(accuracy=run.metrics["test/accuracy"], epochs=len(run.history))


def danlu_unset(folder: Path, minutes: float, seed: int) -> None:
    import danlu as d

    run = d.train(str(folder), seed=seed, run="run")
    found = run.metrics
    mark(accuracy=found["test/accuracy"], linear=found["test/accuracy_linear"], epochs=len(run.history))


def fastai(folder: Path, minutes: float, seed: int, side: int) -> None:
    """The image classification of fastai's tutorial, from scratch, in as many epochs of one cycle as fill the time."""
    from fastai.vision.all import (
        ImageDataLoaders,
        Resize,
        accuracy,
        aug_transforms,
        get_image_files,
        resnet18,
        set_seed,
        vision_learner,
    )  # fmt: skip

    set_seed(seed, True)
    loaders = ImageDataLoaders.from_folder(
        folder, train="train", valid="val", item_tfms=Resize(side), batch_tfms=aug_transforms(), seed=seed, device="cpu"
    )

    def learner() -> Any:
        return vision_learner(loaders, resnet18, pretrained=False, metrics=accuracy)

    trial = learner()
    with trial.no_bar():
        trial.fit_one_cycle(1)  # warms up; the second tells how long one takes, and neither is counted
        began = time.perf_counter()
        trial.fit_one_cycle(1)
    each = time.perf_counter() - began
    epochs = max(1, round(60 * minutes / each))
    set_seed(seed, True)
    taught = learner()
    began = time.perf_counter()
    with taught.no_bar():
        taught.fit_one_cycle(epochs, 3e-3)
    trained = time.perf_counter() - began
    files = get_image_files(folder / "test")
    with taught.no_bar():
        guessed = taught.get_preds(dl=loaders.test_dl(files))[0].argmax(1)
    right = sum(loaders.vocab[int(g)] == f.parent.name for g, f in zip(guessed, files))
    mark(accuracy=right / len(files), epochs=epochs, trained=trained)


def ultralytics(folder: Path, minutes: float, seed: int, side: int, *, every_core: bool = True) -> None:
    """Its default leaves one core to the reading of files; ``every_core`` gives it all."""
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(Path.cwd()), "WANDB_MODE": "disabled"}
    from ultralytics import YOLO, settings

    settings.update({"sync": False})
    if every_core:
        from ultralytics.utils import torch_utils

        torch_utils.NUM_THREADS = os.cpu_count()
    net = YOLO("yolo11n-cls.yaml")
    began = time.perf_counter()
    net.train(
        data=str(folder), time=minutes / 60, imgsz=side, seed=seed, device="cpu", pretrained=False, plots=False,
        project=str(Path.cwd()), name="run", epochs=1000,
    )  # fmt: skip
    trained = time.perf_counter() - began
    epochs = len((Path.cwd() / "run" / "results.csv").read_text().splitlines()) - 1
    found = net.val(data=str(folder), split="test", imgsz=side, plots=False)
    mark(accuracy=float(found.top1), epochs=epochs, trained=trained)


Contestant = Callable[[Path, float, int], None]
CONTESTANTS: dict[str, tuple[bool, Contestant]] = {  # name -> (a peer's environment?, what it does)
    "danlu": (False, danlu),
    "danlu, nothing set": (False, danlu_unset),
    "fastai resnet18, 32 px": (True, lambda f, m, s: fastai(f, m, s, 32)),
    "fastai resnet18, 64 px": (True, lambda f, m, s: fastai(f, m, s, 64)),
    "fastai resnet18, 128 px": (True, lambda f, m, s: fastai(f, m, s, 128)),
    "ultralytics yolo11n-cls, 32 px": (True, lambda f, m, s: ultralytics(f, m, s, 32)),
    "ultralytics yolo11n-cls, 32 px, its own threads": (
        True,
        lambda f, m, s: ultralytics(f, m, s, 32, every_core=False),
    ),
    "ultralytics yolo11n-cls, 64 px": (True, lambda f, m, s: ultralytics(f, m, s, 64)),
    "ultralytics yolo11n-cls, 224 px": (True, lambda f, m, s: ultralytics(f, m, s, 224)),
}


def known(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def measure(given: argparse.Namespace) -> None:
    """Every contestant on every seed; a failure is printed and leaves the others their turns."""
    prepared = prepare(given.data)
    me = str(Path(__file__).resolve())
    names = [n for n in CONTESTANTS if given.only is None or any(n.startswith(o) for o in given.only.split(";"))]
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        for name in names:
            key = {"data": given.data, "contestant": name, "minutes": given.minutes, "seed": seed}
            if any(key.items() <= one.items() for one in known(given.out)):
                continue
            print(f"{given.data}, seed {seed}: {name}", file=sys.stderr, flush=True)
            python = given.peers if CONTESTANTS[name][0] else sys.executable
            argv = [python, me, "--child", name, "--folder", str(prepared), "--first-seed", str(seed)]
            try:
                load = os.getloadavg()[0]
                child = run_child([*argv, "--minutes", str(given.minutes)], timeout=60 * (4 * given.minutes + 20))
            except ChildFailed as failure:
                print(f"skipped: {failure}")
                continue
            facts = {k: v for k, v in child.marks[-1].items() if k != "at"}
            line = {**key, **facts, "wall": child.wall, "cpu": child.cpu, "load_before": load}
            with given.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
    shutil.rmtree(prepared, ignore_errors=True)


def show(given: argparse.Namespace) -> None:
    print(f"{given.data}, {given.minutes:g} minutes each, {cpu_name()}, {os.cpu_count()} cores")
    rows = []
    for name in CONTESTANTS:
        runs = [
            r
            for r in known(given.out)
            if (r["data"], r["contestant"], r["minutes"]) == (given.data, name, given.minutes)
        ]
        if runs:
            wall, cpu = (f"{median([r[k] for r in runs]):.0f}" for k in ("wall", "cpu"))
            trained = f"{median([r['trained'] for r in runs]):.0f}" if "trained" in runs[0] else ""
            epochs = "/".join(str(r["epochs"]) for r in runs if "epochs" in r)
            rows.append([name, str(len(runs)), spread([r["accuracy"] for r in runs], 3), epochs, trained, wall, cpu])
    table(["from scratch", "seeds", "test accuracy", "epochs", "trained, s", "start → end, s", "CPU, s"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=DATA, default="cifar10")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--only", help="beginnings of contestants' names, separated by semicolons")
    parser.add_argument("--peers", default=sys.executable, help="the Python that has fastai and ultralytics")
    parser.add_argument("--out", type=Path, default=Path("photos.jsonl"))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        CONTESTANTS[given.child][1](given.folder, given.minutes, given.first_seed)
        raise SystemExit
    given.out = given.out.resolve()
    measure(given)
    show(given)
