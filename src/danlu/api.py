"""The verbs, read this first: each line of train() is one call into one room."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from torch import nn

from danlu import models, record, weights
from danlu import run as run_folder
from danlu.answers import Lines, Writer, row_of
from danlu.data.images import is_image
from danlu.data.labelled import open_labelled
from danlu.device import Precision
from danlu.errors import DanluError
from danlu.finish import finish
from danlu.fit import built, fill
from danlu.linear import restored_of
from danlu.lookup import is_reference, resolve
from danlu.loop import steps
from danlu.messages import say, set_language
from danlu.metrics import OwnMetrics, own_of_heads
from danlu.opening import open_session
from danlu.plan import Asked, open_again, resolved_metrics
from danlu.predict import Predictor
from danlu.report.terminal import Reporter
from danlu.settings import SettingsDict, make_settings
from danlu.tasks import heads_of
from danlu.types import Bad, Prediction, Schema, Stepped

if TYPE_CHECKING:
    from danlu.looking import Looked


@dataclass
class Run:
    """A finished run. ``metrics`` has "test/accuracy", "test/accuracy_low", … ; ``history`` one dict an epoch."""

    dir: Path
    model: nn.Module
    metrics: dict[str, Any]
    best_epoch: int
    history: list[dict[str, Any]] = field(default_factory=list, repr=False)
    predictor: Predictor | None = field(default=None, repr=False)

    def predict(self, inputs: Any) -> list[Prediction]:
        """Answers for raw input, prepared as in training; see ``Predictor.predict``."""
        assert self.predictor is not None
        return self.predictor.predict(inputs)

    def test(self, data: Any, *, slice: Any = None, metrics: Any = None) -> dict[str, Any]:
        """The task's metrics on other data, with intervals; keys as in ``metrics``.

        ``slice`` and ``metrics``: as in ``train``.
        """
        assert self.predictor is not None
        part = open_labelled(self.predictor.schema, data, make_settings({"slice": slice}))
        return self.predictor.test(part.dataset, part.loader, slice=slice, own=_own(self.predictor, metrics))

    def report(self) -> Path:
        """The page for people: report.html in the run's folder."""
        return self.dir / "report.html"


def train(
    data: Any,
    test: Any = None,
    *,
    val: Any = None,
    model: Any = None,
    loss: Any = None,
    optimizer: Any = None,
    metrics: Any = None,
    run: str | Path | None = None,
    **settings: Unpack[SettingsDict],
) -> Run:
    """Train, validate every epoch, keep the best, test once, save; the answer is a ``Run``.

    Args:
        data: path | "file.py:name" | Dataset | torch DataLoader | arrays | table | (data, test) tuple.
            A path is a folder of images or tables, a table (CSV, TSV, JSON lines, Parquet, Arrow, a spreadsheet,
            "book.xlsx:Sheet2"), a folder of Hugging Face's ``save_to_disk``, arrays (.npz, IDX), or a pattern such
            as "data/2024-*.csv"; a list of paths is one table too. A table is pandas', polars', pyarrow's, a
            Hugging Face ``Dataset`` or ``DatasetDict``, a list of dicts, a dict of columns. Targets may be lists of
            labels, one a row.
        test, val: the same; without them danlu splits its own sources 70/15/15 and a user's Dataset 90/10.
        model: name | "file.py:Class" | nn.Module (trained in place; it ends with the saved weights, in eval()).
        loss: name | Module | callable ``(output, target) -> 0-d tensor or (sum, weight)`` | dict of them.
        optimizer: name | factory(params) | an instance over this model's parameters.
        metrics: further ones, measured on validation and test as ``val/NAME`` and ``test/NAME``: a function
            ``(prediction, target) -> number``, a function of scikit-learn, a torchmetrics object or collection,
            "file.py:name", or a list or dict of them; of several targets a dict of these by target, measured as
            ``val/TARGET/NAME``. See ``danlu.metrics.own.seen`` for what they are given.
        run: the run's folder; one that exists is continued exactly where it stopped.
        settings: the fields of ``danlu.settings.Settings``.

    Raises:
        DanluError: a mistake in the input or settings, with its place and the fix.
        Interrupted: Ctrl-C or SIGTERM; everything is saved, ``.run`` is the folder to resume.
    """
    wanted = make_settings(settings)
    set_language(wanted.lang)
    with open_session(Asked(data, test, val, model, loss, optimizer, wanted, metrics), run) as session:
        plan = session.plan
        for event in steps(
            plan.model,
            plan.loader,
            plan.criterion,
            plan.optimizer,
            epochs=plan.epochs,
            steps=plan.limit,
            schedule=plan.schedule,
            ema=plan.ema,
            clip_norm=wanted.clip_norm,
            clip_value=wanted.clip_value,
            accumulate=wanted.accumulate,
            precision=plan.precision,
            scaler=plan.scaler,
            progress=session.progress,
        ):
            if isinstance(event, Stepped):
                session.stepped(event)
            else:
                session.epoch_done(event)
        results = finish(session)
        known = {head: tuple(answer.tolist()) for head, answer in plan.trivial.items()}
        trivial = known if plan.schema.heads else known.get("", ())
        scale = plan.model_config["scale"]
        predictor = Predictor(plan.model, plan.schema, scale, plan.precision, trivial, linear=plan.linear)
        return Run(session.folder.path, plan.model, results, session.best.epoch, session.history, predictor)


def resume(run: str | Path = "runs/latest", **settings: Unpack[SettingsDict]) -> Run:
    """Go on with a run that stopped, exactly; or, with more epochs, steps or time, train a finished one further.

    A run made from Python objects is resumed by running its script again with ``run=DIR`` (DL312).
    """
    folder = run_folder.resolve(run)
    arguments = record.arguments_of(folder)
    if settings:
        arguments = record.lengthen(folder, arguments, settings)
    return train(**arguments, run=folder)


def load(path: str | Path, *, model: Any = None) -> Predictor:
    """A trained model from its run folder (or its ``model/`` folder), ready to predict. Loading never runs code.

    ``model``: needed where the class is the user's own: the class, an instance, or "file.py:Class".
    """
    folder = run_folder.model_folder(path)
    config, schema, tensors = weights.load_model_files(folder)
    if isinstance(model, str) and is_reference(model):
        model = resolve(model)
    if model is None:
        module = built(lambda: _own_module(config, path), tensors, str(folder))
    else:
        module = _users_module(schema, model)
        fill(module, tensors, str(folder))
        module.eval()
    precision = Precision("bf16" if config.get("precision") == "bf16" else "fp32")
    known = config.get("trivial", ())
    trivial = known if isinstance(known, dict) else tuple(known)
    cheap = restored_of(schema, weights.load_linear(folder, config))
    return Predictor(module, schema, config.get("scale", "logits"), precision, trivial, linear=cheap)


def _own_module(config: Mapping[str, Any], path: str | Path) -> nn.Module:
    """danlu's own model by its name and arguments; DL314 where the class is the user's own."""
    made = config["model"]
    if "name" not in made:
        name = made.get("class", "?")
        cls = name.rpartition(".")[2]
        reference = record.model_named_in(Path(path)) or f"my.py:{cls}"
        line = f"danlu.load({str(path)!r}, model={cls}), --model {shlex.quote(reference)}"
        if name.startswith("torch."):  # its class alone does not say how it was put together
            line = say("load.instance", path=str(path))
        raise DanluError("DL314", where=str(path), name=name, line=line)
    try:
        return models.build(made["name"], made["arguments"])
    except DanluError:
        raise
    except Exception as error:  # arguments that danlu did not write
        why = say("model.entry", file=weights.CONFIG, entry="model.arguments")
        raise DanluError("DL424", where=str(path), path=str(path), reason=why) from error


def _users_module(schema: Schema, model: Any) -> nn.Module:
    """The user's class as he gave it, made for real: what his own code does while it is made is his."""
    if isinstance(model, nn.Module):
        return model
    if isinstance(model, type):
        return models.instantiate(model, schema)
    return model()  # type: ignore[no-any-return]


def test(
    run: str | Path = "runs/latest", data: Any = None, *, model: Any = None, slice: Any = None, metrics: Any = None
) -> dict[str, Any]:
    """Metrics of a trained model with 95 % intervals and baseline: on ``data``, or on the run's own test part.

    ``data`` holds inputs and targets, in the form the model was trained on; keys are those of ``Run.metrics``.
    ``slice`` (columns by which the metrics are given group by group too) and ``metrics``: as in ``train``.
    """
    predictor = load(run, model=model)
    own = _own(predictor, metrics)
    slicing = make_settings({"slice": slice})
    if data is not None:
        part = open_labelled(predictor.schema, data, replace(slicing, on_bad="skip", bad_limit=1.0))
        reporter = Reporter()
        for one in part.bad:
            reporter.bad(one)
        if part.note:
            reporter.notice(part.note)
        return predictor.test(part.dataset, part.loader, slice=slice, own=own)
    if run_folder.model_folder(run) == Path(run).expanduser():  # a model/ folder by itself
        raise DanluError("DL313", where=str(run), run=shlex.quote(str(run)))
    folder = run_folder.resolve(run)
    arguments = record.arguments_of(folder) | ({"slice": slice} if slice is not None else {})
    opened = open_again(arguments, predictor.module, predictor.schema)
    if opened.test is None:
        raise DanluError("DL313", where=str(folder), run=shlex.quote(str(folder)))
    order = ("sampler", "batch_sampler")  # of the training rows
    brought = {k: v for k, v in opened.loader.items() if k not in order}
    as_then = {name: arguments[name] for name in ("on_bad", "bad_limit") if name in arguments}
    left_out: list[Bad] = []
    loading = opened.held_out.get("test", brought) | as_then
    results = predictor.test(opened.test, loading, left_out, slice=arguments.get("slice"), own=own)
    reporter = Reporter()
    for one in left_out:
        reporter.bad(one)
    return results


def _own(predictor: Predictor, metrics: Any) -> dict[str, OwnMetrics]:
    heads = heads_of(predictor.schema)
    return own_of_heads(resolved_metrics(metrics), [(head.name, head.task.name) for head in heads])


def predict_files(run: str | Path, inputs: Any, output: str | Path | None = None, *, model: Any = None) -> list[Bad]:
    """Answers for files, folders and tables, written to ``output`` or to stdout as they come; the bad ones come back.

    A row or file that cannot be read is reported and left out; the others keep their order.
    """
    predictor = load(run, model=model)
    reporter = Reporter()
    bad: list[Bad] = []
    with Writer(output) if output is not None else Lines(reporter.json) as writer:
        for raw, found in predictor.stream(inputs):
            writer.write([row_of(key, answer, predictor.schema) for key, answer in zip(raw.keys, found)])
            if raw.note:
                reporter.notice(raw.note)
            for one in raw.bad:
                reporter.bad(one)
                bad.append(one)
        if bad and not writer.rows:
            raise DanluError("DL308", bad[0].where, reason=bad[0].why, line=_instead(bad[0], predictor.schema))
    reporter.notice(say("predict.done", rows=f"{writer.rows:,}", bad=len(bad), output=output or "stdout"))
    return bad


def _instead(bad: Bad, schema: Schema) -> str:
    """What to do about an input that could not be read: nothing is wrong with a damaged picture's kind."""
    if schema.inputs[0].kind == "image" and is_image(Path(bad.where)):
        return say("predict.damaged", path=bad.where)
    kinds = ", ".join(f"{f.name} ({say(f'kind.{f.kind}')})" for f in schema.inputs[:5])
    return say("predict.none", kinds=kinds)


def look(
    data: Any = "runs/latest",
    test: Any = None,
    *,
    val: Any = None,
    sample: Any = None,
    kind: str | None = None,
    output: str | Path | None = None,
    whole: bool = False,
    **settings: Unpack[SettingsDict],
) -> Looked:
    """What danlu understands, before any training: of data, of a run, or of a model. Print the answer to read it.

    Args:
        data: all that ``train`` takes; or a run, or its folder; or a model: a name, "file.py:Class", a ``model/``
            folder, an nn.Module, a Predictor.
        test, val: as for ``train``.
        sample: for a model: a batch as training has it, x or (x, y) or (a, b, y) or a dict; or "file.py:name" of one.
            ``look(model, x)`` is the same as ``look(model, sample=x)``.
        kind: "data", "run" or "model", where the first argument might be several of them.
        output: where the page goes; without it that of data goes to ``runs/look-NAME.html``.
        whole: open every image file, and make every sample of a Dataset, not only some of them.
        settings: as for ``train``; those about data, and ``size`` for a model.

    Raises:
        DanluError: there is nothing to look at; bad rows and files do not raise, they are listed.
    """
    from danlu.looking import Question, answer  # pages and pictures: no training waits for their import

    wanted = make_settings(settings)
    set_language(wanted.lang)
    data = data.dir if isinstance(data, Run) else data
    return answer(Question(data, test, val, sample, kind, output, whole, wanted), load)


def demo(kind: str = "image", **settings: Unpack[SettingsDict]) -> Run:
    """The main job on real data that travels with the package: handwritten digits, or a table of penguins."""
    folder = Path(__file__).parent / "demo"
    if kind == "table":
        settings.setdefault("target", "species")
        return train(str(folder / "penguins.csv"), **settings)
    return train(str(folder / "digits"), **settings)
