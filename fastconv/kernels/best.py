"""The largest so far: what every form of max pooling compares with."""

from __future__ import annotations

from fastconv.kernels.jit import helper
from fastconv.kernels.memory import integer, load_at, size_of, store_at, store_integer, store_number

__all__ = ["LOWEST", "beats", "begin", "improve", "no_cell"]

LOWEST = -float("inf")


@helper
def beats(value, best):
    """Whether a later element replaces the best so far: greater, or the first NaN."""
    return (value > best) | ((value != value) & (best == best))  # without branches, so that loops vectorise


@helper
def begin(x, y, index, position, channels, with_index, number):
    """The first tap: y becomes x."""
    for c in range(channels):
        store_at(y, c, load_at(x, c, number))
    if with_index:
        for c in range(channels):
            store_integer(index, c, position)


@helper
def improve(x, y, index, position, channels, with_index, number):
    """Any other tap: y becomes x where that is larger."""
    for c in range(channels):
        value, best = load_at(x, c, number), load_at(y, c, number)
        wins = beats(value, best)
        store_at(y, c, value if wins else best)
        if with_index:
            store_integer(index, c, position if wins else integer(index, c))


@helper
def no_cell(y, index, channels, with_index, number):
    """Windows without a real cell."""
    for c in range(channels):
        store_number(y + c * size_of(number), LOWEST, number)
        if with_index:
            store_integer(index, c, -1)
