"""What every test gets: English texts, an empty folder to run in, the same thread count everywhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# a busy machine is no failure of the code: no time is asserted, of an example or of its making
settings.register_profile("danlu", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("danlu")

# set before torch is imported, and inherited by the processes that tests start
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as the command line sets it: threads that wait do not burn a core

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with Ctrl-C ignored

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "src" / "danlu" / "demo"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the long campaigns (marked long)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="a long campaign: pytest --long")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Texts in English, here and in the processes a test starts."""
    from danlu.messages import set_language

    monkeypatch.setenv("DANLU_LANG", "en")
    set_language(None)
    yield
    set_language(None)


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, so that ``runs/`` never lands in the repository."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def danlu_data() -> Path:
    """The folder of public data sets that the larger tests read: $DANLU_DATA, or shared/data beside the checkout."""
    named = os.environ.get("DANLU_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no data sets at {folder}: set DANLU_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def digits() -> Path:
    """The demo's handwritten digits: an MNIST-style folder, 1,437 + 360 images of 8x8."""
    return DEMO / "digits"


@pytest.fixture(scope="session")
def penguins() -> Path:
    """The demo's table: 344 rows, categories and missing values."""
    return DEMO / "penguins.csv"
