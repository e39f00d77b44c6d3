"""MNIST and its file format, IDX."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fastconv.data.dataset import DataBundle, Dataset
from fastconv.data.download import Progress, fetch, folder_for
from fastconv.data.files import PathLike, as_path, damaged, dataset_of, folder_of, listing, opened
from fastconv.errors import DataError, DataNotFoundError
from fastconv.files import fill, is_there
from fastconv.validation.arrays import Array
from fastconv.validation.memory import allocate, check_fits

# Third byte of the file; multi-byte types are big-endian.
_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_FORMAT = "an IDX file: two zero bytes, a type (0x08, 0x09, 0x0b to 0x0e), the number of axes"

MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_DIGITS = tuple("0123456789")


def read_idx(path: PathLike) -> Array:
    """Read one array from an IDX file, plain or packed with gzip.

    Parameters
    ----------
    path : path
        The file. Whether it is packed is seen from its content.

    Returns
    -------
    ndarray
        uint8, int8, int16, int32, float32 or float64, in the byte order of the machine.

    Raises
    ------
    fastconv.errors.DataError
        If the file is empty, damaged, truncated, too long, or no IDX file; a ``ValueError``.
    MemoryError
        If the array would be larger than the memory of the machine.

    Notes
    -----
    The format is described by LeCun, Cortes and Burges at http://yann.lecun.com/exdb/mnist: a header of two zero
    bytes, the type, the number of axes and one big-endian 32-bit size for each, then the values in row-major order.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from fastconv.data import read_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "labels")
    ...     _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(file)
    array([7, 2, 1], dtype=uint8)
    """
    file = as_path("read_idx", path)
    unpacking = damaged("read_idx", file, "an IDX file", state="damaged or truncated")
    with opened("read_idx", file) as stream, unpacking:
        dtype, shape = _read_header(file, stream)
        check_fits("read_idx", str(file), shape, dtype.itemsize)
        expected = prod(shape) * dtype.itemsize
        content = allocate("read_idx", str(file), (expected,), np.dtype(np.uint8))
        found = fill(stream, content)  # what is allocated takes no memory before it is written
        if found < expected or stream.read(1):
            raise DataError(
                f"read_idx: {file} must hold {expected} bytes after its header (shape {shape}, {dtype.name}), but got "
                f"{found if found < expected else 'more'}."
            )
    array: Array = content.view(dtype).reshape(shape)
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def _read_header(file: Path, stream: BinaryIO) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or magic[3] == 0:
        raise DataError(f"read_idx: {file} must be {_FORMAT}, but it begins with {magic!r}.")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(
            f"read_idx: {file} must hold {4 * magic[3]} bytes of sizes ({magic[3]} axes), but got {len(sizes)}."
        )
    return np.dtype(_DTYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").tolist())


def load_mnist(
    folder: PathLike | None = None,
    *,
    download: bool = False,
    base_url: str | None = None,
    progress: Progress | None = None,
) -> DataBundle:
    """Load MNIST, or another dataset in its four files (Fashion-MNIST).

    Parameters
    ----------
    folder : path, optional
        Folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``, each plain or with ``.gz``. By default `data_folder` / "mnist".
    download : bool
        Fetch the files of MNIST that are missing (needs pooch), and check them against the published checksums.
    base_url : str, optional
        Where to fetch them from, in place of the known mirrors.
    progress : callable, optional
        Called as ``progress(text, fraction)`` while a file is fetched.

    Returns
    -------
    DataBundle
        60,000 and 10,000 images (N, 1, 28, 28), uint8, with the classes "0" to "9".

    Raises
    ------
    fastconv.errors.DataNotFoundError
        If a file is missing; a ``FileNotFoundError``.
    fastconv.errors.DataError
        If a file is damaged, or images and labels do not belong together; a ``ValueError``.
    fastconv.errors.DownloadError
        If a file cannot be fetched whole; an ``OSError``.

    Notes
    -----
    LeCun, Bottou, Bengio and Haffner (1998), "Gradient-Based Learning Applied to Document Recognition", section III.
    """
    where = folder_for("load_mnist", "mnist", folder)
    if download:
        missing = [f"{name}.gz" for name in MNIST_FILES if _existing(where, name) is None]
        fetch("load_mnist", "mnist", missing, where, base_url, progress)
    train_images, train_labels, test_images, test_labels = _find_all(
        folder_of("load_mnist", where, f"{', '.join(MNIST_FILES)} (download=True fetches them)")
    )
    return DataBundle(
        _labelled(train_images, train_labels, "mnist train"), _labelled(test_images, test_labels, "mnist test")
    )


def _existing(folder: Path, name: str) -> Path | None:
    dotted = name.replace("-idx", ".idx")  # as some archives have it
    for candidate in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if is_there(folder / candidate):
            return folder / candidate
    return None


def _find_all(folder: Path) -> list[Path]:
    found = {name: _existing(folder, name) for name in MNIST_FILES}
    files = [file for file in found.values() if file is not None]
    if len(files) < len(MNIST_FILES):
        raise DataNotFoundError(
            f"load_mnist: {folder} must hold {', '.join(MNIST_FILES)} (plain or .gz), but "
            f"{', '.join(name for name, file in found.items() if file is None)} cannot be found (there is "
            f"{listing(entry.name for entry in folder.iterdir())}). download=True fetches what is missing."
        )
    return files


def _labelled(image_file: Path, label_file: Path, name: str) -> Dataset:
    images, labels = _read_bytes(image_file, 3, "(N, H, W)"), _read_bytes(label_file, 1, "(N,)")
    if len(images) != len(labels):
        raise DataError(
            f"load_mnist: {label_file} must hold one label for each image of {image_file}, but got {len(labels)} "
            f"labels and {len(images)} images."
        )
    return dataset_of("load_mnist", label_file, images[:, np.newaxis], labels, _DIGITS, name)


def _read_bytes(file: Path, axes: int, letters: str) -> Array:
    array = read_idx(file)
    if array.dtype != np.uint8 or array.ndim != axes or 0 in array.shape[1:]:
        raise DataError(
            f"load_mnist: {file} must hold uint8 of shape {letters}, but got {array.dtype} of shape {array.shape}."
        )
    return array
