"""Activation functions on the fast engine: one pass over memory, in whichever order it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.activation_kernel import (
    activation,
    activation_backward,
    prelu,
    prelu_backward,
)
from fastconv.backends.fast.machine.kernel import Kernel
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.pointwise import in_one_order, strided_as
from fastconv.backends.settings import get_num_threads

_SERIAL_BYTES = 2**20  # read and written, below which one thread does it all; see `pointwise`
_BLOCKS = {kernel.name: kernel.block for kernel in (activation, activation_backward, prelu, prelu_backward)}
_BY_TASKS = {name: by_tasks(block) for name, block in _BLOCKS.items()}

Sums = Callable[[Array, Array, Array], tuple[Array, Array]]


def forward(name: str, x: Array, *numbers: float) -> Array:
    """Apply a function of `backends.activations`, in the memory order of x."""
    x, out = _like(x)
    factors = _factors(name, numbers, x.dtype)
    kernel = activation.address(x.itemsize, name)
    _run(activation, kernel, out, 2, X=x, FACTORS=factors)
    return out


def backward(name: str, dy: Array, value: Array, *numbers: float) -> Array:
    """Gradient of `forward`, in the memory order of the output or input, unless dy is channels-last."""
    dy, value = in_one_order(dy, value)
    value, out = _like(value)
    factors = _factors(name, numbers, value.dtype)
    kernel = activation_backward.address(value.itemsize, name)
    _run(activation_backward, kernel, out, 3, DY=strided_as(out, dy), VALUE=value, FACTORS=factors)
    return out


def with_slopes(x: Array, slopes: Array) -> Array:
    """Forward pass of PReLU."""
    x, out = _like(x)
    _run(prelu, prelu.address(x.itemsize), out, 2, _channels(out, slopes), X=x, SLOPES=np.ascontiguousarray(slopes))
    return out


def with_slopes_backward(dy: Array, x: Array, slopes: Array, sums: Sums) -> tuple[Array, Array]:
    """Gradients of PReLU; `sums` are `Backend.normalize_sums`."""
    dy, x = in_one_order(dy, x)
    x, out = _like(x)
    share, kernel = np.empty_like(out), prelu_backward.address(x.itemsize)
    arrays = {"DY": strided_as(out, dy), "X": x, "SHARE": share, "SLOPES": np.ascontiguousarray(slopes)}
    _run(prelu_backward, kernel, out, 4, _channels(out, slopes), **arrays)
    if not x.size:
        return out, np.zeros(slopes.shape, x.dtype)
    if slopes.size == 1:
        planes = in_order(share).reshape(1, 1, -1)
    else:
        planes = np.moveaxis(share, _axis(slopes), 1) if x.ndim > 1 else share[None]
        planes = planes.reshape(*planes.shape[:2], -1)
    total, _ = sums(planes, planes, np.zeros((1, slopes.size), x.dtype))
    return out, total.reshape(slopes.shape)


def _like(x: Array) -> tuple[Array, Array]:
    """An array of the memory order of x, without gaps, and x in that order."""
    out = np.empty_like(x, order="K", subok=False)
    return strided_as(out, x), out


@plan_cache(256)
def _factors(name: str, numbers: tuple[float, ...], dtype: np.dtype[np.floating]) -> Array:
    """The two numbers that a kernel gets."""
    first, second, *_ = (*numbers, 0.0, 0.0)
    return np.array([first * second if name == "elu" else first, second], dtype)


def _axis(slopes: Array) -> int:
    return next(axis for axis, size in enumerate(slopes.shape) if size != 1)


def _channels(out: Array, slopes: Array) -> tuple[int, int]:
    """Number of slopes, and how many numbers of `out` side by side have the same one."""
    if slopes.size == 1:
        return 1, max(1, out.size)
    return slopes.size, out.strides[_axis(slopes)] // out.itemsize


@plan_cache(1024)
def _plan(kernel: str, numbers: int, nbytes: int, channels: tuple[int, ...], threads: int) -> tuple[Array, int]:
    """Argument block but for the addresses, and number of threads."""
    threads = 1 if nbytes < _SERIAL_BYTES else threads
    block = _BLOCKS[kernel]
    entries = {**dict.fromkeys(block.names, 0), **dict(zip(("CHANNELS", "LENGTH"), channels))}
    return block.fill(**{**entries, "NUMBERS": numbers, "TASKS": threads}), threads


def _run(kernel: Kernel, built: int, out: Array, passes: int, channels: tuple[int, ...] = (), **arrays: Array) -> None:
    """Run a kernel that goes through memory as `out` does."""
    block, threads = _plan(kernel.name, out.size, passes * out.nbytes, channels, get_num_threads())
    arguments, index = block.copy(), kernel.block.index
    for name, array in arrays.items():
        arguments[index[name]] = address(array)
    arguments[index["OUT"]] = address(out)
    launch(built, arguments, threads, threads, out.size, _BY_TASKS[kernel.name])
