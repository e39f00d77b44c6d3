"""Dropout on the fast engine: one launch draws a mask, and one applies it, in the memory order of the input."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.dropout import scale, threshold
from fastconv.backends.fast.dropout.dropout_kernel import DRAW, DROPOUT, apply_mask, draw_mask
from fastconv.backends.fast.machine.blocks import bits_of
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.memory.copying import empty_in_order_of, stored_as
from fastconv.backends.fast.memory.layout import is_channels_last
from fastconv.backends.geometry import CHANNELS_LAST
from fastconv.backends.settings import get_num_threads

_SERIAL_NUMBERS = 2**16  # numbers below which one thread does it all


def dropout_mask(seed: Array, p: float, like: Array) -> Array:
    """See `DropoutMasks.dropout_mask`; neither in C order nor channels last, it is drawn in C order and copied."""
    mask = np.empty_like(like, np.bool_, subok=False)
    last = not mask.flags.c_contiguous and mask.ndim in CHANNELS_LAST and is_channels_last(mask)
    drawn = mask if last or mask.flags.c_contiguous else np.empty(mask.shape, np.bool_)
    length = mask.shape[1] if last else 1
    tasks = _tasks(mask.size)
    arguments = DRAW.fill(
        SEED=address(seed), MASK=address(drawn), ROWS=mask.size // length, LENGTH=length,
        PIXELS=prod(mask.shape[2:]), LEAST=threshold(p), TASKS=tasks,
    )  # fmt: skip
    launch(draw_mask.address(last), arguments, tasks, tasks, mask.size, by_tasks(DRAW))
    if drawn is not mask:
        mask[...] = drawn
    return mask


def dropout(x: Array, mask: Array, p: float) -> Array:
    """See `DropoutMasks.dropout`; in the memory order of the mask, or, of channels, in that of x."""
    if mask.shape == x.shape:
        form, y, rows, length = "numbers", np.empty_like(mask, x.dtype), x.size, 1
    else:
        y, pixels, (batch, channels) = empty_in_order_of(x, x.shape), prod(x.shape[2:]), x.shape[:2]
        last = not y.flags.c_contiguous
        form, rows, length = ("pixels", batch * pixels, channels) if last else ("planes", batch * channels, pixels)
    x, tasks = stored_as(y, x), _tasks(x.size)
    arguments = DROPOUT.fill(
        X=address(x), MASK=address(mask), Y=address(y), ROWS=rows, LENGTH=length, PIXELS=prod(x.shape[2:]),
        SCALE=bits_of(scale(p)), TASKS=tasks,
    )  # fmt: skip
    launch(apply_mask.address(x.itemsize, form), arguments, tasks, tasks, x.size, by_tasks(DROPOUT))
    return y


def _tasks(numbers: int) -> int:
    return 1 if numbers < _SERIAL_NUMBERS else get_num_threads()
