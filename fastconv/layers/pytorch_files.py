"""State dicts from the files that ``torch.save`` writes, without PyTorch, and without running what is in them.

Such a file is a zip archive of a pickle, ``data.pkl``, and of the memory of the tensors, an entry for each storage. The
pickle calls functions of PyTorch that make tensors from storages, sizes and strides. Here it calls stand-ins, which
keep what they are called with (`pytorch_pickles`). What they kept is compared with the archive before memory is taken,
and then arrays are views of what was read. Every other name is refused.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.errors import FastconvError, StateFileError, shown
from fastconv.files import open_regular
from fastconv.layers.pytorch_pickles import Storage, Tensor, TensorUnpickler
from fastconv.validation.archives import entries, open_archive, read_bytes_entry, read_entry
from fastconv.validation.arrays import Array, bfloat16_to_float32
from fastconv.validation.memory import check_fits
from fastconv.validation.pickles import Source

PYTORCH_SUFFIXES = (".pt", ".pth")

_PICKLE, _ORDER = "/data.pkl", b"little"
_LARGEST_PICKLE = 2**26  # bytes; a tensor takes about a hundred
_INSIDE = ("state_dict", "model_state_dict", "model")  # where checkpoints have the state dict
_PARALLEL = "module."  # what DataParallel puts before every name
_SAVE_ANEW = 'Save the state dict with PyTorch: torch.save(model.state_dict(), "weights.pth").'


def read_pytorch(operation: str, path: Path) -> dict[str, Array]:
    """Return the state dict in a file; what is wrong with it is said with its name."""
    where = f"{operation}: {path}"
    with open_regular(operation, path, StateFileError) as stream:
        begin = stream.read(4)
        if not begin.startswith(b"PK"):
            raise StateFileError(f"{where} must be a zip archive of torch.save, but it is {_other_kind(begin)}")
        try:
            archive = open_archive(stream)
            members = entries(archive)
            root = _root(where, members)
            tensors = _tensors(where, _unpickled(where, archive, members, root))
            storages = {one.storage for one in tensors.values()}
            _check(members, root, storages)
            memory = {one: _read(operation, path, archive, members[one.entry(root)], one) for one in storages}
            arrays = {name: _view(memory[tensor.storage], tensor) for name, tensor in tensors.items()}
        except (FastconvError, OSError):
            raise
        except Exception as error:  # what damaged archives and pickles raise has no limit
            raise StateFileError(
                f"{where} must be a whole file of torch.save, but it is damaged, truncated or something else "
                f"({type(error).__name__}: {error})."
            ) from error
    parallel = bool(arrays) and all(name.startswith(_PARALLEL) for name in arrays)
    return {name.removeprefix(_PARALLEL) if parallel else name: array for name, array in arrays.items()}


def _other_kind(begin: bytes) -> str:
    if not begin:
        return "empty."
    if begin.startswith(b"\x80"):
        return (
            "a bare pickle, as torch.save wrote it before PyTorch 1.6, which is not opened. Save it anew with PyTorch: "
            "torch.save(torch.load(path, weights_only=True), path)."
        )
    return f"something else, or damaged at its beginning. {_SAVE_ANEW}"


def _root(where: str, members: dict[str, zipfile.ZipInfo]) -> str:
    """Return the folder that everything in an archive is in."""
    roots = [name.removesuffix(_PICKLE) for name in members if name.endswith(_PICKLE) and name.count("/") == 1]
    if len(roots) != 1:
        raise StateFileError(
            f"{where} must have one data.pkl, as torch.save writes it, but got {len(roots)}. {_SAVE_ANEW}"
        )
    root = roots[0]
    if any(name == f"{root}/constants.pkl" or name.startswith(f"{root}/code/") for name in members):
        raise StateFileError(f"{where} must hold weights alone, but it is a program of TorchScript. {_SAVE_ANEW}")
    return root


def _unpickled(where: str, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], root: str) -> Any:
    """Return what the pickle makes, with records in place of tensors."""
    order = members.get(f"{root}/byteorder")
    if order is not None and (order.file_size != len(_ORDER) or read_entry(archive, order) != _ORDER):
        raise StateFileError(
            f"{where} must have numbers in little-endian order, but its byteorder says something else. Load it with "
            "PyTorch on a little-endian machine, and save it there."
        )
    member = members[root + _PICKLE]
    if member.file_size > _LARGEST_PICKLE:
        raise StateFileError(
            f"{where} must have a data.pkl of at most {_LARGEST_PICKLE} bytes, but got {member.file_size}. {_SAVE_ANEW}"
        )
    return TensorUnpickler(where, Source.of(read_entry(archive, member)), _SAVE_ANEW).load()


def _tensors(where: str, content: Any) -> dict[str, Tensor]:
    """Return the state dict in what was saved."""
    found = content
    if isinstance(content, dict):
        found = next((content[key] for key in _INSIDE if isinstance(content.get(key), dict)), content)
    if not isinstance(found, dict):
        kind = "tensor" if isinstance(content, Tensor) else type(content).__name__
        raise StateFileError(f"{where} must hold a state dict, but it holds a {kind}. {_SAVE_ANEW}")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise StateFileError(
                f"{where} must hold a state dict of tensors, or one under {', '.join(_INSIDE)}, but {shown(name)} is "
                f"{shown(value)}. {_SAVE_ANEW}"
            )
    return found


def _check(members: dict[str, zipfile.ZipInfo], root: str, storages: set[Storage]) -> None:
    """Compare what the pickle says about storages with the archive, before any memory is taken for them."""
    for storage in storages:
        member = members.get(storage.entry(root))
        if member is None:
            raise pickle.UnpicklingError(f"{shown(storage.entry(root))} is missing")
        if member.file_size != storage.nbytes:
            raise pickle.UnpicklingError(
                f"{member.filename} must have {shown(storage.nbytes)} bytes, but got {member.file_size}"
            )
        if member.compress_type != zipfile.ZIP_STORED:
            raise zipfile.BadZipFile(f"{member.filename} must be stored as it is, but it is compressed")


def _read(operation: str, path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, storage: Storage) -> Array:
    """Return the numbers of a storage."""
    check_fits(operation, f"{member.filename} of {path}", (storage.numel,), 4)
    flat = read_bytes_entry(operation, f"{member.filename} of {path}", archive, member)
    if storage.kind.is_bfloat16:
        return bfloat16_to_float32(flat.view("<u2"))
    if storage.kind.dtype == np.dtype(bool):
        flags: Array = flat != 0
        return flags
    numbers: Array = flat.view(storage.kind.dtype)
    return numbers.astype(numbers.dtype.newbyteorder("="), copy=False)


def _view(numbers: Array, tensor: Tensor) -> Array:
    """Return a tensor as a view of its storage, beyond which NumPy lets nothing reach."""
    item = numbers.itemsize
    strides = tuple(step * item for step in tensor.strides)
    view: Array = np.ndarray(tensor.sizes, numbers.dtype, numbers, tensor.offset * item, strides)
    return view
