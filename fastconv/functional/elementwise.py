"""What activation functions share: functions of one number at a time, in NumPy, block by block.

Every activation function takes an array of any shape, memory order and real dtype and returns a fresh one: float32 and
float64 are kept, float16 is computed in float32 and rounded once, integers become float64. Infinities and NaN give what
they give in PyTorch, without a warning. A backward function takes the output `y` of the forward one where the output
says enough, so that a network need not keep the input too, and `x` elsewhere.

A step of such a function is one pass over memory, and a sigmoid has four. In blocks, these passes and what they store
in between never leave the L2 cache, and a function has no temporary array of the size of its input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.functional.call import Call
from fastconv.validation.arrays import Array

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


def forward(operation: str, function: Callable[..., None], x: object) -> Array:
    """Check `x`, and apply ``function(x, y)`` in the dtype of the computation."""
    call = Call(operation)
    (array,) = call.arrays(x=x).values()
    return call.finish(elementwise(function, call.computed(array)))


def gradient(operation: str, function: Callable[..., None], dy: object, value: object, name: str) -> Array:
    """Check `dy` and the input or output, `name`, and apply ``function(dy, value, dx)`` as in `forward`."""
    call = Call(operation)
    return call.finish(elementwise(function, *call.gradient_pair(name, dy, value)))


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
