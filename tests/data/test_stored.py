"""Images inside a table's cells: found by their columns' shape or word, read where they lie, named when broken."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from danlu.data.images import decode, read_header
from danlu.data.stored import StoredImage, image_columns, names_of, stored_images, taken_out
from danlu.data.table import read_table
from danlu.errors import DanluError
from danlu.settings import Settings

STORED = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CELLS = st.none() | st.fixed_dictionaries(
    {"bytes": st.none() | st.binary(max_size=5), "path": st.none() | st.sampled_from(["", "a.png", "b/ü.jpg"])}
)


def png(seed: int, size: tuple[int, int] = (9, 7), mode: str = "RGB", kind: str = "PNG", **how: Any) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **how)
    return file.getvalue()


def column(cells: list[Any], kind: pa.DataType = STORED) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(cells, kind)])


# ---- cells


@given(st.lists(st.lists(CELLS, max_size=6), max_size=4), st.integers(0, 3), st.booleans())
def test_cells_are_those_of_the_column_wherever_it_is_cut(chunks: list[list[Any]], offset: int, turned: bool) -> None:
    kind = pa.struct(list(reversed(list(STORED)))) if turned else STORED
    whole = pa.chunked_array([pa.array([{"bytes": b"!", "path": "!"}] * offset + c, kind) for c in chunks], kind)
    cut = pa.chunked_array([chunk.slice(offset) for chunk in whole.chunks], kind)
    expected = [cell for chunk in chunks for cell in chunk]
    images = stored_images(cut, "photo")
    assert len(images) == len(expected)
    for row, (image, cell) in enumerate(zip(images, expected)):
        if cell is None or (cell["bytes"] is None and not cell["path"]):
            assert image is None
            continue
        assert image is not None and image.path == (cell["path"] or "")
        assert names_of(images)[row].as_py() == (cell["path"] or f"image {row}")
        if cell["bytes"] is not None:
            assert image.read_bytes() == image.open().read() == cell["bytes"]
            assert image.length() == len(cell["bytes"])
        else:
            with pytest.raises(OSError):
                image.read_bytes()
            with pytest.raises(OSError):
                image.length()


def test_nothing_is_copied_before_an_image_is_read() -> None:
    whole = column([{"bytes": png(i), "path": None} for i in range(20)]).slice(3)
    table, images = taken_out(pa.table({"image": whole, "x": list(range(17))}))
    assert table.column("image").to_pylist()[:2] == ["image 0", "image 1"]
    where = whole.chunk(0).field("bytes").buffers()[2].address
    for image in images["image"]:
        assert image is not None and image.cells.field("bytes").buffers()[2].address == where


def test_which_columns_hold_images() -> None:
    cells = column([{"bytes": b"x", "path": None}])
    large = pa.struct([("path", pa.large_string()), ("bytes", pa.large_binary())])
    table = pa.table(
        {
            "a": cells,
            "b": column([{"bytes": b"x", "path": "p"}], large),
            "sound": cells,
            "more": column([{"bytes": b"x", "path": "p", "z": 1}], pa.struct([*STORED, ("z", pa.int64())])),
            "texts": column([{"bytes": "x", "path": "p"}], pa.struct([("bytes", pa.string()), ("path", pa.string())])),
            "x": [1],
        }
    )
    about = {"info": {"features": {"sound": {"_type": "Audio"}, "a": {"_type": "Image"}}}}
    assert image_columns(table) == ["a", "b", "sound"]
    assert image_columns(table.replace_schema_metadata({b"huggingface": json.dumps(about).encode()})) == ["a", "b"]


def test_an_image_travels_to_other_processes() -> None:
    image = stored_images(column([{"bytes": png(1), "path": "a.png"}]), "photo")[0]
    again = pickle.loads(pickle.dumps(image))
    assert again.read_bytes() == png(1) and str(again) == "photo (a.png)"


# ---- files


@pytest.mark.parametrize(
    ("mode", "kind", "how"),
    [
        ("RGB", "PNG", {}),
        ("L", "PNG", {}),
        ("P", "GIF", {}),
        ("RGB", "JPEG", {"quality": 90}),
        ("CMYK", "JPEG", {}),
        ("RGB", "WEBP", {"lossless": True}),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}),
        ("L", "TIFF", {"compression": "tiff_deflate"}),
        ("RGB", "BMP", {}),
        ("RGBA", "PNG", {}),
    ],
)
def test_a_stored_file_is_decoded_like_the_same_file_on_the_disk(
    mode: str, kind: str, how: Any, tmp_path: Path
) -> None:
    data = png(3, (20, 14), mode, kind, **how)
    (tmp_path / "a").write_bytes(data)
    image = stored_images(column([{"bytes": data, "path": None}]), "photo")[0]
    header = read_header(tmp_path / "a")
    assert header is not None and read_header(image) == header
    for shape in ((3, 14, 20), (3, 8, 8), (1, 5, 9)):
        assert np.array_equal(decode(image, shape, 10**6), decode(tmp_path / "a", shape, 10**6))


def test_a_path_in_a_cell_is_found_from_the_tables_folder_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").write_bytes(png(1))
    pa.parquet.write_table(
        pa.table({"photo": column([{"bytes": None, "path": "a.png"}]), "x": [1]}), tmp_path / "data" / "t.parquet"
    )
    (image,) = read_table(str(tmp_path / "data" / "t.parquet"), Settings()).images["photo"]
    assert image.read_bytes() == png(1) and image.length() == len(png(1))


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "0 bytes"), (b"no image", "no known image format"), (png(1)[:-40], "ends too early"), (None, "gone.png")],
)
def test_what_is_wrong_with_an_image_is_said_without_an_address_of_memory(data: bytes | None, words: str) -> None:
    image = stored_images(column([{"bytes": data, "path": "gone.png"}]), "photo")[0]
    with pytest.raises(DanluError) as caught:
        decode(image, (3, 8, 8), 10**6)
    assert caught.value.code == "DL156" and caught.value.where == "photo (gone.png)"
    assert words in str(caught.value) and "0x" not in str(caught.value)


# ---- tables of several files


def shards(folder: Path, *parts: Any) -> str:
    folder.mkdir()
    for i, part in enumerate(parts):
        pa.parquet.write_table(pa.table(part), folder / f"p-{i}.parquet")
    return str(folder)


def test_files_of_one_table_keep_their_images_in_the_order_of_its_rows(tmp_path: Path) -> None:
    parts = []
    for start, n in ((0, 3), (3, 1), (4, 5)):
        cells = [{"bytes": png(i), "path": f"{i}.png"} if i != 5 else None for i in range(start, start + n)]
        parts.append({"photo": column(cells), "x": list(range(start, start + n))})
    table = read_table(shards(tmp_path / "t", *parts), Settings())
    assert table.columns.column("x").to_pylist() == list(range(9))
    for i, image in enumerate(table.images["photo"]):
        assert (image is None) if i == 5 else isinstance(image, StoredImage) and image.read_bytes() == png(i)
    assert table.name(4).endswith("p-2.parquet row 0")


def test_a_file_whose_images_are_all_missing_fits_and_one_of_texts_does_not(tmp_path: Path) -> None:
    some, none = {"photo": column([{"bytes": png(1), "path": None}]), "x": [1]}, {"photo": pa.nulls(2), "x": [2, 3]}
    for i, order in enumerate(((some, none), (none, some))):
        images = read_table(shards(tmp_path / f"a{i}", *order), Settings()).images["photo"]
        assert [image is None for image in images] == ([False, True, True] if i == 0 else [True, True, False])
    with pytest.raises(DanluError) as caught:
        read_table(shards(tmp_path / "b", some, {"photo": ["a.png"], "x": [4]}), Settings())
    assert caught.value.code == "DL140" and "photo" in str(caught.value)


def test_a_parquet_file_can_be_replaced_while_its_table_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    cells = [{"bytes": png(i), "path": None} for i in range(5)]
    pa.parquet.write_table(pa.table({"photo": column(cells), "x": list(range(5))}), path)
    images = read_table(str(path), Settings()).images["photo"]
    path.write_bytes(b"\0" * path.stat().st_size)
    assert [image.read_bytes() for image in images] == [png(i) for i in range(5)]
