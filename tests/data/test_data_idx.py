"""IDX files and MNIST, whole and broken."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from data_files import IDX_CODES, idx_bytes, write_mnist

from fastconv.data import data_folder, load_mnist, read_idx
from fastconv.errors import DataError, DataNotFoundError, FastconvError, InvalidTypeError, MemoryLimitError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def test_an_array_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "numbers"
    file.write_bytes(bytes([0, 0, 0x0B, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 1, 0, 2, 1, 0, 255, 255, 0, 0, 127, 255]))
    np.testing.assert_array_equal(read_idx(file), [[1, 2, 256], [-1, 0, 32767]])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(7,), (2, 3, 4), (0, 4), (1, 2, 1, 3, 2)])
@pytest.mark.parametrize("dtype", IDX_CODES)
def test_every_type_and_rank(tmp_path: Path, dtype: str, shape: tuple[int, ...], packed: bool) -> None:
    array = (np.arange(np.prod(shape)) - 3).astype(dtype).reshape(shape)
    file = tmp_path / "array.bin"  # the name says nothing
    file.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    result = read_idx(str(file))
    np.testing.assert_array_equal(result, array)
    assert result.dtype == np.dtype(dtype)
    assert result.dtype.isnative
    assert result.flags.writeable


WHOLE = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"must be an IDX file: two zero bytes.*begins with b''"),
        (WHOLE[:3], "must be an IDX file"),
        (b"<html>no such file</html>", "begins with b'<htm'"),
        (b"\0\1" + WHOLE[2:], "must be an IDX file"),
        (b"\0\0\x0a" + WHOLE[3:], r"a type \(0x08"),
        (b"\0\0\x08\0", "must be an IDX file"),
        (WHOLE[:9], r"12 bytes of sizes \(3 axes\), but got 5"),
        (WHOLE[:-1], r"24 bytes after its header \(shape \(2, 3, 4\), uint8\), but got 23"),
        (WHOLE + b"\0", "but got more"),
        (gzip.compress(WHOLE, mtime=0)[:-9], "damaged or truncated"),
        (gzip.compress(WHOLE, mtime=0)[:4], "damaged or truncated"),
        (gzip.compress(WHOLE, mtime=0)[:-8] + b"\0\0\0\0\x18\0\0\0", "damaged or truncated.*CRC"),
        (
            gzip.compress(WHOLE, mtime=0)[:12] + b"\xff\xff\xff" + gzip.compress(WHOLE, mtime=0)[15:],
            "damaged or truncated",
        ),
        (gzip.compress(b"text that is long enough", mtime=0), "begins with b'text'"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "broken"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(file)
    assert str(file) in str(caught.value)


def test_sizes_beyond_memory_are_refused_before_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "huge"
    file.write_bytes(bytes([0, 0, 8, 2]) + b"\x7f\xff\xff\xff" * 2)
    with pytest.raises(MemoryLimitError, match="huge must fit into memory"):
        read_idx(file)


def test_other_paths(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(InvalidTypeError, match="path must be a string or a path, but got 3"):
        read_idx(3)  # type: ignore[arg-type]


# MNIST


@pytest.mark.parametrize("packed", [False, True])
def test_the_four_files(tmp_path: Path, packed: bool) -> None:
    arrays = write_mnist(tmp_path, packed=packed)
    train, test = load_mnist(tmp_path)
    for part, prefix in ((train, "train"), (test, "t10k")):
        np.testing.assert_array_equal(part.images[:, 0], arrays[f"{prefix}-images-idx3-ubyte"])
        np.testing.assert_array_equal(part.labels, arrays[f"{prefix}-labels-idx1-ubyte"])
        assert part.images.shape[1:] == (1, 4, 6)
        assert part.images.dtype == np.uint8
        assert part.classes == tuple("0123456789")
    assert (train.name, test.name) == ("mnist train", "mnist test")


def test_names_with_a_dot(tmp_path: Path) -> None:
    arrays = write_mnist(tmp_path, packed=False)
    for name in arrays:
        (tmp_path / name).rename(tmp_path / name.replace("-idx", ".idx"))
    assert len(load_mnist(tmp_path).train) == 5


def test_the_default_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path))
    write_mnist(tmp_path / "mnist")
    assert data_folder() == tmp_path
    assert len(load_mnist().test) == 3


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/fastconv"),
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache/fastconv"),
        ("darwin", {"HOME": "/Users/me"}, "/Users/me/Library/Caches/fastconv"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/fastconv/Cache"),
    ],
)
def test_the_folder_of_the_platform(
    platform: str, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FASTCONV_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert data_folder().as_posix() == expected


def test_a_missing_file_is_told_with_what_is_there(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / f"{LABELS}.gz").rename(tmp_path / "labels.gz")
    message = (
        rf"must hold {IMAGES}, .*\(plain or .gz\), but {LABELS} cannot be found \(there is labels.gz, t10k.*"
        "download=True"
    )
    with pytest.raises(DataNotFoundError, match=message) as caught:
        load_mnist(tmp_path)
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, FastconvError)


def test_a_wrong_folder(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"must hold .* cannot be found \(there is nothing\)"):
        load_mnist(tmp_path)
    with pytest.raises(DataNotFoundError, match=f"must be a folder with {IMAGES}.*there is no such folder"):
        load_mnist(tmp_path / "nowhere")
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(DataNotFoundError, match="it is a file"):
        load_mnist(file)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (LABELS, np.zeros(4, np.uint8), "one label for each image.*4 labels and 5 images"),
        (LABELS, np.array([0, 1, 10, 3, 4], np.uint8), r"between 0 and 9 \(10 classes\), but got 10 at position 2"),
        (LABELS, np.zeros((5, 1), np.uint8), r"uint8 of shape \(N,\), but got uint8 of shape \(5, 1\)"),
        (IMAGES, np.zeros((5, 24), np.uint8), r"uint8 of shape \(N, H, W\), but got uint8 of shape \(5, 24\)"),
        (IMAGES, np.zeros((5, 4, 6), np.float32), r"but got float32 of shape \(5, 4, 6\)"),
        (IMAGES, np.zeros((5, 0, 6), np.uint8), r"but got uint8 of shape \(5, 0, 6\)"),
    ],
)
def test_images_and_labels_that_do_not_belong_together(
    tmp_path: Path, name: str, array: np.ndarray, message: str
) -> None:
    write_mnist(tmp_path, packed=False)
    (tmp_path / name).write_bytes(idx_bytes(array))
    with pytest.raises(DataError, match=message) as caught:
        load_mnist(tmp_path)
    assert name in str(caught.value)


def test_files_in_each_other_s_place(tmp_path: Path) -> None:
    write_mnist(tmp_path, packed=False)
    shutil.copy(tmp_path / LABELS, tmp_path / IMAGES)
    with pytest.raises(DataError, match=rf"{IMAGES} must hold uint8 of shape \(N, H, W\)"):
        load_mnist(tmp_path)
