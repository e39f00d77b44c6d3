"""What convolutions and poolings share: their windows as ONNX describes them, and the operation of a rank."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv import functional
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import Array
from fastconv.validation.types import Shape

_NAMED = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}


def of_rank(name: str, operator: str, x: Array) -> Callable[..., Any]:
    """Return the operation of `fastconv.functional` that is called `name` for as many spatial axes as `x` has."""
    rank = x.ndim - 2
    if rank not in (1, 2, 3):
        raise InvalidValueError(f"{operator}: X must have 3, 4 or 5 axes (N, C, *spatial), but got shape {x.shape}.")
    function: Callable[..., Any] = getattr(functional, f"{name}{rank}d")
    return function


def window_options(
    rank: int, auto_pad: str, pads: Shape | None, strides: Shape | None, dilations: Shape | None
) -> dict[str, Any]:
    """Attributes of windows, as the operations of `fastconv.functional` take them."""
    return {
        "stride": strides or (1,) * rank,
        "padding": _NAMED.get(auto_pad) or pad_pairs(rank, pads),
        "dilation": dilations or (1,) * rank,
    }


def pad_pairs(rank: int, pads: Shape | None) -> tuple[tuple[int, int], ...]:
    """(before, after) of every axis; ONNX has all that are before, and then all that are after."""
    pads = pads or (0,) * (2 * rank)
    return tuple(zip(pads[:rank], pads[rank:]))
