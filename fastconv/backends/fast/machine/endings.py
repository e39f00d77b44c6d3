"""Activation functions at the end of a tile: the loop over its results, which are in memory for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types

from fastconv.backends.fast.machine.activations import ENDS
from fastconv.backends.fast.machine.emitter import ADDS
from fastconv.backends.fast.machine.intrinsics import load_at, store_at


def slope_bits(slope: float) -> int:
    """Bits of a number, as a tile has them in its shape."""
    return int(np.float64(slope).view(np.int64))


def slope_of(bits: int, itemsize: int) -> float:
    """Number of these bits, rounded to a type."""
    return float(np.int64(bits).view(np.float64).astype(f"f{itemsize}"))


def _over(function: Any) -> Callable[..., None]:
    """Loop over numbers in memory, each of which becomes a function of it."""

    def over(place, count, slope):
        for i in range(count):
            store_at(place, i, function(load_at(place, i, slope), slope, slope))

    return over


def ending_function(context: Any, ending: int, itemsize: int, slope: int) -> Callable[..., None] | None:
    """Generator of the loop that an ending has, for `machine.emitter`; None where it has none."""
    if ending & ~ADDS not in ENDS:
        return None
    number = types.float32 if itemsize == 4 else types.float64
    signature, over = types.void(types.intp, types.intp, number), _over(ENDS[ending & ~ADDS])

    def emit(builder: Any, address: Any, count: Any) -> None:
        value = context.get_constant(number, slope_of(slope, itemsize))
        context.compile_internal(builder, over, signature, [address, count, value])

    return emit
