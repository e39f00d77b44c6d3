"""ReLU, its gradient, sums and products on the fast engine: one pass over memory, in whichever order it is."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.machine.record import active
from fastconv.backends.fast.memory.layout import channels_last, is_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.strided import copy_into
from fastconv.backends.fast.pointwise_kernel import POINTWISE, pointwise
from fastconv.backends.geometry import CHANNELS_LAST
from fastconv.backends.settings import get_num_threads

_A, _B, _OUT = (POINTWISE.index[name] for name in ("A", "B", "OUT"))
_BY_TASKS = by_tasks(POINTWISE)
# Below this, NumPy's own sum is over before a kernel is called: 0.6 µs for 1,000 numbers against 1.6 µs.
_TINY_NUMBERS = 2**11
# Bytes read and written below which one thread does it all: a parallel region costs 2 µs, and as many bytes take 5 µs.
SERIAL_BYTES = 2**20


def relu(x: Array) -> Array:
    """Return max(x, 0), in the memory order of x; -0 becomes 0."""
    return _run("relu", x, x)


def relu_backward(dy: Array, y: Array) -> Array:
    """Return dy where y is positive, in the memory order of y."""
    return _run("relu_backward", *in_one_order(dy, y))


def add(a: Array, b: Array, relu: bool) -> Array:
    """Return a + b, or its ReLU; channels-last if one of them is."""
    if a.size < _TINY_NUMBERS and not relu and not active:
        return _by_numpy(np.add, a, b)
    return _run("add_relu" if relu else "add", *in_one_order(a, b))


def multiply(a: Array, b: Array) -> Array:
    """Return a * b; channels-last if one of them is."""
    if a.size < _TINY_NUMBERS and not active:
        return _by_numpy(np.multiply, a, b)
    return _run("multiply", *in_one_order(a, b))


def _by_numpy(function: np.ufunc, a: Array, b: Array) -> Array:
    result = np.empty_like(a)
    with np.errstate(all="ignore"):
        return function(a, b, out=result)  # type: ignore[no-any-return]


def in_one_order(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both as they are, or both in channels-last memory if one of them is."""
    if a.strides != b.strides and a.ndim in CHANNELS_LAST and (is_channels_last(a) or is_channels_last(b)):
        return channels_last(a), channels_last(b)
    return a, b


@plan_cache(1024)
def _plan(form: str, numbers: int, itemsize: int, threads: int) -> tuple[Array, int, int]:
    """Argument block but for the addresses, kernel, and number of threads."""
    arrays = 2 if form == "relu" else 3
    threads = 1 if arrays * numbers * itemsize < SERIAL_BYTES else threads
    block = POINTWISE.fill(A=0, B=0, OUT=0, NUMBERS=numbers, TASKS=threads)
    return block, pointwise.address(itemsize, form), threads


def _run(form: str, a: Array, b: Array) -> Array:
    out = np.empty_like(b, order="K", subok=False)
    a, b = strided_as(out, a), strided_as(out, b)
    plan, kernel, threads = _plan(form, out.size, out.itemsize, get_num_threads())
    arguments = plan.copy()
    arguments[_A], arguments[_B], arguments[_OUT] = address(a), address(b), address(out)
    launch(kernel, arguments, threads, threads, out.size, _BY_TASKS)
    return out


def strided_as(out: Array, x: Array) -> Array:
    """Return `x` with the strides of `out`, which has no gaps: itself where it has them, or a copy."""
    if (x.strides == out.strides or _same_but_for_ones(x, out)) and x.flags.aligned:
        return x
    copy = np.empty_like(out)
    copy_into(copy, x)
    return copy


def _same_but_for_ones(x: Array, out: Array) -> bool:
    """Whether the strides are the same along every axis that has any use for one."""
    return all(size == 1 or stride == other for size, stride, other in zip(x.shape, x.strides, out.strides))
