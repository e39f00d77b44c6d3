"""NumPy archives: keys, layouts, dtypes, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv.data import load_npz
from fastconv.errors import DataError, InvalidValueError

Array = np.ndarray


def pictures(count: int = 5, shape: tuple[int, ...] = (3, 8, 6), dtype: str = "uint8") -> Array:
    return np.random.default_rng(count).integers(0, 256, (count, *shape)).astype(dtype)


def saved(folder: Path, **arrays: Any) -> Path:
    file = folder / "small.npz"
    np.savez(file, **arrays)
    return file


@pytest.mark.parametrize(
    ("keys", "with_test"),
    [
        (("images", "labels"), False),
        (("x_train", "y_train"), False),
        (("x_train", "y_train", "x_test", "y_test"), True),
        (("train_images", "train_labels", "test_images", "test_labels"), True),
    ],
)
def test_the_names_that_are_known(tmp_path: Path, keys: tuple[str, ...], with_test: bool) -> None:
    arrays = dict(zip(keys, (pictures(5), [0, 1, 2, 1, 0], pictures(3), [2, 2, 3])))
    train, test = load_npz(saved(tmp_path, extra=[1.0], **arrays))
    np.testing.assert_array_equal(train.images, pictures(5))
    assert train.labels.tolist() == [0, 1, 2, 1, 0]
    assert (train.name, test.name) == ("small train", "small test")
    assert test.classes == train.classes
    if with_test:
        np.testing.assert_array_equal(test.images, pictures(3))
        assert train.classes == ("0", "1", "2", "3")  # counted over both parts
    else:
        assert len(test) == 0
        assert test.image_shape == train.image_shape


@pytest.mark.parametrize("names", [np.array(["cat", "dog"]), np.array([b"cat", b"dog"])])
@pytest.mark.parametrize("key", ["classes", "class_names"])
def test_names_of_classes(tmp_path: Path, key: str, names: Array) -> None:
    assert load_npz(saved(tmp_path, images=pictures(2), labels=[0, 1], **{key: names})).train.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", "uint8"), ("int64", "uint8"), ("bool", "uint8"), ("float64", "float32"), ("float16", "float32")],
)
def test_dtypes(tmp_path: Path, dtype: str, expected: str) -> None:
    images = pictures(dtype=dtype)
    result = load_npz(saved(tmp_path, images=images, labels=np.zeros(5, np.uint8))).train.images
    assert result.dtype == expected
    np.testing.assert_array_equal(result, images.astype(expected))


@pytest.mark.parametrize(
    ("shape", "layout", "expected"),
    [
        ((8, 6), "auto", (1, 8, 6)),
        ((1, 8, 6), "auto", (1, 8, 6)),
        ((8, 6, 3), "auto", (3, 8, 6)),
        ((8, 6, 4), "auto", (4, 8, 6)),
        ((3, 8, 4), "NCHW", (3, 8, 4)),
        ((3, 8, 4), "NHWC", (4, 3, 8)),
        ((7, 8, 6), "NCHW", (7, 8, 6)),
    ],
)
def test_layouts(tmp_path: Path, shape: tuple[int, ...], layout: str, expected: tuple[int, ...]) -> None:
    images = pictures(shape=shape)
    result = load_npz(saved(tmp_path, images=images, labels=[0] * 5), layout=layout).train.images
    assert result.shape == (5, *expected)
    assert result.flags.c_contiguous
    moved = images.transpose(0, 3, 1, 2) if layout == "NHWC" or expected[0] == shape[-1] else images
    np.testing.assert_array_equal(result, moved.reshape(result.shape))


def test_labels_in_a_column(tmp_path: Path) -> None:
    assert load_npz(saved(tmp_path, images=pictures(2), labels=[[1], [0]])).train.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"data": pictures()}, "must hold images and labels; x_train and y_train; or.*it holds data"),
        ({"images": pictures()}, "must hold labels along with images, but it holds images"),
        ({"images": pictures(), "labels": [0] * 5, "x_test": pictures()}, "must hold y_test along with x_test"),
        ({"images": pictures(), "labels": [0] * 4}, r"\(images, labels\): labels must have shape \(5,\).*\(4,\)"),
        ({"images": pictures(2), "labels": [0, -1]}, r"labels must be between 0 and 0.*-1 at position 1"),
        ({"images": pictures(2), "labels": [0, 2], "classes": ["a", "b"]}, "between 0 and 1.*2 at position 1"),
        ({"images": pictures(2), "labels": [0.0, 1.0]}, "labels must be integers.*float64"),
        ({"images": pictures(2), "labels": np.eye(2, dtype=int)}, r"labels must be integers of shape \(N,\).*\(2, 2\)"),
        ({"images": pictures(2, (192,)), "labels": [0, 1]}, r"images must have 4 axes.*\(2, 192\)"),
        (
            {"images": pictures(2, (3, 4, 3)), "labels": [0, 1]},
            r'second or the last axis.*\(2, 3, 4, 3\).*layout="NCHW"',
        ),
        ({"images": pictures(2, (7, 8, 6)), "labels": [0, 1]}, "second or the last axis"),
        ({"images": pictures(2, dtype="int16") + 1, "labels": [0, 1]}, "integers from 0 to 255.*to 256"),
        ({"images": np.full((2, 1, 2, 2), "a"), "labels": [0, 1]}, "images must hold numbers, but got <U1"),
        (
            {"images": pictures(2), "labels": [0, 1], "classes": [[1.5]]},
            "classes must be a list of names, but got float64",
        ),
        (
            {"images": pictures(2), "labels": [0, 1], "classes": [b"cat", b"\xff"]},
            "classes must be names in UTF-8, but",
        ),
        ({"images": np.array([{}, []], object), "labels": [0, 1]}, "without pickled objects.*allow_pickle=False"),
    ],
)
def test_what_is_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    if "to 256" in message:
        arrays["images"][0, 0, 0, 0] = 256
    file = saved(tmp_path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load_npz(file)
    assert str(file) in str(caught.value)


def whole() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, images=pictures(), labels=[0] * 5)
    return stream.getvalue()


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 255]) + content[position + 1 :]


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", whole()[:300], whole()[:-5], flipped(whole(), 300), b"\x93NUMPY\x01\x00", b"text", b"\x80\x04N."],
)
def test_broken_files(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.npz"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"broken.npz must be an .npz archive of arrays without pickled objects"):
        load_npz(file)


def test_a_single_array_and_no_file(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", pictures())
    with pytest.raises(DataError, match="it is a single array"):
        load_npz(tmp_path / "one.npy")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_npz(tmp_path / "nowhere.npz")
    with pytest.raises(InvalidValueError, match="layout must be one of 'auto', 'NCHW', 'NHWC'"):
        load_npz(tmp_path / "one.npy", layout="CHWN")


def test_a_label_that_is_far_too_large_does_not_make_as_many_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels must be below 65536 .*, but got 4000000000"):
        load_npz(saved(tmp_path, images=pictures(2), labels=[0, 4_000_000_000]))
