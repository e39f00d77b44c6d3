"""Softmax and its kin on the fast engine: one launch, in whichever memory order.

Memory without gaps is (OUTER, CLASSES, INNER) whatever the axis and the order. Where nothing is inside of the axis its
numbers lie side by side, in rows; otherwise each class is a plane.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import Cut, address, by_tasks, launch
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.workspace import apart, borrowed
from fastconv.backends.fast.pointwise import strided_as
from fastconv.backends.fast.softmax.planes_kernel import SCRATCH_BYTES, softmax_of_planes, softmax_of_planes_backward
from fastconv.backends.fast.softmax.rows_kernel import softmax_of_rows, softmax_of_rows_backward
from fastconv.backends.settings import get_num_threads

_SERIAL_NUMBERS = 2**14  # numbers below which one thread does it all
_KERNELS = {
    (False, False): softmax_of_rows,
    (False, True): softmax_of_rows_backward,
    (True, False): softmax_of_planes,
    (True, True): softmax_of_planes_backward,
}  # of planes, and of a gradient


def softmax(x: Array, axis: int) -> Array:
    """See `SoftmaxAlongAxis.softmax`."""
    return _along(axis, "softmax", x)


def softmax_backward(dy: Array, y: Array, axis: int) -> Array:
    """See `SoftmaxAlongAxis.softmax_backward`."""
    return _along(axis, "softmax", y, dy)


def log_softmax(x: Array, axis: int) -> Array:
    """See `SoftmaxAlongAxis.log_softmax`."""
    return _along(axis, "log_softmax", x)


def log_softmax_backward(dy: Array, y: Array, axis: int) -> Array:
    """See `SoftmaxAlongAxis.log_softmax_backward`."""
    return _along(axis, "log_softmax", y, dy)


def _along(axis: int, function: str, value: Array, dy: Array | None = None) -> Array:
    """Function of its input along an axis, or gradient from its output and dy, in the memory order of `value`."""
    out = np.empty_like(value, order="K", subok=False)
    if not out.size:
        return out
    classes = out.shape[axis]
    inner = out.strides[axis] // out.itemsize if classes > 1 else 1
    plan = _plan(function, dy is not None, out.size, classes, inner, out.itemsize, get_num_threads())
    block, kernel, threads, cut, scratch = plan
    arguments = block.copy()
    arrays = [strided_as(out, array) for array in (dy, value) if array is not None]
    for i, array in enumerate([*arrays, out]):  # the first entries of the block
        arguments[i] = address(array)
    if cut.scratch is None:
        launch(kernel, arguments, threads, threads, out.size, cut)
        return out
    with borrowed(scratch) as memory:
        arguments[cut.scratch[0]] = address(memory)
        launch(kernel, arguments, threads, threads, out.size, cut)
    return out


@plan_cache(512)
def _plan(
    function: str, gradient: bool, numbers: int, classes: int, inner: int, itemsize: int, threads: int
) -> tuple[Array, int, int, Cut, int]:
    """Argument block but for the addresses, kernel, threads, how a long launch is cut, and bytes of scratch memory."""
    kernel, threads = _KERNELS[inner > 1, gradient], 1 if numbers < _SERIAL_NUMBERS else threads
    outer, stride = numbers // (classes * inner), apart(SCRATCH_BYTES)
    sizes = {"OUTER": outer, "ROWS": outer, "CLASSES": classes, "INNER": inner, "SCRATCH_STRIDE": stride}
    names = kernel.block.names
    entries = {**dict.fromkeys(names, 0), **{name: size for name, size in sizes.items() if name in names}}
    block = kernel.block.fill(**{**entries, "TASKS": threads})
    return block, kernel.address(itemsize, function), threads, by_tasks(kernel.block), threads * stride
