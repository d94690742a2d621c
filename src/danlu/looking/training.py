"""What training would choose by itself for these data, as far as that is known before it begins."""

from __future__ import annotations

from danlu import models
from danlu.choose import default_batch_size, default_epochs
from danlu.data.columns import Data
from danlu.device import kept_randomness
from danlu.errors import DanluError
from danlu.messages import say
from danlu.models.user import image_shape
from danlu.settings import Settings
from danlu.types import Choice


def chosen(data: Data, settings: Settings) -> tuple[Choice, ...]:
    """Model, batch size and epochs, each with its reason; what the settings say already is shown as given."""
    rows = len(data.train) if hasattr(data.train, "__len__") else 0
    by_rows = say("batch_size.rows", rows=f"{rows:,}")
    found = [_model(data)]
    if settings.batch_size is not None:
        found.append(Choice("batch_size", str(settings.batch_size), say("data.task.given")))
    elif "batch_size" in data.loader and "batch_sampler" not in data.loader:
        found.append(Choice("batch_size", str(data.loader["batch_size"]), say("batch_size.loader")))
    elif "batch_sampler" not in data.loader:
        found.append(Choice("batch_size", str(default_batch_size(rows or 10_000)), by_rows))
    given = next((n for n in ("epochs", "steps", "time") if getattr(settings, n) is not None), None)
    if given is not None:
        found.append(Choice(given, str(getattr(settings, given)), say("data.task.given")))
    else:
        photos = image_shape(data.schema) is not None and models.default_name(data.schema)[0] == "resnet_small"
        epochs, why = default_epochs(rows, photos=photos and settings.augment != "off")
        found.append(Choice("epochs", str(epochs), why))
    return tuple(found)


def _model(data: Data) -> Choice:
    try:
        name, why = models.default_name(data.schema)
        with kept_randomness(seed=0):  # not on the meta device: that imports torch's compiler, which takes seconds
            made = models.build(name, models.arguments(name, data.schema))
    except DanluError as error:
        return Choice("model", say("look.own_model"), error.why)
    count = sum(p.numel() for p in made.parameters())
    return Choice("model", say("start.model", model=name, n=f"{count:,}"), why)
