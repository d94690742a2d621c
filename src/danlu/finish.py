"""After the last step: the best weights, the one test, and the files that stay."""

from __future__ import annotations

import shlex
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from danlu import metrics, state
from danlu.answers import names_of_columns
from danlu.batch import split_batch
from danlu.beside import fit_beside
from danlu.checkpoint import load_step
from danlu.data.columns import Columns
from danlu.data.seeded import name_of
from danlu.device import kept_randomness
from danlu.doubts import Doubt, Trained, doubts_of_results, of_head
from danlu.evaluate import Evaluation, truth_known
from danlu.linear import Linear, beside, tensors_of
from danlu.lookup import first_line, is_reference
from danlu.messages import say, spoken
from danlu.plan import Plan
from danlu.predict import by_group, test_results
from danlu.report import events
from danlu.report.card import model_card
from danlu.session import Session, monitor
from danlu.tasks import Head, targets_of
from danlu.types import Choice
from danlu.weights import save_model


def finish(session: Session) -> dict[str, Any]:
    """Deliver the best weights, test them once, write everything down; returns the run's metrics."""
    session.saver.wait()
    deliver_best(session)
    plan = session.plan
    results: dict[str, Any] = {"best_epoch": session.best.epoch}
    trivial = _trivial(plan)
    best = next((e for e in session.history if e["epoch"] == session.best.epoch), None)
    if best is not None:
        results |= {k: v for k, v in best["metrics"].items() if k.startswith("val/")}
    tested, cheap = None, plan.test_loader is not None or isinstance(plan.data.train, Columns)  # else read once more
    plan.trivial, plan.linear = trivial, _linear(session) if cheap else {}
    if plan.test_loader is not None:
        answers = beside(plan.linear, plan.schema) if plan.linear else None
        tested = session.evaluate("test", keep=True, linear=answers)
        for name, value in tested.metrics.items():
            session.scalars.scalar(f"test/{name}", value, session.progress.step)
        results |= test_results(plan.heads, tested, trivial, plan.own)
        results |= by_group(plan.settings.slice, plan.test_loader, plan.heads, tested, trivial)
        write_predictions(session, tested)
    config = {**plan.model_config, "monitor": monitor(plan)[0]}
    if trivial:
        known = {name: answer.tolist() for name, answer in trivial.items()}
        config["trivial"] = known if plan.schema.heads else known[""]
    small = tensors_of(plan.linear) if plan.linear else None
    save_model(session.folder.model, plan.model, config, plan.schema, small)
    session.folder.write_text("README.md", model_card(session.folder.path.name, plan.schema, config, results))
    for doubt in _doubts(session, results):
        session.doubt(doubt)
    _tell_weights(session)
    _page(session, results, tested)
    session.folder.log(events.done(results, str(session.folder.path)))
    session.reporter.done(results, session.folder.path, next_commands(session))
    return results


def _trivial(plan: Plan) -> dict[str, Tensor]:
    """By head what a model that ignores its input would answer."""
    found = {}
    for head, target in zip(plan.heads, train_targets(plan)):
        answer = None if target is None else metrics.trivial_answer(head.task.name, target, head.schema.outputs)
        if answer is not None:
            found[head.name] = answer
    return found


def _tell_weights(session: Session) -> None:
    """What the heads' losses were multiplied with in the end, where that was learnt."""
    criterion = session.plan.criterion
    if criterion is not None and criterion.learnt is not None:
        shown = ", ".join(f"{name}={share:.3g}" for name, share in criterion.shares().items())
        made = Choice("loss weights", shown, say("heads.weights.end"))
        session.folder.log(events.choice(made))
        session.reporter.choice(made)


def _doubts(session: Session, results: dict[str, Any]) -> list[Doubt]:
    """What is doubtful about each head's results, and about the training as a whole."""
    whole = _trained(session, results)
    heads = [head for head in session.plan.heads if head.name and head.task.metrics]
    each = [doubt for head in heads for doubt in doubts_of_results(of_head(whole, head.name, head.task.name))]
    return sorted([*each, *doubts_of_results(whole)], key=lambda doubt: doubt.severity != "warning")


def _trained(session: Session, results: dict[str, Any]) -> Trained:
    plan = session.plan
    rows = len(plan.data.val) if plan.data.val is not None and hasattr(plan.data.val, "__len__") else 0
    epochs = 2 * (plan.epochs or max(1, len(session.history)))
    longer = f"danlu resume {shlex.quote(str(session.folder.path))} --epochs {epochs}"
    more = f"danlu test {shlex.quote(str(session.folder.path))} MORE_DATA{_own_model(session)}"
    if not _from_files(session):
        longer, more = f"danlu.train(…, epochs={epochs})", "run.test(more_data)"
    return Trained(plan.task.name, monitor(plan)[0], results, session.history, rows, more, longer)


def _page(session: Session, results: dict[str, Any], tested: Evaluation | None) -> None:
    """report.html; where it cannot be made (the user's own code fails once more), that is said, and nothing is lost."""
    from danlu.showing import write_page  # pictures, operations counted: half a second that no first step waits for

    try:
        in_both = []
        for name in ("en", "zh"):
            with spoken(name):
                in_both.append(session.doubts_of_data() + _doubts(session, results))
        write_page(session, results, tested, list(zip(*in_both)))
    except Exception as error:
        session.folder.note(traceback.format_exc())
        session.reporter.notice(say("page.failed", error=first_line(error)))


def _from_files(session: Session) -> bool:
    """Whether the command line alone can do it again: data and model are named, not given as objects."""
    asked = session.plan.asked
    named = asked.model is None or isinstance(asked.model, str)
    return (
        named
        and isinstance(asked.data, (str, Path))
        and isinstance(asked.data if asked.test is None else asked.test, (str, Path))
    )


def _linear(session: Session) -> dict[str, Linear]:
    """The linear model of each head; none where the user's code fails on being read once more: no training is lost."""
    try:
        return fit_beside(session.plan)
    except Exception as error:
        session.folder.note(traceback.format_exc())
        session.reporter.notice(say("linear.failed", error=first_line(error)))
        return {}


def next_commands(session: Session) -> list[str]:
    """Lines that can be pasted as they are: use the model, test it, train it further."""
    folder, asked, epochs = shlex.quote(str(session.folder.path)), session.plan.asked, session.plan.epochs
    named = asked.model is None or isinstance(asked.model, str)
    source = asked.data if asked.test is None else asked.test
    if not _from_files(session):
        load = f"danlu.load({str(session.folder.path)!r}{'' if named else ', model=model'})"
        return [f"{load}.predict(x)"]
    own = _own_model(session)
    lines = [f"danlu predict {folder} {shlex.quote(str(source))}{own}", f"danlu test {folder}{own}"]
    return [*lines, f"danlu resume {folder} --epochs {2 * epochs}"] if epochs else lines


def _own_model(session: Session) -> str:
    """The flag that a line about this run needs where its model is a class of the user's own."""
    model = session.plan.asked.model
    return f" --model {shlex.quote(model)}" if is_reference(model) else ""


def deliver_best(session: Session) -> None:
    """The model ends with the weights that are saved, in eval(): the best epoch's, averaged ones with EMA."""
    plan = session.plan
    if session.best.step != session.progress.step:
        found = load_step(session.folder.checkpoints, session.best.step)
        if found is None:
            session.reporter.choice(Choice("weights", "last", say("best.lost", epoch=session.best.epoch)))
        else:
            state.restore_weights(found.tensors, found.values, plan.model, plan.ema)
    if plan.ema is not None:
        plan.ema.copy_to_model()
        plan.ema = None
    plan.body.thaw(plan.model)
    plan.model.eval()


def train_targets(plan: Plan) -> list[Tensor | None]:
    """Each head's targets of the training rows in the metrics' form: what a model that learnt nothing would answer
    from; only of the rows that have one.

    A user's dataset that does not carry them as an array is not read for them: the validation part, drawn from the
    same rows, stands in.
    """
    heads = plan.heads
    known = [plan.data.targets("train", head.name) if head.task.metrics else None for head in heads]
    if plan.val_loader is not None and any(k is None and h.task.metrics for k, h in zip(known, heads)):
        with kept_randomness(seed=0):
            read = [targets_of(heads, split_batch(plan.model, batch)[2]) for batch in plan.val_loader]
        known = [
            torch.cat([row[i] for row in read]) if k is None and h.task.metrics else k
            for i, (k, h) in enumerate(zip(known, heads))
        ]
    found = [None if k is None else h.target(k) for k, h in zip(known, heads)]
    return [None if t is None else t[truth_known(t)] if h.name else t for t, h in zip(found, heads)]


def test_rows(plan: Plan, count: int) -> list[str | None]:
    """What to call the ``count`` tested samples: danlu's own sources know a name, others have their index.

    Of an iterable or of ready-made batches it is the place in the stream; None where the user's collate function made
    more or fewer rows than it was given.
    """
    loader, dataset = plan.test_loader, plan.data.test
    assert loader is not None
    if loader.batch_sampler is None and loader.batch_size is None:
        return [str(i) for i in range(count)]
    rows = loader.handed_out()
    if len(rows) != count:
        return [None] * count
    return [name_of(dataset, i).removeprefix("[").removesuffix("]") for i in rows]


def true_answers(plan: Plan, head: Head, target: Tensor) -> list[Any]:
    """The tested rows' targets as the user has them where danlu knows; one number a row is a number, not a list.

    None for a row without this head's target.
    """
    if isinstance(plan.data.test, Columns) and plan.test_loader is not None and plan.data.test.exact is not None:
        exact = plan.data.test.truth(torch.tensor(plan.test_loader.handed_out(), dtype=torch.int64))
        if exact is not None and head.name:
            numbers = [f.name for f in plan.schema.targets if f.kind == "number"]
            exact = exact[:, [numbers.index(head.name)]] if head.name in numbers else None
        target = exact if exact is not None and exact.shape == target.shape else target
    if head.task.name == "regression" and target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    values: list[Any] = target.tolist()
    names = head.schema.classes
    if head.task.name == "classification" and names:
        values = [names[k] if 0 <= k < len(names) else str(k) for k in values]
    if head.name:
        values = [value if known else None for value, known in zip(values, truth_known(target).tolist())]
    return values


def write_predictions(session: Session, tested: Evaluation) -> None:
    """predictions.parquet: every test row's name, truth and answer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    plan = session.plan
    columns: dict[str, Any] = {"row": test_rows(plan, tested.rows)}
    for head in plan.heads:
        own = tested.heads.get(head.name) if head.name else tested
        if own is None or own.decoded is None or own.target is None:
            continue
        answers = head.task.predictions(own.decoded, head.schema)
        truth, prediction, score = names_of_columns(head.name)
        columns[truth] = true_answers(plan, head, own.target)
        labels = bool(answers) and answers[0].label is not None
        columns[prediction] = [a.label if labels else a.value for a in answers]
        if answers and answers[0].score is not None:
            columns[score] = [a.score for a in answers]
    if len(columns) < 2:
        return
    arrays = [_column(values) for values in columns.values()]
    pq.write_table(pa.Table.from_arrays(arrays, list(columns)), session.folder.path / "predictions.parquet")


def _column(values: list[Any]) -> Any:
    """``pyarrow.array(values)`` for strings and numbers, without importing pandas (0.4 s) to ask it about a list."""
    import numpy as np
    import pyarrow as pa

    kinds = set(map(type, values))
    if kinds == {str}:
        parts = [v.encode() for v in values]
        ends = np.cumsum([0, *map(len, parts)])
        if ends[-1] < 2**31:
            buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(parts))]
            return pa.Array.from_buffers(pa.string(), len(values), buffers)
    if kinds == {float} or kinds == {int}:
        numbers = np.asarray(values)
        return pa.Array.from_buffers(pa.from_numpy_dtype(numbers.dtype), len(values), [None, pa.py_buffer(numbers)])
    return pa.array(values)
