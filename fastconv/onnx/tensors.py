"""Tensors of a file as arrays: what a file says of their sizes is held against its bytes before memory is taken."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np

from fastconv.errors import ModelFileError
from fastconv.files import fill, open_regular
from fastconv.validation.arrays import Array
from fastconv.validation.memory import allocate, check_fits

_LOAD = "onnx.load"
_DTYPES = {  # by number in the format, with the field in which numbers lie that are not raw bytes
    1: ("float32", "float_data"),
    2: ("uint8", "int32_data"),
    3: ("int8", "int32_data"),
    4: ("uint16", "int32_data"),
    5: ("int16", "int32_data"),
    6: ("int32", "int32_data"),
    7: ("int64", "int64_data"),
    9: ("bool", "int32_data"),
    10: ("float16", "int32_data"),
    11: ("float64", "double_data"),
    12: ("uint32", "uint64_data"),
    13: ("uint64", "uint64_data"),
}
_EXTERNAL = 1  # a tensor whose bytes are in another file
_SHARED = 8  # tensors that may have the same bytes of another file, on average
_SPARSE, _ZEROS = 1000, 2**24  # numbers of sparse tensors for each that is given, and beyond those


class Origin(NamedTuple):
    """Where a message comes from.

    Attributes
    ----------
    package : module
        `onnx`.
    name : str
        What the file is called in errors.
    folder : Path or None
        Where files beside it may lie; nowhere for what came as bytes.
    claimed : dict
        Bytes that its tensors have of each of these, and numbers that sparse tensors have beyond a share.
    """

    package: Any
    name: str
    folder: Path | None
    claimed: dict[Path | None, int]

    def error(self, text: str) -> ModelFileError:
        """Return what to raise."""
        return ModelFileError(f"{_LOAD}: {self.name}: {text}")

    def claim(self, place: Path | None, count: int) -> int:
        """Add to what is claimed of a place, and return how much that is now."""
        self.claimed[place] = self.claimed.get(place, 0) + count
        return self.claimed[place]


def dtype_of(origin: Origin, subject: str, kind: int) -> np.dtype[Any]:
    """Dtype of a number of the format."""
    if kind in _DTYPES:
        return np.dtype(_DTYPES[kind][0])
    names = {value: name for name, value in origin.package.TensorProto.DataType.items()}
    raise origin.error(
        f"{subject} must be of floats from 16 to 64 bits, whole numbers or booleans, but is {names.get(kind, kind)}."
    )


def array_of(origin: Origin, subject: str, tensor: Any) -> Array:
    """Return the array of a ``TensorProto``."""
    dtype, shape = dtype_of(origin, subject, tensor.data_type), tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise origin.error(f"{subject} must have sizes of at least 0, but its shape is {shape}.")
    check_fits(_LOAD, f"{origin.name}: {subject}", shape, dtype.itemsize)
    if tensor.data_location == _EXTERNAL:
        return _external(origin, subject, tensor, shape, dtype)
    if tensor.HasField("raw_data"):
        raw = tensor.raw_data
        _check_count(origin, subject, shape, "bytes", len(raw), prod(shape) * dtype.itemsize)
        return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)
    numbers = getattr(tensor, _DTYPES[tensor.data_type][1])
    _check_count(origin, subject, shape, "numbers", len(numbers), prod(shape))
    try:
        array = np.array(numbers, np.uint16).view(dtype) if dtype == np.float16 else np.array(numbers, dtype)
    except (OverflowError, ValueError) as error:
        raise origin.error(f"{subject} must have numbers of {dtype}, but {error}.") from None
    return array.reshape(shape)


def dense_of(origin: Origin, subject: str, sparse: Any) -> Array:
    """Return the array of a ``SparseTensorProto``: zeros but at its indices, flat or one row for each number."""
    values, indices = (
        array_of(origin, subject, sparse.values),
        array_of(origin, f"indices of {subject}", sparse.indices),
    )
    shape = tuple(sparse.dims)
    if any(size < 0 for size in shape):
        raise origin.error(f"{subject} must have sizes of at least 0, but its shape is {shape}.")
    if values.ndim != 1 or indices.dtype != np.int64 or indices.shape not in (values.shape, (len(values), len(shape))):
        raise origin.error(
            f"{subject} must have one index for each number, but has {values.shape} and {indices.shape}."
        )
    if origin.claim(None, prod(shape) - _SPARSE * len(values)) > _ZEROS:
        raise origin.error(
            f"{subject} must have one number in {_SPARSE} given, beyond the first {_ZEROS} of all sparse tensors, but "
            f"has {len(values)} of shape {shape}."
        )
    array = allocate(_LOAD, f"{origin.name}: {subject}", shape, values.dtype)
    array[...] = 0
    limit = array.size if indices.ndim == 1 else np.array(shape, np.int64)
    if (indices < 0).any() or (indices >= limit).any():
        raise origin.error(f"{subject} must have indices within its shape {shape}.")
    array.flat[indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), shape)] = values
    return array


def _check_count(origin: Origin, subject: str, shape: tuple[int, ...], what: str, got: int, needed: int) -> None:
    if got != needed:
        raise origin.error(f"{subject} must have {needed} {what} for its shape {shape}, but has {got}.")


def _external(origin: Origin, subject: str, tensor: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Read the bytes of a tensor from a file in the folder of the model, and from nowhere else."""
    about = {entry.key: entry.value for entry in tensor.external_data}
    path = _beside(origin, subject, about.get("location", ""))
    array = allocate(_LOAD, f"{origin.name}: {subject}", shape, dtype.newbyteorder("<"))
    try:
        offset, length = int(about.get("offset") or 0), int(about.get("length") or array.nbytes)
    except ValueError as error:
        raise origin.error(f"{subject} must have whole numbers for offset and length, but {error}.") from None
    _check_count(origin, subject, shape, "bytes", length, array.nbytes)
    with open_regular(_LOAD, path, ModelFileError) as stream:
        size = os.fstat(stream.fileno()).st_size
        if not 0 <= offset <= size - length:
            raise origin.error(f"{subject} must lie within {path} ({size} bytes), but is {length} bytes at {offset}.")
        if origin.claim(path, length) > _SHARED * size:
            raise origin.error(f"{subject} must have bytes of its own in {path}, but others have all of them.")
        stream.seek(offset)
        if fill(stream, array.reshape(-1).view(np.uint8)) != length:
            raise origin.error(f"{subject} must have {length} bytes in {path}, but the file ended.")
    return array.astype(dtype, copy=False)


def _beside(origin: Origin, subject: str, location: str) -> Path:
    """Path of a file in the folder of the model; anything that leads out of it is refused."""
    if origin.folder is None:
        raise origin.error(f"{subject} lies in another file ({location!r}). Pass the path of the model, not its bytes.")
    parts = (*PurePosixPath(location).parts, *PureWindowsPath(location).parts)
    drive = PureWindowsPath(location).drive or PureWindowsPath(location).root
    folder = origin.folder.resolve()
    try:
        path = (folder / location).resolve()
        inside = bool(location) and not drive and ".." not in parts and path.is_relative_to(folder)
    except (OSError, ValueError):  # a name that no file can have
        inside = False
    if not inside:
        raise origin.error(f"{subject} must lie in the folder of the model, but its place is {location!r}.")
    if not path.is_file():
        raise origin.error(f"{subject} must lie in {path}, but there is no such file.")
    return path
