"""CIFAR-10, from its python batches."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from fastconv.data.dataset import DataBundle, Dataset
from fastconv.data.download import Progress, fetch, folder_for
from fastconv.data.files import PACKED, PathLike, as_path, damaged, dataset_of, listing, opened
from fastconv.data.unpickling import load_arrays
from fastconv.errors import DataError, DataNotFoundError, shown
from fastconv.files import is_there, open_regular

CIFAR10_ARCHIVE = "cifar-10-python.tar.gz"
CIFAR10_FOLDER = "cifar-10-batches-py"

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_FILES = (*_TRAIN, "test_batch", "batches.meta")
_EXPECTED = f"{', '.join(_FILES)} (or {CIFAR10_ARCHIVE})"
_SHAPE = 3, 32, 32
_CLASSES = 10
_DAMAGED = (*PACKED, tarfile.TarError, ValueError, TypeError, LookupError, ArithmeticError)  # what an archive raises
_BLOCK = 2**20  # bytes
_LARGEST = 2**28  # bytes of one file; the batches have 31 million


def load_cifar10(
    folder: PathLike | None = None,
    *,
    download: bool = False,
    base_url: str | None = None,
    progress: Progress | None = None,
) -> DataBundle:
    """Load CIFAR-10 from its python version.

    Parameters
    ----------
    folder : path, optional
        Folder with ``data_batch_1`` to ``data_batch_5``, ``test_batch`` and ``batches.meta``; or the archive
        ``cifar-10-python.tar.gz``, which is read without being unpacked; or a folder that holds one of both. By
        default `data_folder` / "cifar10".
    download : bool
        Fetch the archive (170 MB, needs pooch) if it is missing, and check it against the published checksum.
    base_url : str, optional
        Where to fetch it from, in place of the site of its authors.
    progress : callable, optional
        Called as ``progress(text, fraction)`` while a file is fetched.

    Returns
    -------
    DataBundle
        50,000 and 10,000 images (N, 3, 32, 32), uint8, with ten named classes.

    Raises
    ------
    fastconv.errors.DataNotFoundError
        If files are missing; a ``FileNotFoundError``.
    fastconv.errors.DataError
        If a file is damaged, or holds anything but arrays and plain containers; a ``ValueError``.
    fastconv.errors.DownloadError
        If the archive cannot be fetched whole; an ``OSError``.

    Notes
    -----
    The files are pickles. They are read by an unpickler that can make arrays, numbers, strings and containers and
    nothing else, so that a file from a stranger cannot run code.

    Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images", chapter 3.
    """
    where = folder_for("load_cifar10", "cifar10", folder)
    if download and _source(where) is None:
        fetch("load_cifar10", "cifar10", [CIFAR10_ARCHIVE], where, base_url, progress)
    source = _source(where)
    if source is None:
        raise _not_found(where)
    read = _read_folder(source) if source.is_dir() else _read_archive(source)
    contents = dict(read)
    missing = [name for name in _FILES if name not in contents]
    if missing:
        raise DataNotFoundError(
            f"load_cifar10: {source} must hold {_EXPECTED}, but {', '.join(missing)} cannot be found."
        )
    classes = contents["batches.meta"]
    train = [contents.pop(name) for name in _TRAIN]
    return DataBundle(
        _joined(source, train, classes, "cifar10 train"),
        _joined(source, [contents["test_batch"]], classes, "cifar10 test"),
    )


def load_cifar10_batch(file: PathLike) -> Dataset:
    """Load one batch of CIFAR-10, ``data_batch_1`` say, alone; its classes are numbers. See `load_cifar10`."""
    path = as_path("load_cifar10_batch", file)
    if not is_there(path):
        raise DataNotFoundError(f"load_cifar10_batch: {path} must be a batch of CIFAR-10, but there is no such file.")
    with open_regular("load_cifar10_batch", path, DataError) as stream:
        batch = _read(_TRAIN[0], str(path), os.fstat(stream.fileno()).st_size, stream)
    return Dataset(batch.images, batch.labels, name=path.name)


def _source(where: Path) -> Path | None:
    """Return the archive, or the folder with the first batch."""
    if is_there(where):
        return where
    for folder in (where, where / CIFAR10_FOLDER):
        if any(is_there(folder / name) for name in _FILES):
            return folder
    archive = where / CIFAR10_ARCHIVE
    return archive if is_there(archive) else None


def _not_found(where: Path) -> DataNotFoundError:
    found = f"there is {listing(entry.name for entry in where.iterdir())}" if where.is_dir() else "it does not exist"
    return DataNotFoundError(
        f"load_cifar10: {where} must hold {_EXPECTED}, but {found}. download=True fetches the archive."
    )


def _read_folder(folder: Path) -> Iterator[tuple[str, Any]]:
    for name in _FILES:
        file = folder / name
        if is_there(file):
            with open_regular("load_cifar10", file, DataError) as stream:
                yield name, _read(name, str(file), os.fstat(stream.fileno()).st_size, stream)


def _read_archive(archive: Path) -> Iterator[tuple[str, Any]]:
    """Read the members in the order of the archive, so that it is unpacked once, and only in memory."""
    with damaged("load_cifar10", archive, "a tar archive", _DAMAGED), opened("load_cifar10", archive) as unpacked:
        with tarfile.open(fileobj=_Headers(unpacked), mode="r:") as tar:  # type: ignore[call-overload]
            for member in tar:
                name = member.name.rpartition("/")[2]
                if member.size < 0 or member.issparse():
                    raise tarfile.ReadError(f"{member.name} has {member.size} bytes, or holes")
                if member.isfile() and name in _FILES:
                    unpacked.seek(member.offset_data)
                    yield name, _read(name, f"{archive}:{member.name}", member.size, unpacked)
        while unpacked.read(_BLOCK):  # to the end, where gzip has its checksum
            pass


class _Headers:
    """A tar archive for `tarfile`, which takes a name to be as long as a header claims."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.seek, self.tell = stream, stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _BLOCK:
            raise tarfile.ReadError(f"a header must have at most {_BLOCK} bytes, but got {size}")
        return self._stream.read(size)


def _read(name: str, label: str, size: int, stream: IO[bytes]) -> Any:
    if size > _LARGEST:
        raise DataError(f"load_cifar10: {label} must have at most {_LARGEST} bytes, but got {size}.")
    content = load_arrays("load_cifar10", label, stream, size)
    read: Callable[[str, dict[str, Any]], Any] = _class_names if name == "batches.meta" else _batch
    if not isinstance(content, dict):
        raise DataError(f"load_cifar10: {label} must hold a dictionary, but got {type(content).__name__}.")
    return read(label, {_text(key): value for key, value in content.items()})


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _class_names(label: str, content: dict[str, Any]) -> tuple[str, ...]:
    names = content.get("label_names")
    if not isinstance(names, (list, tuple)) or len(names) != _CLASSES:
        raise DataError(
            f"load_cifar10: {label} must hold label_names, a list of {_CLASSES} names, but got {shown(names)} (keys: "
            f"{listing(content)})."
        )
    return tuple(map(_text, names))


def _batch(label: str, content: dict[str, Any]) -> Dataset:
    if not {"data", "labels"} <= content.keys():
        raise DataError(f"load_cifar10: {label} must hold data and labels, but got the keys {listing(content)}.")
    data, labels = content["data"], content["labels"]
    pixels = int(np.prod(_SHAPE))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (pixels,):
        got = f"{data.dtype} of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"load_cifar10: {label} must hold data of shape (N, {pixels}), uint8, but got {got}.")
    if not isinstance(labels, (list, np.ndarray)) or len(labels) != len(data):
        count = len(labels) if isinstance(labels, (list, np.ndarray)) else type(labels).__name__
        raise DataError(f"load_cifar10: {label} must hold one label for each of {len(data)} images, but got {count}.")
    images = data.reshape(-1, *_SHAPE)
    return dataset_of("load_cifar10", label, images, _integers(label, labels), tuple(map(str, range(_CLASSES))), "")


def _integers(label: str, labels: Any) -> Any:
    if isinstance(labels, list) and any(type(number) is not int or abs(number) > 2**31 for number in labels):
        raise DataError(f"load_cifar10: {label} must hold labels that are integers from 0 to {_CLASSES - 1}.")
    return np.asarray(labels, np.int64) if isinstance(labels, list) else labels


def _joined(source: Path, parts: list[Dataset], classes: tuple[str, ...], name: str) -> Dataset:
    labels = np.concatenate([part.labels for part in parts])
    images = np.empty((len(labels), *_SHAPE), np.uint8)
    end = len(images)
    while parts:  # each part is let go when it has been copied: at no time are all of them there twice
        part = parts.pop().images
        images[end - len(part) : end] = part
        end -= len(part)
    return dataset_of("load_cifar10", source, images, labels, classes, name)
