"""Channels-last memory behind (N, C, *spatial) views."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address
from fastconv.backends.fast.memory.reorder import plan_planes, reorder
from fastconv.backends.fast.memory.strided import copy_into
from fastconv.backends.fast.memory.workspace import aligned
from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST
from fastconv.backends.settings import get_num_threads

_LARGE = 2**20  # bytes from which on results start on a cache line, as stores past the caches need


def is_channels_last(x: Array) -> bool:
    """Whether the memory of a (N, C, *spatial) view is contiguous with the channels last."""
    return x.transpose(CHANNELS_LAST[x.ndim]).flags.c_contiguous


def empty_channels_last(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Uninitialised (N, C, *spatial) view of channels-last memory."""
    order = (shape[0], *shape[2:], shape[1])
    nbytes = prod(order) * dtype.itemsize
    if nbytes < _LARGE:
        return np.empty(order, dtype).transpose(CHANNELS_FIRST[len(shape)])
    return aligned(nbytes).view(dtype).reshape(order).transpose(CHANNELS_FIRST[len(shape)])


def zeros_channels_last(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """(N, C, *spatial) view of channels-last memory, zero."""
    return np.zeros((shape[0], *shape[2:], shape[1]), dtype).transpose(CHANNELS_FIRST[len(shape)])


def channels_last(x: Array) -> Array:
    """Return `x` in channels-last memory: itself where it is, or a copy."""
    if is_channels_last(x):
        return x
    y = empty_channels_last(x.shape, x.dtype)
    if not x.flags.c_contiguous:
        copy_into(y, x)
        return y
    if x.size:
        reorder(plan_planes(x.shape, x.itemsize, get_num_threads()), x.itemsize, address(x), address(y))
    return y
