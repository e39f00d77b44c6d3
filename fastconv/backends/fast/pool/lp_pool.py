"""Lp pooling on the fast engine: powers, sums of windows, roots; all in float64."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.memory.layout import channels_last, empty_channels_last, is_channels_last
from fastconv.backends.fast.pool.pool import in_best_order, window_sums, window_sums_backward
from fastconv.backends.fast.pool.powers_kernel import EXPONENTS, POWERS, ROOTS, powers
from fastconv.backends.geometry import CHANNELS_LAST, WindowGeometry
from fastconv.backends.settings import get_num_threads

_DOUBLE = np.dtype(np.float64)
_BY_TASKS = by_tasks(POWERS)
_BLOCK = 2**14  # numbers that NumPy's functions do at a time
_SERIAL = 2**14  # numbers below which one thread does it all


def _dense(x: Array, geometry: WindowGeometry) -> Array:
    """Return x without gaps between its numbers, channels-last or as planes."""
    x = in_best_order(x, geometry)
    return x if is_channels_last(x) else np.ascontiguousarray(x)


def _like(array: Array, x: Array) -> Array:
    """Return an array in the memory order of a dense x."""
    return np.ascontiguousarray(array) if x.flags.c_contiguous else channels_last(array)


def _map(form: str, a: Array, b: Array | None, norm_type: float, dtype: np.dtype[np.floating]) -> Array:
    """One of the maps of `pool.powers_kernel` over dense arrays of one memory order."""
    y: Array = (np.empty if a.flags.c_contiguous else empty_channels_last)(a.shape, dtype)
    if norm_type not in (ROOTS if form in ("root", "share") else EXPONENTS):
        _map_any(form, a, b, y, norm_type)
    elif a.size:
        threads = 1 if a.size < _SERIAL else get_num_threads()
        arguments = POWERS.fill(
            A=address(a), B=0 if b is None else address(b), Y=address(y), COUNT=a.size, TASKS=threads
        )
        item = dtype.itemsize if form == "root" else a.itemsize
        launch(powers.address(item, form, int(norm_type)), arguments, threads, threads, a.size, _BY_TASKS)
    return y


def _flat(x: Array) -> Array:
    """View of a dense array as its numbers in the order of memory."""
    return (x if x.flags.c_contiguous else x.transpose(CHANNELS_LAST[x.ndim])).reshape(-1)


@np.errstate(all="ignore")
def _map_any(form: str, a: Array, b: Array | None, y: Array, norm_type: float) -> None:
    """The same by NumPy, some numbers at a time, which stay in a cache."""
    first, second, result = _flat(a), None if b is None else _flat(b), _flat(y)
    for start in range(0, a.size, _BLOCK):
        some = slice(start, start + _BLOCK)
        result[some] = _any_power(form, first[some], None if second is None else second[some], norm_type)


def _any_power(form: str, a: Array, b: Array | None, p: float) -> Array:
    """The maps for any exponent, by NumPy, whose vectorised power takes 2 ns a number where one in a kernel takes 7."""
    if form == "root":
        return np.power(a, 1 / p)
    if form == "power":
        return np.power(np.abs(a).astype(_DOUBLE), p)
    assert b is not None
    if form == "share":
        return np.where(b == 0, 0, a / np.power(b, (p - 1) / p))
    x = a.astype(_DOUBLE)
    return np.where(x == 0, 0, np.sign(x) * np.power(np.abs(x), p - 1)) * b


def lp_pool(x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
    """Norms of the windows."""
    sums = window_sums(_map("power", _dense(x, geometry), None, norm_type, _DOUBLE), geometry)
    return _map("root", sums, None, norm_type, x.dtype)


def lp_pool_backward(dy: Array, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
    """Gradient of the norms: dy / y^(p-1), spread over the windows, times sign(x) |x|^(p-1)."""
    x = _dense(x, geometry)
    sums = window_sums(_map("power", x, None, norm_type, _DOUBLE), geometry)
    shares = _map("share", _like(dy, sums), sums, norm_type, _DOUBLE)
    spread = window_sums_backward(shares, geometry)
    return _map("slope", x, _like(spread, x), norm_type, x.dtype)
