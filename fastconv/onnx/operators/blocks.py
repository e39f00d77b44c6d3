"""Channels as blocks of pixels, and back."""

from __future__ import annotations

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.functional.copies import memory_order
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_choice, check_integer
from fastconv.validation.types import Shape


@operator("DepthToSpace")
def depth_to_space(x: Array, *, blocksize: int, mode: str = "DCR") -> Array:
    """Make pixels of channels: ``(N, C * b * b, H, W) -> (N, C, H * b, W * b)``.

    The channels are ``(b, b, C)`` with the mode ``"DCR"``, and ``(C, b, b)`` with ``"CRD"``.
    """
    block = _checked("DepthToSpace", x, blocksize, mode)
    batch, channels, height, width = x.shape
    if channels % block**2:
        raise InvalidValueError(
            f"DepthToSpace: the channels must be a multiple of {block**2}, but got {channels} (shape {x.shape})."
        )
    y = _empty_in_order_of(x, (batch, channels // block**2, height * block, width * block))
    _pixels(y, block)[...] = _depth(x, block, mode)
    return y


@operator("SpaceToDepth")
def space_to_depth(x: Array, *, blocksize: int, mode: str = "DCR") -> Array:
    """Make channels of pixels: ``(N, C, H * b, W * b) -> (N, C * b * b, H, W)``, with the modes of DepthToSpace."""
    block = _checked("SpaceToDepth", x, blocksize, mode)
    batch, channels, height, width = x.shape
    if height % block or width % block:
        raise InvalidValueError(
            f"SpaceToDepth: height and width must be multiples of {block}, but got {height} and {width} (shape "
            f"{x.shape})."
        )
    y = _empty_in_order_of(x, (batch, channels * block**2, height // block, width // block))
    _depth(y, block, mode)[...] = _pixels(x, block)
    return y


def _checked(operation: str, x: Array, blocksize: int, mode: str) -> int:
    check_choice(operation, "mode", mode, ("DCR", "CRD"))
    if x.ndim != 4:
        raise InvalidValueError(f"{operation}: the input must have 4 axes (N, C, H, W), but got shape {x.shape}.")
    return check_integer(operation, "blocksize", blocksize, 1)


def _empty_in_order_of(x: Array, shape: Shape) -> Array:
    order = memory_order(x)
    y: Array = np.empty([shape[axis] for axis in order], x.dtype)
    return y.transpose(np.argsort(order))


# Both views have the axes (N, C, rows of a block, columns of a block, H, W).


def _pixels(image: Array, block: int) -> Array:
    batch, channels, height, width = image.shape
    return image.reshape(batch, channels, height // block, block, width // block, block).transpose(0, 1, 3, 5, 2, 4)


def _depth(image: Array, block: int, mode: str) -> Array:
    batch, channels, height, width = image.shape
    if mode == "CRD":
        return image.reshape(batch, channels // block**2, block, block, height, width)
    return image.reshape(batch, block, block, channels // block**2, height, width).transpose(0, 3, 1, 2, 4, 5)
