"""Functions of one number at a time, in NumPy: block by block, so that all but the input and the output stays in cache.

A step of such a function is one pass over memory, and a sigmoid has four. In blocks, these passes and what they store
in between never leave the L2 cache, and a function has no temporary array of the size of its input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.functional.views import as_computed, finish
from fastconv.validation.arrays import Array, check_array, check_shape, common_dtype

__all__ = ["elementwise", "forward", "gradient", "select"]

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


def forward(operation: str, function: Callable[..., None], x: Any) -> Array:
    """Check `x`, and apply ``function(x, y)`` in the dtype of the computation."""
    x = check_array(operation, "x", x)
    dtype = common_dtype(operation, x)
    return finish(elementwise(function, as_computed(x, dtype)), dtype, channels_last=False)


def gradient(operation: str, function: Callable[..., None], dy: Any, value: Any, name: str) -> Array:
    """Check `dy` and the input or output, `name`, and apply ``function(dy, value, dx)`` as in `forward`."""
    dy, value = check_array(operation, "dy", dy), check_array(operation, name, value)
    check_shape(operation, "dy", dy.shape, value.shape, f"that of {name}")
    dtype = common_dtype(operation, dy, value)
    dx = elementwise(function, as_computed(dy, dtype), as_computed(value, dtype))
    return finish(dx, dtype, channels_last=False)
