"""Functions of one number at a time, in NumPy, block by block.

A step of such a function is one pass over memory, and a sigmoid has four. In blocks, these passes and what they store
in between never leave the L2 cache, and a function has no temporary array of the size of its input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Numbers of a block: 64 KiB of float32, three of which fit into the smallest L2 cache (256 KiB).
BLOCK = 2**14


def elementwise(function: Callable[..., None], *arrays: Array) -> Array:
    """Return a fresh array, in the memory order of the last of `arrays`, filled by ``function(*blocks, block of it)``.

    Infinities and NaN are results like any other here: no warning is given.
    """
    result = np.empty_like(arrays[-1], subok=False)
    with np.errstate(all="ignore"):
        if result.size <= BLOCK:
            function(*(np.atleast_1d(array) for array in (*arrays, result)))
            return result
        access: Any = [*(["readonly"] for _ in arrays), ["writeonly"]]
        with np.nditer([*arrays, result], ["external_loop", "buffered"], access, order="K", buffersize=BLOCK) as blocks:
            for each in blocks:
                function(*each)
    return result


def select(mask: Array, values: Any, out: Array) -> None:
    """Store `values`, an array or a number, in `out` where `mask` is true.

    In bits, ``out ^= (out ^ values) & mask``: `numpy.copyto` with ``where=`` branches at every number, which takes ten
    times as long where the numbers are in no order.
    """
    bits = np.dtype(f"i{out.itemsize}")
    chosen = np.negative(mask.view(np.int8))  # all ones, or 0
    target = out.view(bits)
    changes = np.bitwise_xor(target, np.asarray(values, out.dtype).view(bits))
    changes &= chosen
    np.bitwise_xor(target, changes, out=target)


def sum_along(x: Array, axis: int) -> Array:
    """Sum along an axis, which is kept, in an order that does not depend on that of the memory, as NumPy's own does.

    The last axis is summed as it is where it lies side by side; any other in halves, which needs no copy.
    """
    size = x.shape[axis]
    if size < 2 or axis == x.ndim - 1:
        return np.ascontiguousarray(x).sum(axis=axis, keepdims=True)  # type: ignore[no-any-return]
    before = (slice(None),) * axis
    while size > 1:
        half = size // 2
        total = x[(*before, slice(half))] + x[(*before, slice(half, 2 * half))]
        if size % 2:
            total[(*before, slice(1))] += x[(*before, slice(size - 1, size))]
        x, size = total, half
    return x
