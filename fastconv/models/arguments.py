"""What the constructors of several networks check."""

from __future__ import annotations

from collections.abc import Collection

from fastconv.errors import InvalidValueError, shown
from fastconv.validation.sizes import check_integer, check_shape_argument


def check_image(model: str, value: object, least: int) -> tuple[int, int, int]:
    """Return (C, H, W) of an image whose height and width are at least `least`."""
    channels, height, width = check_shape_argument(model, "input_shape", value, "CHW")
    if channels < 1 or min(height, width) < least:
        raise InvalidValueError(
            f"{model}: input_shape must be (C, H, W) with at least one channel and planes of "
            f"{shown(least)}×{shown(least)}, but got "
            f"{channels, height, width}."
        )
    return channels, height, width


def check_depth(model: str, value: object, known: Collection[int]) -> int:
    """Return how many layers with weights a network has, which must be one of those that were published."""
    depth = check_integer(model, "depth", value, 1)
    if depth not in known:
        raise InvalidValueError(f"{model}: depth must be one of {', '.join(map(str, known))}, but got {depth}.")
    return depth
