"""Arrays between pages that may not be touched: an access beyond them, by one number, ends the process."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

Array = np.ndarray[Any, Any]
PAGE = mmap.PAGESIZE
KINDS = ("empty", "zeros", "ones", "full", "empty_like", "zeros_like", "ones_like")


class Guard:
    """Makes arrays whose last byte, or first one, has a forbidden page beside it."""

    def __init__(self) -> None:
        self.count, self.at_end = 0, True
        self._protect = ctypes.CDLL(None, use_errno=True).mprotect
        self._protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def memory(self, size: int) -> Array:
        """So many bytes, on pages of their own between two that may not be read or written."""
        pages = -(-max(size, 1) // PAGE) * PAGE
        whole = memoryview(mmap.mmap(-1, pages + 2 * PAGE))
        start = np.frombuffer(whole, np.uint8).ctypes.data
        for first in (start, start + PAGE + pages):
            if self._protect(first, PAGE, 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        self.count += 1
        first = PAGE + (pages - size if self.at_end else 0)
        return np.frombuffer(whole[first : first + size], np.uint8)  # whose base is no array, with the pages

    def like(self, array: Array) -> Array:
        """A copy in the same memory order."""
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        stored = self.memory(array.nbytes).view(array.dtype).reshape([array.shape[axis] for axis in order])
        copy = stored.transpose(np.argsort(order)) if array.ndim else stored
        copy[...] = array
        return copy

    @contextmanager
    def around_results(self) -> Iterator[None]:
        """Give what NumPy makes anew such memory, too."""
        with mock.patch.multiple(np, **{kind: self._made_by(getattr(np, kind)) for kind in KINDS}):
            yield

    def _made_by(self, make: Callable[..., Array]) -> Callable[..., Array]:
        def guarded(*arguments: Any, **options: Any) -> Array:
            array = make(*arguments, **options)
            return self.like(array) if array.dtype.kind in "fiub" and 0 < array.nbytes < 2**22 else array

        return guarded
