"""Channels-last memory behind (N, C, *spatial) views."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from fastconv.backends.base import Array
from fastconv.kernels.launch import launch
from fastconv.kernels.layout import LAYOUT, layout_address
from fastconv.options import get_num_threads

__all__ = ["channels_last", "empty_channels_last", "is_channels_last", "zeros_channels_last"]

_SERIAL_NUMBERS = 2**16  # numbers below which planes are reordered on one thread
_BLOCK = 64  # pixels that are reordered at a time


def is_channels_last(x: Array) -> bool:
    """Whether the memory of a (N, C, *spatial) view is contiguous with the channels last."""
    return np.moveaxis(x, 1, -1).flags.c_contiguous


def empty_channels_last(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Uninitialised (N, C, *spatial) view of channels-last memory."""
    return np.moveaxis(np.empty((shape[0], *shape[2:], shape[1]), dtype), -1, 1)


def zeros_channels_last(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """(N, C, *spatial) view of channels-last memory, zero."""
    return np.moveaxis(np.zeros((shape[0], *shape[2:], shape[1]), dtype), -1, 1)


def channels_last(x: Array) -> Array:
    """Return `x` in channels-last memory: itself where it is, or a copy."""
    if is_channels_last(x):
        return x
    y = empty_channels_last(x.shape, x.dtype)
    if not x.flags.c_contiguous:
        y[...] = x
        return y
    tasks = 1 if x.size < _SERIAL_NUMBERS else get_num_threads()
    arguments = LAYOUT.fill(
        X=x.ctypes.data,
        Y=y.ctypes.data,
        BATCH=x.shape[0],
        CHANNELS=x.shape[1],
        PIXELS=prod(x.shape[2:]),
        BLOCK=_BLOCK,
        TASKS=tasks,
    )
    launch(layout_address(x.itemsize), arguments, tasks, tasks)
    return y
