from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from danlu.data.images import Header, ImageFiles, decode, decode_all, is_image, read_header
from danlu.errors import DanluError

LIMIT = 100_000_000


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def saved(folder: Path, image: Image.Image, name: str = "a.png", **options: object) -> Path:
    image.save(folder / name, **options)
    return folder / name


def test_plain_images(tmp_path: Path) -> None:
    colour = noise(6, 9)
    path = saved(tmp_path, Image.fromarray(colour))
    np.testing.assert_array_equal(decode(path, (3, 6, 9), LIMIT), colour.transpose(2, 0, 1))
    grey = noise(6, 9, 1)
    path = saved(tmp_path, Image.fromarray(grey), "g.png")
    np.testing.assert_array_equal(decode(path, (1, 6, 9), LIMIT), grey[None])
    np.testing.assert_array_equal(decode(path, (3, 6, 9), LIMIT), np.stack([grey] * 3))
    assert read_header(path) == Header(9, 6, True)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    seen = noise(8, 12)  # as a person should see it
    undo = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
            5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1),
            7: lambda a: a[::-1, ::-1].transpose(1, 0, 2), 8: lambda a: np.rot90(a, -1)}  # fmt: skip
    stored = np.ascontiguousarray(undo[orientation](seen))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(stored), exif=exif)
    np.testing.assert_array_equal(decode(path, (3, 8, 12), LIMIT), seen.transpose(2, 0, 1))
    assert read_header(path) == Header(12, 8, False)


def test_alpha_over_white(tmp_path: Path) -> None:
    rgba = noise(5, 5, 4)
    alpha = rgba[..., 3:] / 255
    over_white = rgba[..., :3] * alpha + 255 * (1 - alpha)
    path = saved(tmp_path, Image.fromarray(rgba))
    assert np.abs(decode(path, (3, 5, 5), LIMIT) - over_white.transpose(2, 0, 1)).max() <= 1
    clear = Image.new("LA", (5, 5), (0, 0))  # black, but wholly transparent
    assert (decode(saved(tmp_path, clear, "la.png"), (1, 5, 5), LIMIT) == 255).all()


def test_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    path = saved(tmp_path, image, "p.gif", transparency=0)
    pixels = decode(path, (3, 4, 4), LIMIT)
    assert pixels[:, 0, 1].tolist() == [0, 0, 255]
    assert pixels[:, 2, 2].tolist() == [255, 255, 255]


def test_sixteen_bits(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 65535], [128, 129, 32896]], dtype=np.uint16)
    path = saved(tmp_path, Image.fromarray(deep))
    assert decode(path, (1, 2, 3), LIMIT)[0].tolist() == [[0, 1, 255], [0, 1, 128]]
    assert read_header(path) == Header(3, 2, True)


def test_fractions(tmp_path: Path) -> None:
    shares = np.array([[0, 0.5, 1.0]], dtype=np.float32)
    assert decode(saved(tmp_path, Image.fromarray(shares), "f.tif"), (1, 1, 3), LIMIT)[0].tolist() == [[0, 128, 255]]
    bytes_ = np.array([[0, 100.4, 300]], dtype=np.float32)
    assert decode(saved(tmp_path, Image.fromarray(bytes_), "b.tif"), (1, 1, 3), LIMIT)[0].tolist() == [[0, 100, 255]]


@pytest.mark.parametrize("mode", ["CMYK", "1", "YCbCr", "LAB", "HSV"])
def test_other_modes_are_pillows_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(noise(7, 7))
    image = image.convert("LAB") if mode == "LAB" else image.convert(mode)  # both in memory: not every format has all
    expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(image, (3, 7, 7), LIMIT), expected)


def test_resize_is_antialiased_and_takes_the_whole_image(tmp_path: Path) -> None:
    stripes = np.zeros((64, 96), np.uint8)
    stripes[:, ::2] = 255
    path = saved(tmp_path, Image.fromarray(stripes))
    small = decode(path, (1, 16, 16), LIMIT)
    assert small.shape == (1, 16, 16)
    assert np.abs(small.astype(int) - 127).max() < 20  # a nearest-pixel resize would give 0 or 255
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(noise(60, 90, 1)).float()[None, None], (20, 20), mode="bilinear", antialias=True
    )
    got = decode(saved(tmp_path, Image.fromarray(noise(60, 90, 1)), "n.png"), (1, 20, 20), LIMIT)
    assert np.abs(got - expected.numpy()[0]).max() <= 1


def test_large_jpegs_may_be_decoded_at_a_smaller_scale(tmp_path: Path) -> None:
    y, x = np.mgrid[0:800, 0:640]
    smooth = np.stack([x / 640, y / 800, (x + y) / 1440], -1) * 255
    path = saved(tmp_path, Image.fromarray(smooth.astype(np.uint8)), "big.jpg", quality=95)
    with Image.open(path) as image:
        full = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.abs(decode(path, (3, 32, 32), LIMIT).astype(int) - full).max() <= 4


def test_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), v) for v in (10, 200)]
    path = tmp_path / "move.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert decode(path, (1, 4, 4), LIMIT).max() == 10


def test_unreadable_files(tmp_path: Path) -> None:
    good = saved(tmp_path, Image.fromarray(noise(40, 40)), "good.jpg").read_bytes()
    png = saved(tmp_path, Image.fromarray(noise(40, 40)), "good.png").read_bytes()
    broken = bytearray(png)
    broken[60:80] = bytes(20)
    for name, raw in {"zero.jpg": b"", "cut.jpg": good[:-200], "text.jpg": b"hello", "cut.png": png[:300],
                      "bits.png": bytes(broken)}.items():  # fmt: skip
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(DanluError) as caught:
            decode(tmp_path / name, (3, 8, 8), LIMIT)
        assert caught.value.code == "DL156"
        assert name in caught.value.where
        assert caught.value.why
    with pytest.raises(DanluError) as caught:
        decode(tmp_path / "zero.jpg", (3, 8, 8), LIMIT)
    assert "0 bytes" in caught.value.why


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims a huge size, and which has no pixels behind it."""
    out = io.BytesIO()
    Image.new("L", (1, 1)).save(out, "png")
    raw = bytearray(out.getvalue())
    raw[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    return bytes(raw)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_001, 13_000, 50_000])
def test_bombs_are_refused_by_their_header(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(side, side))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow's own warning does not reach the user
        wrong = decode_all([path, path], (3, 8, 8), LIMIT)[1]
    assert {e.code for e in wrong.values()} == {"DL157"}
    with pytest.raises(DanluError) as caught:
        decode(path, (3, 8, 8), LIMIT)
    assert caught.value.code == "DL157"
    assert "--max-pixels" in caught.value.fix


def test_the_limit_is_the_users(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(noise(20, 20)))
    with pytest.raises(DanluError) as caught:
        decode(path, (3, 8, 8), 399)
    assert caught.value.code == "DL157"
    assert "20 x 20" in caught.value.what
    assert decode(path, (3, 8, 8), 400).shape == (3, 8, 8)


def test_many_at_once(tmp_path: Path) -> None:
    paths = [saved(tmp_path, Image.fromarray(noise(5, 5, seed=i)), f"{i}.png") for i in range(40)]
    paths[7].write_bytes(b"")
    pixels, wrong = decode_all(paths, (3, 5, 5), LIMIT)
    assert list(wrong) == [7]
    for i in (0, 8, 39):
        np.testing.assert_array_equal(pixels[i].numpy(), noise(5, 5, seed=i).transpose(2, 0, 1))


def test_files_one_by_one(tmp_path: Path) -> None:
    paths = [saved(tmp_path, Image.fromarray(noise(5, 5, seed=i)), f"{i}.png") for i in range(4)]
    files = ImageFiles(paths, torch.tensor([3, 1, 0, 1]), (3, 5, 5), lambda rows: (rows[0] / 255, rows[1]), LIMIT)
    x, y = files[2]
    np.testing.assert_allclose(x.numpy(), noise(5, 5, seed=2).transpose(2, 0, 1) / 255, rtol=1e-6)
    assert (len(files), int(y), files.name(2)) == (4, 0, str(paths[2]))


def test_names() -> None:
    assert is_image(Path("A.JPG"))
    assert not is_image(Path("a.txt"))
