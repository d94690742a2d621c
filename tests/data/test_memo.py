"""Kept samples: accepted where they are the same bits, refused where they are not, given up when something moves."""

from __future__ import annotations

import gc
import random
import time
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset

import danlu
from danlu.data.memo import Memo, Refusal, prove
from danlu.data.memo.kernels import KERNELS, moved_numpy
from danlu.data.memo.leaves import same
from danlu.data.memo.twister import words

transforms = pytest.importorskip("torchvision.transforms", reason="reads torchvision's transforms")
v2 = pytest.importorskip("torchvision.transforms.v2", reason="reads torchvision's transforms")

PIXELS = np.random.default_rng(0).integers(0, 256, (240, 12, 10, 3), dtype=np.uint8)


class Pictures(Dataset):
    """The style of every tutorial: a picture, ``self.transform`` if there is one, a label."""

    def __init__(self, transform: Any = None, mode: str = "RGB") -> None:
        self.transform, self.mode = transform, mode

    def __len__(self) -> int:
        return len(PIXELS)

    def __getitem__(self, i: int) -> Any:
        picture = Image.fromarray(PIXELS[i]).convert(self.mode)
        if self.transform is not None:
            picture = self.transform(picture)
        return picture, i % 7


def slow(seconds: float = 0.002) -> None:
    """What makes a sample worth keeping: a file, a decoder; it looks at no clock."""
    time.sleep(seconds)


class Numbers(Dataset):
    """Samples of any structure, slow to make."""

    def __init__(self, make: Callable[[int], Any], n: int = 240) -> None:
        self.make, self.n = make, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        slow()
        return self.make(i)


class Varied(Numbers):
    """A random call after what is slow."""

    def __init__(self, make: Callable[[int], Any], vary: Callable[..., Any]) -> None:
        super().__init__(make)
        self.vary = vary

    def __getitem__(self, i: int) -> Any:
        slow()
        return self.vary(self.make(i)), i


def epochs(loader: danlu.Loader, count: int = 3) -> list[Any]:
    return [list(loader) for _ in range(count)]


def equal_to_plain(dataset: Any, count: int = 3, **options: Any) -> danlu.Loader:
    """Reads the dataset with and without keeping: the same bits in every epoch. Answers the loader that keeps."""
    options = {"batch_size": 16, "shuffle": True, "seed": 5} | options
    loader = danlu.Loader(dataset, **options)
    plain = epochs(danlu.Loader(dataset, cache="off", **options), count)
    assert same(epochs(loader, count), plain)
    loader.close()
    return loader


# ---- accepted


COMPOSED: dict[str, Callable[[], Any]] = {
    "to tensor": lambda: transforms.ToTensor(),
    "normalised": lambda: transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.2,) * 3)]),
    "lambda": lambda: transforms.Compose([transforms.PILToTensor(), transforms.Lambda(lambda x: x.float() ** 2 / 255)]),
    "bytes": lambda: transforms.PILToTensor(),
    "crop and flip": lambda: transforms.Compose(
        [transforms.RandomCrop((12, 10), 2), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    ),
    "filled": lambda: transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.RandomCrop(12, (1, 2, 3, 2), fill=0.25),
            transforms.RandomVerticalFlip(0.3),
            transforms.RandomHorizontalFlip(0.1),
            transforms.Normalize((0.5,) * 3, (0.2,) * 3),
        ]
    ),
    "smaller": lambda: transforms.Compose(
        [transforms.Resize(9), transforms.RandomCrop(8), transforms.ToTensor(), transforms.RandomCrop((8, 5))]
    ),
    "v2": lambda: v2.Compose(
        [
            v2.ToImage(),
            v2.RandomCrop((10, 10), padding=[1, 0]),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.5,) * 3, (0.2,) * 3),
        ]
    ),
    "v2 of bfloat16": lambda: v2.Compose(
        [v2.ToImage(), v2.RandomVerticalFlip(), v2.ToDtype(torch.bfloat16, scale=True)]
    ),
    "inside another": lambda: transforms.Compose(
        [
            transforms.Compose([transforms.RandomHorizontalFlip()]),
            torch.nn.Sequential(v2.ToImage(), v2.ToDtype(torch.float32)),
        ]
    ),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_transforms_that_move_pixels_and_change_values_are_made_a_batch_at_a_time(name: str) -> None:
    loader = equal_to_plain(Pictures(COMPOSED[name]()))
    assert loader._samples is not None and loader._samples.memo is not None and loader._samples.memo.whole


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_pictures_of_other_modes_too(mode: str) -> None:
    transform = transforms.Compose([transforms.RandomCrop(8), transforms.ToTensor()])
    loader = equal_to_plain(Pictures(transform, mode))
    assert loader._samples is not None and loader._samples.memo is not None and loader._samples.memo.whole


Pair = namedtuple("Pair", "x y")


@dataclass
class Row:
    x: Tensor
    y: int


def sliced(i: int) -> Tensor:
    return torch.arange(12.0).reshape(3, 4) + i


PURE: dict[str, Callable[[int], Any]] = {
    "tensor": lambda i: (sliced(i), i),
    "transposed": lambda i: (sliced(i).T, i),
    "array": lambda i: (np.full((2, 3), i, np.float32), np.float64(i)),
    "dict": lambda i: {"x": sliced(i), "y": i, "z": float(i), "b": i % 2 == 0},
    "named": lambda i: Pair(sliced(i), i),
    "nested": lambda i: ((sliced(i), [i, {"a": float(i)}]), str(i)),
    "text": lambda i: (f"第 {i} 行 \ud800", i),
    "half": lambda i: (sliced(i).to(torch.bfloat16), sliced(i).half(), i),
    "complex": lambda i: (sliced(i).to(torch.complex64), i),
    "zero": lambda i: (torch.tensor(-0.0) * i, float("nan"), i),
    "empty": lambda i: (torch.empty(0, 3), i),
}


@pytest.mark.parametrize("name", PURE)
def test_samples_of_any_structure_are_kept(name: str) -> None:
    loader = equal_to_plain(Numbers(PURE[name]))
    assert loader._samples is not None and loader._samples.memo is not None, loader.way()


def test_a_sample_without_a_batch_of_torchs_is_kept_for_the_users_own_collate_function() -> None:
    def listed(samples: list[Any]) -> Any:
        return [s.x for s in samples], torch.tensor([s.y for s in samples])

    loader = equal_to_plain(Numbers(lambda i: Row(torch.ones(1 + i % 5), i)), collate_fn=listed)
    assert loader._samples is not None and loader._samples.memo is not None, loader.way()


def noisy(x: Tensor) -> Tensor:
    return x + torch.rand(()) + np.random.random() + random.random()


RANDOM: dict[str, Callable[[Any], Any]] = {
    "three generators": noisy,
    "in place": lambda x: x.add_(torch.rand(())),
    "two answers": lambda x: (x * random.random(), {"again": x + np.random.random()}),
}


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("workers", [0, 2])
def test_random_calls_are_made_anew_every_time(name: str, workers: int) -> None:
    loader = equal_to_plain(Varied(sliced, RANDOM[name]), num_workers=workers)
    assert loader._samples is not None and loader._samples.memo is not None, loader.way()


def scaled(x: Tensor) -> Tensor:
    return x / x.max()


IMAGE_WIDE: dict[str, Callable[[Tensor], Tensor]] = {
    "by the largest": scaled,
    "by the mean": lambda x: x - (x.mean() > 0.01).float(),
    "by place": lambda x: x * torch.linspace(1, 2, x.shape[-1]),
    "by the other channels": lambda x: x + x.sum(0, keepdim=True),
}


@pytest.mark.parametrize("name", IMAGE_WIDE)
def test_steps_that_look_at_more_than_one_value_are_no_table_even_if_few_samples_show_it(name: str) -> None:
    """All but one picture reach 255, so that scaling by the largest value is invisible in nearly all of them."""

    class Bright(Pictures):
        def __getitem__(self, i: int) -> Any:
            pixels = PIXELS[i] // (2 if i == 77 else 1)
            pixels[0, 0] = 90 if i == 77 else 255
            return self.transform(Image.fromarray(pixels)), i

    steps = [transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Lambda(IMAGE_WIDE[name])]
    loader = equal_to_plain(Bright(transforms.Compose(steps)))
    memo = loader._samples.memo if loader._samples is not None else None
    assert memo is None or not memo.whole


def test_two_views_of_one_picture_are_two_draws() -> None:
    class Views(Pictures):
        def __getitem__(self, i: int) -> Any:
            picture = Image.fromarray(PIXELS[i])
            return self.transform(picture), self.transform(picture), i

    transform = transforms.Compose([transforms.RandomCrop(8), transforms.ToTensor()])
    loader = equal_to_plain(Views(transform))
    assert loader._samples is not None and loader._samples.memo is not None and loader._samples.memo.whole


def test_datasets_inside_others_are_cut_where_their_transform_is() -> None:
    transform = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    inner = Pictures(transform)
    both = ConcatDataset([Subset(inner, range(100, 0, -1)), Pictures(transform)])
    loader = equal_to_plain(both)
    assert loader._samples is not None and loader._samples.memo is not None, loader.way()
    assert inner.transform is transform  # the user's own dataset is as it was


@pytest.mark.parametrize("workers", [1, 2, 4, 7])
def test_any_number_of_workers_fills_one_store(workers: int) -> None:
    dataset = Pictures(COMPOSED["crop and flip"]())
    loader = equal_to_plain(dataset, num_workers=workers)
    assert loader._samples is not None and loader._samples.memo is not None and loader._samples.memo.full


def test_a_pass_that_stops_goes_on_with_the_same_bits() -> None:
    dataset = Pictures(COMPOSED["crop and flip"]())
    plain = epochs(danlu.Loader(dataset, 16, shuffle=True, seed=5, cache="off"), 2)[1]
    loader = danlu.Loader(dataset, 16, shuffle=True, seed=5)
    loader.load_state_dict({"seed": 5, "epoch": 1, "consumed": 48})
    assert same(list(loader), plain[3:])


def test_the_callers_generators_are_left_alone() -> None:
    loader = danlu.Loader(Pictures(COMPOSED["crop and flip"]()), 16, shuffle=True, seed=5)
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = torch.rand(()).item(), np.random.random(), random.random()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    epochs(loader, 2)
    assert (torch.rand(()).item(), np.random.random(), random.random()) == expected


# ---- refused


class Counts(Numbers):
    def __getitem__(self, i: int) -> Any:
        self.calls = getattr(self, "calls", 0) + 1
        return self.calls, i


class Caches(Varied):
    def __init__(self) -> None:
        super().__init__(sliced, noisy)
        self.cache: dict[int, Any] = {}

    def __getitem__(self, i: int) -> Any:
        if i not in self.cache:
            self.cache[i] = self.vary(sliced(i))
        return self.cache[i]


class Changes(Numbers):
    def __init__(self) -> None:
        super().__init__(sliced)
        self.rows = torch.zeros(240, 3)

    def __getitem__(self, i: int) -> Any:
        self.rows[i] += 1
        return self.rows[i].clone()


class Reads(Numbers):
    def __init__(self, path: Path) -> None:
        super().__init__(sliced)
        path.write_bytes(bytes(range(256)) * 100)
        self.file = path.open("rb")

    def __getitem__(self, i: int) -> Any:
        return int.from_bytes(self.file.read(1) or b"0"), i


class Holds(Numbers):
    def __init__(self, generator: Any) -> None:
        super().__init__(sliced)
        self.generator = generator


class Draws(Numbers):
    def __getitem__(self, i: int) -> Any:
        return torch.rand(3)


class Goes(Varied):
    def __getitem__(self, i: int) -> Any:
        return self.vary(self.make(i)) * 2, i


def test_what_cannot_be_the_same_every_time_is_refused(tmp_path: Path) -> None:
    own = random.Random(0)
    unordered = {object() for _ in range(50)}
    refused: dict[str, tuple[Any, str]] = {
        "a generator in a closure": (Numbers(lambda i: own.random()), "state"),
        "a generator that it holds": (Holds(torch.Generator()), "state"),
        "numpy's": (Holds(np.random.default_rng(0)), "state"),
        "a counter": (Counts(sliced), "another"),
        "a cache of random answers": (Caches(), "writes"),
        "an array that it changes": (Changes(), "another"),
        "an open file": (Reads(tmp_path / "bytes"), "state"),
        "a clock": (Numbers(lambda i: time.time()), "hidden"),
        "urandom": (Numbers(lambda i: __import__("os").urandom(4)), "hidden"),
        "objects": (Numbers(lambda i: sorted(map(id, unordered))[i % 50] and object()), "another"),
        "draws of its own": (Draws(sliced), "draws"),
        "work on the answer": (Goes(sliced, noisy), "touched"),
        "a live iterator": (Holds(iter(range(10**6))), "state"),
    }
    for name, (dataset, key) in refused.items():
        found = prove(dataset)
        assert isinstance(found, Refusal), name
        assert found.key == key, (name, found)


def test_a_refused_dataset_is_read_as_ever_and_says_why() -> None:
    loader = equal_to_plain(Goes(sliced, noisy))
    assert loader.way() == ("made every time", "sample [0] works on with what its random transform gives")


def test_what_is_done_while_garbage_is_collected_is_not_the_samples() -> None:
    def timed(phase: str, info: dict[str, int]) -> None:
        time.perf_counter()

    gc.callbacks.append(timed)
    before = gc.get_threshold()
    gc.set_threshold(1)  # at nearly every object that is made
    try:
        found = prove(Pictures(COMPOSED["normalised"]()))
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(timed)
    assert isinstance(found, Memo), found


def test_objects_that_fail_when_they_are_looked_at_end_no_pass() -> None:
    class Shy:
        __slots__ = ("inside",)

        def __reduce_ex__(self, protocol: Any) -> Any:
            raise OSError("not now")

        def __getattribute__(self, name: str) -> Any:
            if name == "inside":
                raise OSError("not now")
            return object.__getattribute__(self, name)

    loader = equal_to_plain(Holds(Shy()))
    assert loader.way()[0] == "made every time"


def test_what_gains_nothing_is_not_kept() -> None:
    class Quick(Numbers):
        def __getitem__(self, i: int) -> Any:
            return i

    found = prove(Quick(sliced))
    assert isinstance(found, Memo) or found.key == "gain"  # a batch at a time may gain even here


def test_a_file_opened_by_the_first_sample_is_not_opened_before_workers_start(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(bytes(range(240)))

    class Lazy(Numbers):
        file: Any = None

        def __getitem__(self, i: int) -> Any:
            if self.file is None:
                self.file = (tmp_path / "bytes").open("rb")
            self.file.seek(i)
            return self.file.read(1)[0]

    dataset = Lazy(sliced)
    loader = danlu.Loader(Subset(dataset, range(240)), 16, num_workers=2)
    assert torch.cat(list(loader)).tolist() == list(range(240))
    assert dataset.file is None and loader.way()[0] == "made every time"


def test_broken_samples_among_those_looked_at_do_not_stop_the_others() -> None:
    class Broken(Numbers):
        def __getitem__(self, i: int) -> Any:
            slow()
            if i == 0:
                raise ValueError("broken")
            return sliced(i), i

    loader = danlu.Loader(Broken(sliced), 16, on_bad="skip", bad_limit=0.1)
    assert sum(len(x) for x, _ in loader) == 239 and loader.way()[0] == "kept"


# ---- given up


def kept(dataset: Any, **options: Any) -> danlu.Loader:
    loader = danlu.Loader(dataset, 16, shuffle=True, seed=5, **options)
    list(loader)
    assert loader._samples is not None and loader._samples.memo is not None, loader.way()
    return loader


def given_up(loader: danlu.Loader, dataset: Any, key: str) -> None:
    """The next epoch is the dataset's own again, and the reason is known."""
    plain = epochs(danlu.Loader(dataset, 16, shuffle=True, seed=5, cache="off"), 2)[1]
    assert same(list(loader), plain)
    assert loader._samples is not None and loader._samples.refusal is not None
    assert loader._samples.refusal.key == key


def test_a_replaced_transform_a_changed_attribute_and_a_changed_pixel_are_noticed() -> None:
    dataset = Varied(sliced, noisy)
    loader = kept(dataset)
    dataset.vary = lambda x: x * torch.rand(())
    given_up(loader, dataset, "changed")

    class Curriculum(Numbers):
        epoch = 0

        def __getitem__(self, i: int) -> Any:
            slow()
            return sliced(i) * (1 + self.epoch), i

    staged = Curriculum(sliced)
    loader = kept(staged)
    staged.epoch = 1
    given_up(loader, staged, "changed")

    class Held(Numbers):
        def __init__(self) -> None:
            super().__init__(sliced)
            self.pixels = torch.zeros(240, 500, 100, dtype=torch.uint8)

        def __getitem__(self, i: int) -> Any:
            slow()
            return self.pixels[i, :2, :2].clone(), i

    held = Held()
    loader = kept(held)
    held.pixels[40, 499, 99] = 1  # far from anything that a sample shows
    given_up(loader, held, "changed")


def test_a_file_changed_underneath_is_noticed(tmp_path: Path) -> None:
    for i in range(240):
        (tmp_path / f"{i}.txt").write_text(str(i))

    class Files(Numbers):
        def __getitem__(self, i: int) -> Any:
            slow()
            return int((tmp_path / f"{i}.txt").read_text()), i

    dataset = Files(sliced)
    loader = kept(dataset)
    for i in range(240):
        (tmp_path / f"{i}.txt").write_text(str(-i - 1))
    given_up(loader, dataset, "recheck")


def test_a_draw_that_hid_from_the_first_look_is_noticed_when_it_comes() -> None:
    class Rare(Numbers):
        def __getitem__(self, i: int) -> Any:
            slow(0.0005)
            return sliced(i) + (torch.rand(()) if i == self.rare else 0), i

    dataset = Rare(sliced, n=2000)
    from danlu.data.memo.probes import probed_rows

    dataset.rare = next(i for i in range(2000) if i not in probed_rows(2000))
    loader = danlu.Loader(dataset, 16, shuffle=True, seed=5)
    plain = danlu.Loader(dataset, 16, shuffle=True, seed=5, cache="off")
    assert same(epochs(loader, 2), epochs(plain, 2))
    assert loader._samples is not None and loader._samples.refusal is not None
    assert loader._samples.refusal.key == "drew"


def test_a_bad_sample_is_told_as_without_keeping() -> None:
    class Broken(Numbers):
        def __getitem__(self, i: int) -> Any:
            slow()
            if i == 33:
                raise ValueError("broken")
            return sliced(i), i

    dataset = Broken(sliced)
    loader = danlu.Loader(dataset, 16, on_bad="skip", bad_limit=0.1)
    plain = danlu.Loader(dataset, 16, on_bad="skip", bad_limit=0.1, cache="off")
    assert same(epochs(loader, 2), epochs(plain, 2))
    assert [b.where for b in loader.bad] == ["[33]"] == [b.where for b in plain.bad]
    with pytest.raises(danlu.DanluError, match="33"):
        list(danlu.Loader(dataset, 16))


# ---- the parts


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20), st.integers(1, 227))
@settings(max_examples=30)
def test_words_are_the_first_outputs_of_the_twister_of_numpy_and_torch(seeds: list[int], count: int) -> None:
    found = words(np.array(seeds, np.uint32), count)
    for row, seed in zip(found, seeds):
        expected = np.random.RandomState(seed).randint(0, 2**32, count, dtype=np.uint64)
        assert row.tolist() == expected.tolist()
    KERNELS.warm(np.dtype(np.float32), wait=True)
    assert KERNELS.words(np.array(seeds, np.uint32), count).tolist() == found.tolist()
    torch.default_generator.manual_seed(seeds[0])
    assert torch.randint(0, 1000, ()).item() == int(found[0, 0]) % 1000


@given(st.data())
@settings(max_examples=40)
def test_both_kernels_move_pixels_as_numpys_indexing_does(data: Any) -> None:
    channels, height, width, high, wide = (data.draw(st.integers(1, 6)) for _ in range(5))
    store = np.random.default_rng(0).integers(0, 256, (5, channels, height, width), dtype=np.uint8)
    rows = np.array(data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)))
    ways = st.tuples(st.sampled_from([1, -1]), st.integers(-7, 7), st.sampled_from([1, -1]), st.integers(-7, 7))
    places = np.array([data.draw(ways) for _ in rows], np.int32)
    table = np.random.default_rng(1).normal(size=(channels, 257)).astype(np.float32)
    expected = np.empty((len(rows), channels, high, wide), np.float32)
    for index in np.ndindex(expected.shape):
        b, c, y, x = index
        sy, sx = places[b, 0] * y + places[b, 1], places[b, 2] * x + places[b, 3]
        inside = 0 <= sy < height and 0 <= sx < width
        expected[index] = table[c, store[rows[b], c, sy, sx] if inside else 256]
    out = np.full_like(expected, np.nan)
    moved_numpy(store, rows, places, table, out)
    assert out.tobytes() == expected.tobytes()
    pytest.importorskip("numba", reason="the compiled kernel is Numba's")
    KERNELS.warm(table.dtype, wait=True)
    assert table.dtype in KERNELS._ready
    out[:] = np.nan
    KERNELS.moved(store, rows, places, table, out)
    assert out.tobytes() == expected.tobytes()
