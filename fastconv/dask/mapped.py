"""Memory-mapped arrays in pieces: Dask would copy the whole of one into memory, and send it to workers."""

from __future__ import annotations

import mmap
import os
from typing import Any, cast

import numpy as np

from fastconv.validation.arrays import Array


class Mapped:
    """What of a memory-mapped array Dask asks for: shape, dtype, and slices.

    Parameters
    ----------
    array : numpy.memmap
        Of a whole file, or from some byte on, it is opened anew in other processes; a view of one is sent to them.
    """

    def __init__(self, array: np.memmap[Any, Any]) -> None:
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index: Any) -> Array:
        return np.asarray(self.array[index])

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        file = self.array.filename
        changed = None if file is None else os.stat(file).st_mtime_ns
        return (str(file), changed, *self.array.__array_interface__["data"], self.shape, self.array.strides, self.dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        array, base = self.array, cast(Any, self.array.base)
        if not isinstance(base, mmap.mmap) or array.filename is None:
            return _of_view, (np.asarray(array),)
        order = "C" if array.flags.c_contiguous else "F"
        return _opened, (array.filename, array.dtype, array.offset, array.shape, order)


def _opened(file: Any, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], order: Any) -> Mapped:
    return Mapped(np.memmap(file, dtype, "r", offset, shape, order))


def _of_view(array: Array) -> Array:
    return array
