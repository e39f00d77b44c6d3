"""The pickles of PyTorch's files: storages and tensors as records, which nothing in a file can change or run."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fastconv.errors import StateFileError, shown
from fastconv.validation.pickles import RestrictedUnpickler, Source, check_keys

_MOST_INSTRUCTIONS = 2**20  # a tensor takes about thirty
_BFLOAT16 = "BFloat16Storage"
_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    _BFLOAT16: "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
    "UntypedStorage": "<u1",
}


class Kind(NamedTuple):
    """Stands for a class of storages."""

    name: str
    dtype: np.dtype[Any]

    @property
    def is_bfloat16(self) -> bool:
        """Whether it is of numbers that NumPy does not have."""
        return self.name == _BFLOAT16


class Storage(NamedTuple):
    """Stands for the memory of tensors."""

    kind: Kind
    key: str
    numel: int

    @property
    def nbytes(self) -> int:
        """Bytes that it has."""
        return self.numel * self.kind.dtype.itemsize

    def entry(self, root: str) -> str:
        """Name of the entry of the archive that it lies in."""
        return f"{root}/data/{self.key}"


class Tensor(NamedTuple):
    """Stands for a tensor: the numbers of a storage from `offset` on, with so many to the next along each axis."""

    storage: Storage
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuilt(storage: Any, offset: Any, sizes: Any, strides: Any, *_: Any) -> Tensor:
    """Return a tensor whose numbers are all in its storage, none of them a size away from memory."""
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError(f"a tensor must have a storage, but got {shown(storage)}")
    for name, values in (("offset", (offset,)), ("size", sizes), ("stride", strides)):
        if not isinstance(values, tuple) or not all(type(value) is int and value >= 0 for value in values):
            raise pickle.UnpicklingError(f"the {name} of a tensor must not be negative, but got {shown(values)}")
    if len(sizes) != len(strides):
        raise pickle.UnpicklingError(f"a tensor must have a stride for each size, but got {len(strides)} strides")
    last = offset + sum((size - 1) * step for size, step in zip(sizes, strides)) if all(sizes) else offset - 1
    if last >= storage.numel or prod(sizes) > storage.numel:
        raise pickle.UnpicklingError(
            f"a tensor must lie in its storage of {shown(storage.numel)} numbers, but got offset {shown(offset)}, size "
            f"{shown(sizes)} and stride {shown(strides)}"
        )
    return Tensor(storage, offset, sizes, strides)


def _stand_ins() -> dict[tuple[str, str], Any]:
    """Return what a pickle may name. New for each file: a pickle can set attributes of what it names."""

    class Ordered(dict[Any, Any]):
        """Stands for an ordered dictionary, whose attributes do not matter."""

        def __init__(self, items: Iterable[Any] = ()) -> None:
            pairs = [(key, value) for key, value in items]
            check_keys(key for key, _ in pairs)
            super().__init__(pairs)

        def __setstate__(self, state: Any) -> None:
            pass

    def tensor(*arguments: Any) -> Tensor:
        return _rebuilt(*arguments)

    def parameter(data: Any, *_: Any) -> Any:
        return data

    named: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): Ordered,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): parameter,
    }
    for name, dtype in _DTYPES.items():
        named["torch", name] = named["torch.storage", name] = Kind(name, np.dtype(dtype))
    return named


class TensorUnpickler(RestrictedUnpickler):
    """The unpickler of a state dict.

    Parameters
    ----------
    where : str
        Operation and file, for messages.
    source : Source
        The bytes.
    remedy : str
        What to do where something else than tensors was saved.
    """

    def __init__(self, where: str, source: Source, remedy: str) -> None:
        super().__init__(source, _stand_ins(), _MOST_INSTRUCTIONS, "utf-8")
        self._where, self._remedy = where, remedy

    def unknown(self, module: str, name: str) -> Any:
        """Refuse everything that is no tensor."""
        raise StateFileError(
            f"{self._where} must hold tensors alone, but it asks for {shown(f'{module}.{name}')}, which is not run. "
            f"{self._remedy} Unless you know who made this file, do not load it by other means."
        )

    def persistent_load(self, pid: Any) -> Storage:
        """Return the storage that a tensor is in."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise pickle.UnpicklingError(f"a reference to something that is no storage ({shown(pid)})")
        _, kind, key, _, numel = pid[:5]
        if not isinstance(kind, Kind) or not isinstance(key, str) or type(numel) is not int or numel < 0:
            raise pickle.UnpicklingError(f"a storage must have a class, a key and a length, but got {shown(pid[1:])}")
        return Storage(kind, key, numel)
