"""danlu 丹炉: from your own data to a PyTorch model you can trust and use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from danlu.api import Run, demo, load, look, resume, test, train
    from danlu.data.loader import Loader
    from danlu.errors import DanluError, Interrupted
    from danlu.loop import step, steps
    from danlu.predict import Predictor
    from danlu.settings import Settings
    from danlu.types import Epoch, Prediction, Stepped
    from danlu.weights import load_weights, save_weights

__version__ = "0.1.0"

_PLACES = {
    "DanluError": "errors",
    "Epoch": "types",
    "Interrupted": "errors",
    "Loader": "data.loader",
    "Prediction": "types",
    "Predictor": "predict",
    "Run": "api",
    "Settings": "settings",
    "Stepped": "types",
    "demo": "api",
    "load": "api",
    "load_weights": "weights",
    "look": "api",
    "resume": "api",
    "save_weights": "weights",
    "step": "loop",
    "steps": "loop",
    "test": "api",
    "train": "api",
}

__all__ = [
    "DanluError",
    "Epoch",
    "Interrupted",
    "Loader",
    "Prediction",
    "Predictor",
    "Run",
    "Settings",
    "Stepped",
    "demo",
    "load",
    "load_weights",
    "look",
    "resume",
    "save_weights",
    "step",
    "steps",
    "test",
    "train",
]


def __getattr__(name: str) -> Any:
    """Names are imported when they are first used, so that ``import danlu`` stays light (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module 'danlu' has no attribute {name!r}")
    value = getattr(import_module(f"danlu.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
