"""Products and sums whose rounding error is bounded, however long they are.

A term of a sum goes through every addition after its own, and each costs it half an eps at most. What BLAS adds up one
after the other is its own choice, up to the whole reduction; so it gets pieces, and these are added in pairs.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastconv.backends.base import Array

PIECE = 64  # products that BLAS may add up one after the other


def add_in_pairs(parts: Iterable[Array]) -> Array:
    """Sum of arrays, of which each goes through log2(n) additions or a few more; not many are in memory at a time."""
    waiting: list[tuple[int, Array]] = []  # sums of 2**rank parts each, ranks falling
    for part in parts:
        rank = 0
        while waiting and waiting[-1][0] == rank:
            part, rank = waiting.pop()[1] + part, rank + 1
        waiting.append((rank, part))
    total = waiting.pop()[1]
    while waiting:
        total = waiting.pop()[1] + total
    return total


def product(a: Array, b: Array) -> Array:
    """(..., M, K) @ (..., K, N), pieces of K at a time."""
    if a.shape[-1] <= PIECE:
        return np.asarray(np.matmul(a, b))
    starts = range(0, a.shape[-1], PIECE)
    return add_in_pairs(np.matmul(a[..., k : k + PIECE], b[..., k : k + PIECE, :]) for k in starts)


def row_sums(rows: Array) -> Array:
    """Sums over the last of two axes: NumPy adds in pairs along contiguous memory, and only there."""
    sums: Array = np.ascontiguousarray(rows).sum(axis=1)
    return sums
