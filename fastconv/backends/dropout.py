"""The dropout of the contract, in NumPy: a mask that is a function of a seed and of positions alone.

Position i of a mask, counted in the order of its axes, gets number i of the generator SplitMix64 whose state is the
seed: Steele, Lea and Flood (2014), "Fast Splittable Pseudorandom Number Generators", figure 17. It is a counter that
is mixed, so that any number can be had without those before it, on any thread and in any memory order. The upper half
of its 64 bits decides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

STEP = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, odd
FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
SHIFTS = (30, 27, 31)
_BLOCK = 2**14  # positions drawn at a time, whose 64-bit numbers stay in the L2 cache


class DropoutMasks:
    """Masks, and arrays with a mask applied."""

    def dropout_mask(self, seed: NDArray[np.uint64], p: float, like: Array) -> NDArray[np.bool_]:
        """What is kept, with a probability of ``1 - p``: shaped and stored like an array, drawn from one seed."""
        mask = np.empty_like(like, np.bool_, subok=False)
        drawn = mask if mask.flags.c_contiguous else np.empty(mask.shape, np.bool_)
        flat, least = drawn.reshape(-1), threshold(p)
        for first in range(0, flat.size, _BLOCK):
            stop = min(first + _BLOCK, flat.size)
            flat[first:stop] = kept(np.arange(first, stop, dtype=np.uint64), seed, least)
        if drawn is not mask:
            mask[...] = drawn
        return mask

    def dropout(self, x: Array, mask: NDArray[np.bool_], p: float) -> Array:
        """Return x over ``1 - p`` where it is kept, and 0 elsewhere; a mask (N, C, 1, …) is one of channels."""
        with np.errstate(all="ignore"):
            y: Array = np.multiply(x, mask, dtype=x.dtype)
            y *= x.dtype.type(scale(p))
        return y


def scale(p: float) -> float:
    """What the numbers that are kept are multiplied by."""
    return 1 / (1 - p) if p < 1 else 0.0


def threshold(p: float) -> int:
    """Least number of 32 bits for which a position is kept."""
    return round(p * 2**32)


def shifted(seed: int, positions: int) -> int:
    """Return the seed whose position 0 is that position of another one."""
    return (seed + positions * STEP) % 2**64


def kept(positions: NDArray[np.uint64], seed: NDArray[np.uint64], least: int) -> NDArray[np.bool_]:
    """Whether positions are kept."""
    with np.errstate(all="ignore"):  # modulo 2^64
        bits = seed + (positions + np.uint64(1)) * np.uint64(STEP)
        bits = (bits ^ bits >> np.uint64(SHIFTS[0])) * np.uint64(FACTORS[0])
        bits = (bits ^ bits >> np.uint64(SHIFTS[1])) * np.uint64(FACTORS[1])
        bits ^= bits >> np.uint64(SHIFTS[2])
    return np.asarray((bits >> np.uint64(32)) >= np.uint64(least))
