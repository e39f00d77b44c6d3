"""Launches over many arrays at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.backends.base import Array

_KINDS = (np.dtype(np.float32), np.dtype(np.float64))
# Bytes read and written below which one thread does it all: a parallel region costs 2 µs.
_SERIAL_BYTES = 2**20


def is_plain(arrays: Sequence[Array]) -> bool:
    """Whether kernels can take arrays: of one dtype, float32 or float64, each in C order."""
    kind = arrays[0].dtype
    return kind in _KINDS and all(array.flags.carray and array.dtype == kind for array in arrays)


def tasks_for(nbytes: int, threads: int) -> int:
    """Number of tasks, which is that of threads."""
    return threads if nbytes >= _SERIAL_BYTES else 1
