"""What the readers share: paths, whole files with or without gzip, and words for what was found."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Union

from fastconv.data.dataset import Dataset
from fastconv.errors import DataError, DataNotFoundError, FastconvError, InvalidTypeError, InvalidValueError
from fastconv.files import open_regular
from fastconv.validation.sizes import check_path

PathLike = Union[str, "os.PathLike[str]"]

PACKED = (EOFError, zlib.error, gzip.BadGzipFile)  # what unpacking a damaged file raises
_STATE = "damaged, truncated or something else"
_GZIP_MAGIC = b"\x1f\x8b"
_LISTED = 8  # names in a message; more would hide what it says


def as_path(operation: str, path: object) -> Path:
    """Return a path, with ``~`` for the home folder."""
    try:
        return check_path(operation, path).expanduser()
    except RuntimeError as error:  # the home of somebody who is not there
        raise InvalidValueError(f"{operation}: path must be that of a file, but {error}") from None


def folder_of(operation: str, path: object, expected: str) -> Path:
    """Return the path of a folder that exists."""
    folder = as_path(operation, path)
    if folder.is_dir():
        return folder
    state = "it is a file" if folder.exists() else "there is no such folder"
    raise DataNotFoundError(f"{operation}: {folder} must be a folder with {expected}, but {state}.")


def listing(names: Iterable[str]) -> str:
    """Name a few, and count the rest."""
    found = sorted(names)
    if not found:
        return "nothing"
    rest = len(found) - _LISTED
    return ", ".join(found[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


@contextmanager
def damaged(
    operation: str, path: object, expected: str, errors: tuple[type[Exception], ...] = PACKED, state: str = _STATE
) -> Iterator[None]:
    """Turn what the standard library says about damaged archives into an error that names the file."""
    try:
        yield
    except FastconvError:
        raise
    except errors as error:
        raise DataError(f"{operation}: {path} must be {expected}, but it is {state} ({error}).") from None


@contextmanager
def opened(operation: str, path: Path) -> Iterator[BinaryIO]:
    """Open a file to be read, through gzip if that is what it holds; its name does not matter."""
    with open_regular(operation, path, DataError) as stream:
        packed = stream.read(2) == _GZIP_MAGIC
        stream.seek(0)
        if not packed:
            yield stream
            return
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield unpacked  # type: ignore[misc]  # a reader of bytes, though no BinaryIO by its type


@contextmanager
def fault_of(operation: str, path: object) -> Iterator[None]:
    """Let what `Dataset` finds wrong be an error that names the file."""
    try:
        yield
    except (InvalidValueError, InvalidTypeError) as error:
        raise DataError(f"{operation}: {path}: {str(error).removeprefix('Dataset: ')}") from None


def dataset_of(
    operation: str, path: object, images: object, labels: object, classes: Sequence[str], name: str
) -> Dataset:
    """Return a dataset; what does not fit together is the fault of the file."""
    with fault_of(operation, path):
        return Dataset(images, labels, tuple(classes), name, "NCHW")  # type: ignore[arg-type]  # checked there


def imported(operation: str, module: str, package: str) -> Any:
    """Return a module of the extra ``data``; the ImportError where its package is missing names the extra."""
    try:
        import_module(module.partition(".")[0])  # a part of it may be there though the package is not
        return import_module(module)
    except ImportError as error:
        raise missing_package(operation, package, error) from None


def missing_package(operation: str, package: str, error: ImportError) -> ImportError:
    """Return the error that names the extra."""
    return ImportError(
        f"{operation}: {package} must be installed, but it cannot be imported ({error}). "
        'Install it with: pip install "fastconv[data]"'
    )
