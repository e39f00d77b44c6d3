"""The depth of a sum: how many additions one of its terms goes through at most.

Each of them rounds, by half an eps at most, so that a sum of depth d is within d / 2 eps of the sum of the magnitudes
(`machine.partial_sums`). The promise is 64 eps. Every plan stays within `LIMIT` additions, or its tiles are
compensated: what is rounded off where a chunk is added to the result is summed up as well, and added at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastconv.backends.fast.machine.partial_sums import MOST

__all__ = ["COMPENSATED", "LIMIT", "chain_depth", "first_within", "pairs_depth"]

LIMIT = 126  # 63 eps: the last one is for what is not of first order
COMPENSATED = 2  # additions after a chunk whose tiles are compensated: what was lost, which is rounded itself


def chain_depth(steps: int, chunks: int) -> int:
    """Depth of a chain of chunks of at most `steps` products: in a register, where that is put aside, and the chain."""
    return min(steps, MOST) + -(-steps // MOST) + chunks - 1


def pairs_depth(parts: int) -> int:
    """Depth of a sum of some numbers in pairs."""
    return (parts - 1).bit_length()


def first_within(depths: Iterable[tuple[int, int]]) -> tuple[int, int, bool]:
    """First (size, depth) within the limit; else the last one, and True: its tiles must be compensated.

    Examples
    --------
    >>> first_within([(384, 150), (512, 120)])
    (512, 120, False)
    """
    size, depth = 0, 0
    for size, depth in depths:
        if depth <= LIMIT:
            return size, depth, False
    return size, depth, True
