"""Which value of a call is the bias, from the output for an input of zeros."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastconv.dropin.example.description import Bias, Image
from fastconv.dropin.example.layouts import Axes
from fastconv.dropin.example.slots import RESULT, Slot, arrays_in, walk
from fastconv.dropin.example.windows import close
from fastconv.validation.arrays import Array


class UnknownBias(Exception):
    """Something is added to the output that lies nowhere in the call."""


def find_bias(y: Image, taken: tuple[Slot, ...], offset: Array, call: Mapping[str, Any]) -> Bias | None:
    """Find the bias that is added to the output.

    Parameters
    ----------
    y : Image
        The output.
    taken : tuple of Slot
        Arrays that are something else.
    offset : ndarray, shape (N, F, OH, OW)
        Output for an input of zeros.
    call : mapping of str to object
        The call with what went in.

    Returns
    -------
    Bias or None
        None where nothing is added.

    Raises
    ------
    UnknownBias
        If something is added that is no value of the call.
    """
    if not offset.any():
        return None
    arrays = {slot: array for slot, array in arrays_in(call).items() if slot not in taken and slot.root != RESULT}
    filters = offset.shape[1]
    if close(offset, np.broadcast_to(offset[:1, :, :1, :1], offset.shape)):
        per_filter = offset[0, :, 0, 0]
        for slot, array in arrays.items():
            if array.size == filters and close(array.reshape(filters), per_filter):
                return Bias(slot, "filters", shape_with(array.shape, filters, y.axes.order))
        if close(per_filter, np.full(filters, per_filter[0])):
            for slot, value in walk(call):
                if isinstance(value, (float, np.floating)) and close(np.array(value), per_filter[0]):
                    return Bias(slot, "number")
    order = y.axes.order.replace("N", "")
    for slot, array in arrays.items():
        if array.ndim == len(order) and close(Axes(order, "NCHW").full_of(array), offset[:1]):
            return Bias(slot, "positions", axes=Axes(order, "NCHW"))
    raise UnknownBias


def shape_with(shape: tuple[int, ...], filters: int, order: str) -> tuple[int, ...]:
    """The shape with 0 for the axis of the filters; where all are one, that of the channels of the output."""
    if filters > 1:
        return tuple(0 if size == filters else size for size in shape)
    at = len(shape) - 1 if order.endswith("C") or len(shape) == 1 else len(shape) - 3
    return tuple(0 if axis == max(at, 0) else 1 for axis in range(len(shape)))
