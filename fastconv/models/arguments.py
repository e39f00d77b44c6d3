"""What the makers of all networks check."""

from __future__ import annotations

from fastconv.errors import InvalidValueError
from fastconv.validation.sizes import check_integer, check_shape_argument

__all__ = ["check_classes", "check_image"]


def check_image(model: str, value: object, least: int) -> tuple[int, int, int]:
    """Return (C, H, W) of an image whose height and width are at least `least`."""
    channels, height, width = check_shape_argument(model, "input_shape", value, "CHW")
    if channels < 1 or min(height, width) < least:
        raise InvalidValueError(
            f"{model}: input_shape must be (C, H, W) with at least one channel and planes of {least}×{least}, but got "
            f"{(channels, height, width)}."
        )
    return channels, height, width


def check_classes(model: str, value: object) -> int:
    """Return the number of scores."""
    return check_integer(model, "classes", value, 1)
