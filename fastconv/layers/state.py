"""Weights in files: ``.npz`` without pickle, ``.safetensors``, and those of PyTorch to be read."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Union

import numpy as np
from numpy.typing import ArrayLike

from fastconv.errors import InvalidTypeError, InvalidValueError, MemoryLimitError, StateFileError, shown
from fastconv.files import fill, open_regular, write_whole
from fastconv.layers.base import Layer
from fastconv.layers.pytorch_files import PYTORCH_SUFFIXES, read_pytorch
from fastconv.validation.archives import DAMAGED, array_entries, open_archive, read_array_entry
from fastconv.validation.arrays import Array, bfloat16_to_float32, check_real
from fastconv.validation.memory import allocate, check_fits
from fastconv.validation.sizes import check_path

PathLike = Union[str, "os.PathLike[str]"]

SUFFIXES = (".npz", ".safetensors")
READABLE = (*SUFFIXES, *PYTORCH_SUFFIXES)
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip archive knows: equal weights give equal files
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_METADATA = "__metadata__"  # the entry of an archive that safetensors has under this name, too
_PICKLE_MAGIC = b"\x80"
_MAGIC_LENGTH = 8
_BFLOAT16 = "BF16"
_TENSOR_DTYPES = {
    f"{letter}{8 * size}": np.dtype(f"<{letter.lower()}{size}")
    for letter, sizes in (("F", (2, 4, 8)), ("I", (1, 2, 4, 8)), ("U", (1, 2, 4, 8)))
    for size in sizes
} | {"BOOL": np.dtype(bool), _BFLOAT16: np.dtype("<u2")}


def save_state(
    state: Mapping[str, ArrayLike] | Layer, path: PathLike, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the weights of a network to a file, whole or not at all.

    Parameters
    ----------
    state : mapping of str to array_like, or Layer
        As `Layer.state_dict` returns it; a layer stands for its own. Names are kept, dots included.
    path : path-like
        The file. ``.npz`` is an uncompressed NumPy archive without pickled objects; ``.safetensors`` needs the extra
        ``safetensors``.
    metadata : mapping of str to str, optional
        What else to say about them, for `read_metadata`; `load_state` passes over it.

    Raises
    ------
    ValueError
        If the suffix is another one.
    TypeError
        If a value is not an array of real numbers, or `metadata` is not text.
    ImportError
        If safetensors is asked for and missing.
    OSError
        If the file cannot be written.

    Notes
    -----
    The bytes go to a temporary name in the same folder and reach the disk before the file gets its own name, so that
    whoever reads it finds the old state or the new one.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from fastconv.layers import Linear, load_state, save_state
    >>> layer, other = Linear(3, 2, rng=0), Linear(3, 2, rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "weights.npz")
    ...     save_state(layer, file)
    ...     found = other.load_state_dict(load_state(file))
    >>> bool((layer.weight.data == other.weight.data).all())
    True
    """
    target = check_state_path("save_state", path)
    arrays = _plain_arrays("save_state", state.state_dict() if isinstance(state, Layer) else state)
    about = None if metadata is None else _checked_metadata(metadata)
    if target.suffix.lower() == ".npz":
        text = {} if about is None else {_METADATA: np.array(json.dumps(about).encode("ascii"))}
        write_arrays(target, {**arrays, **text})
        return
    data = _safetensors("save_state").save(arrays, about)
    write_whole(target, lambda stream: stream.write(data))


def load_state(path: PathLike) -> dict[str, Array]:
    """Read weights that `save_state`, `numpy.savez` or safetensors wrote.

    Parameters
    ----------
    path : path-like
        A ``.npz`` or ``.safetensors`` file, or a ``.pt`` or ``.pth`` file of ``torch.save``, for which PyTorch is not
        needed. Nothing that is in a file is run.

    Returns
    -------
    dict of str to ndarray
        What `Layer.load_state_dict` takes. Numbers of bfloat16 are float32.

    Raises
    ------
    fastconv.errors.StateFileError
        If the file is damaged, truncated, holds Python objects, or is something else; a ``ValueError``.
    ValueError
        If the suffix is another one.
    ImportError
        If the file is a safetensors one and the extra is missing.
    OSError
        If the file cannot be read.

    Notes
    -----
    Of a file of ``torch.save`` the state dict is found on its own, or in a checkpoint under ``state_dict``,
    ``model_state_dict`` or ``model``. Where all names begin with ``module.``, which `DataParallel` puts before them,
    they come without it. Tensors that share memory there share it here.
    """
    source = check_state_path("load_state", path, READABLE)
    if source.suffix.lower() in PYTORCH_SUFFIXES:
        return read_pytorch("load_state", source)
    if source.suffix.lower() == ".npz":
        arrays = read_arrays("load_state", source)
        arrays.pop(_METADATA, None)
        return arrays
    with open_regular("load_state", source, StateFileError) as stream:
        try:
            return _read_tensors(source, stream)
        except (OSError, MemoryLimitError):
            raise
        except Exception as error:  # SafetensorError derives from Exception alone
            raise StateFileError(
                f"load_state: {source} must be a whole safetensors file of real numbers, but it is damaged, truncated "
                f"or something else ({error})."
            ) from error


def read_metadata(operation: str, path: PathLike) -> dict[str, str]:
    """Return what `save_state` was told about the weights; nothing for a file that says nothing.

    Raises
    ------
    fastconv.errors.StateFileError
        If the file is damaged, or its metadata is something else.
    """
    source = check_state_path(operation, path, READABLE)
    if source.suffix.lower() in PYTORCH_SUFFIXES:
        return {}
    archive = source.suffix.lower() == ".npz"
    arrays = read_arrays(operation, source, only=_METADATA) if archive else {}
    try:
        if not archive:
            return _tensors_metadata(operation, source)
        return _checked_metadata(json.loads(arrays[_METADATA].item())) if arrays else {}
    except (OSError, StateFileError):
        raise
    except Exception as error:  # SafetensorError derives from Exception alone
        raise StateFileError(
            f"{operation}: {source} must have text as metadata, but it is damaged ({error})."
        ) from error


def _checked_metadata(metadata: object) -> dict[str, str]:
    if isinstance(metadata, Mapping) and all(isinstance(text, str) for pair in metadata.items() for text in pair):
        return dict(metadata)
    raise InvalidTypeError(f"save_state: metadata must be a mapping of text to text, but got {shown(metadata)}.")


def _tensors_metadata(operation: str, source: Path) -> dict[str, str]:
    from safetensors import safe_open

    with open_regular(operation, source, StateFileError), safe_open(source, framework="numpy") as file:
        return dict(file.metadata() or {})


def _read_tensors(source: Path, stream: BinaryIO) -> dict[str, Array]:
    """Let safetensors check that sizes and places are those of the file, and read; it would hold everything twice."""
    from safetensors import safe_open

    with safe_open(source, framework="numpy"):
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    arrays = {}
    for name, entry in header.items():
        if name != _METADATA:
            shape, dtype = tuple(entry["shape"]), _TENSOR_DTYPES[entry["dtype"]]
            stream.seek(8 + length + entry["data_offsets"][0])
            flat = allocate("load_state", f"{name} of {source}", (prod(shape) * dtype.itemsize,), np.dtype(np.uint8))
            if fill(stream, flat) != len(flat):
                raise EOFError(f"{name} ends too early")
            numbers = flat.view(dtype).reshape(shape)
            arrays[name] = bfloat16_to_float32(numbers) if entry["dtype"] == _BFLOAT16 else numbers
    return arrays


def check_state_path(operation: str, path: object, suffixes: tuple[str, ...] = SUFFIXES) -> Path:
    """Return the path of a file of weights, whose suffix must be known."""
    target = check_path(operation, path)
    if target.suffix.lower() not in suffixes:
        raise InvalidValueError(f"{operation}: path must end in {' or '.join(suffixes)}, but got {str(target)!r}.")
    if target.suffix.lower() == ".safetensors":
        _safetensors(operation)
    return target


def _plain_arrays(operation: str, state: object) -> dict[str, Array]:
    """Return C-ordered arrays in the byte order of the machine."""
    if not isinstance(state, Mapping):
        raise InvalidTypeError(f"{operation}: state must be a mapping of names to arrays, but got {shown(state)}.")
    arrays = {}
    for name, value in state.items():
        if not isinstance(name, str) or not name:
            raise InvalidTypeError(
                f"{operation}: every name in state must be a non-empty string, but got {shown(name)}."
            )
        array = check_real(operation, name, value)
        arrays[name] = np.asarray(array, array.dtype.newbyteorder("="), order="C")
    return arrays


def write_arrays(path: PathLike, arrays: Mapping[str, Array]) -> None:
    """Write a NumPy archive, whole or not at all; any names, and no pickle."""
    write_whole(path, lambda stream: _write_archive(stream, arrays))


def _write_archive(stream: BinaryIO, arrays: Mapping[str, Array]) -> None:
    """`np.savez` would take an array of the name "file" for its own argument, and pickle what is not numbers."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _FIRST_DATE), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def read_arrays(operation: str, path: PathLike, *, only: str | None = None) -> dict[str, Array]:
    """Read a whole NumPy archive, or one entry of it; what is wrong with it is said with its name."""
    expected = f"{operation}: {os.fspath(path)} must be a whole .npz archive of arrays without Python objects"
    with open_regular(operation, path, StateFileError) as stream:
        begin = stream.read(_MAGIC_LENGTH)
        if not begin.startswith(_ZIP_MAGIC):
            raise StateFileError(f"{expected}, but it is {_kind(begin)}.")
        try:
            archive = open_archive(stream)
            members = array_entries(archive)
            members = {name: member for name, member in members.items() if only in (None, name)}
        except DAMAGED as error:
            raise StateFileError(f"{expected}, but it is damaged or truncated ({error}).") from None
        check_fits(operation, os.fspath(path), (sum(member.file_size for member in members.values()),), 1)
        arrays = {}
        for name, member in members.items():
            try:
                arrays[name] = read_array_entry(operation, f"{name} of {os.fspath(path)}", archive, member)
            except DAMAGED as error:
                raise StateFileError(f"{expected}, but {name} is something else, or damaged ({error}).") from None
    return arrays


def _kind(data: bytes) -> str:
    if not data:
        return "empty"
    if data.startswith(_PICKLE_MAGIC):
        return "a pickle, which could run any program and is not opened. Save the weights as arrays"
    if data.startswith(np.lib.format.MAGIC_PREFIX):
        return "a single array, .npy"
    return "something else, or damaged at its beginning"


def _safetensors(operation: str) -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            f"{operation}: safetensors must be installed for .safetensors files, but it cannot be imported ({error}). "
            'Install it with: python -m pip install "fastconv[safetensors]"'
        ) from None
    return safetensors.numpy
