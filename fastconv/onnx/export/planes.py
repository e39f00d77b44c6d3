"""What layers over planes share: their layout, how windows lie, and padding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST, Axis
from fastconv.onnx.export.writer import Place

L = TypeVar("L")
Pair = tuple[int, int]

_PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge"}


def over_planes(function: Callable[[Place, L, str], str]) -> Callable[[Place, L, str], str]:
    """Let a function for (N, C, ...) planes write layers that read (N, ..., C) planes, too."""

    def write(place: Place, layer: L, x: str) -> str:
        if not place.channels_last:
            return function(place, layer, x)
        rank = len(place.input_shape)
        y = function(place, layer, place.node("Transpose", x, perm=CHANNELS_FIRST[rank]))
        return place.node("Transpose", y, perm=CHANNELS_LAST[rank])

    return write


def window(axes: Sequence[Axis], pads: Iterable[Pair]) -> dict[str, Any]:
    """Attributes that say how windows lie."""
    return {
        "kernel_shape": [axis.kernel for axis in axes],
        "strides": [axis.stride for axis in axes],
        "dilations": [axis.dilation for axis in axes],
        "pads": flat(pads),
    }


def flat(pads: Iterable[Pair]) -> list[int]:
    """Cells before every axis, then those after every axis."""
    return [cells for side in zip(*pads) for cells in side]


def padded(place: Place, x: str, pads: Sequence[Pair], mode: str = "zeros", value: float = 0.0) -> str:
    """Append what puts cells around (N, C, ...) planes."""
    if mode == "circular":  # which is newer than the operator set
        return _repeated(place, x, pads)
    amounts = place.integers("pads", *flat([(0, 0), (0, 0), *pads]))
    fill = [place.number(value)] if value else []
    return place.node("Pad", x, amounts, *fill, mode=_PADDING_MODES[mode])


def _repeated(place: Place, x: str, pads: Sequence[Pair]) -> str:
    """Append what puts the end of every axis before it, and its start after it."""
    for axis, (size, (before, after)) in enumerate(zip(place.planes[2:], pads), start=2):
        head = [place.sliced(x, axis, size - before, size)] if before else []
        tail = [place.sliced(x, axis, 0, after)] if after else []
        if head or tail:
            x = place.node("Concat", *head, x, *tail, axis=axis)
    return x


def ones(place: Place, kernel: Sequence[int]) -> str:
    """Append filters that sum up windows of every channel by itself."""
    return place.array("ones", np.ones((place.planes[1], 1, *kernel)))
