"""From checked sizes to a frozen geometry, one function per family of operations, cached per distinct call."""

from __future__ import annotations

from functools import lru_cache

from fastconv.backends.geometry import (
    Axis,
    ConvGeometry,
    WindowGeometry,
    conv_axis,
    pool_axis,
    same_padding,
    window_extent,
)
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import COLOURS, layout_advice, spatial_names
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import CheckedPadding
from fastconv.validation.types import Shape


def _axis_paddings(
    padding: CheckedPadding, size: Shape, kernel: Shape, stride: Shape, dilation: Shape
) -> tuple[tuple[int, int], ...]:
    if not isinstance(padding, str):
        return padding
    if padding == "valid":
        return ((0, 0),) * len(size)
    lower = padding == "same_lower"
    return tuple(same_padding(*sizes, lower=lower) for sizes in zip(size, kernel, stride, dilation))


def _check_window_fits(operation: str, axes: tuple[Axis, ...], x_shape: Shape) -> None:
    for letter, axis in zip(spatial_names(len(axes)).split(", "), axes):
        if axis.extent > axis.padded:
            raise InvalidValueError(
                f"{operation}: the window must fit into the padded input, but got a window of {axis.extent} cells "
                f"(kernel {axis.kernel}, dilation {axis.dilation}) over {axis.padded} cells along {letter} "
                f"(size {axis.size}, padding {axis.before} + {axis.after}). Use a smaller kernel or dilation, or more "
                f"padding.{layout_advice(x_shape, x_shape[-1]) if x_shape[-1] in COLOURS else ''}"
            )


def _check_memory(operation: str, geometry: WindowGeometry, itemsize: int) -> None:
    """Refuse what no backend could hold: the padded input (and with it the gradient of the input), the output."""
    padded = (geometry.batch, geometry.channels, *(axis.padded for axis in geometry.axes))
    check_fits(operation, "the padded input", padded, itemsize)
    check_fits(operation, "the output", geometry.output_shape, itemsize)


def _check_channels(operation: str, x_shape: Shape, filters: int, weight_channels: int, groups: int) -> None:
    channels, needed = x_shape[1], weight_channels * groups
    if needed != channels and (advice := layout_advice(x_shape, needed)):
        raise InvalidValueError(
            f"{operation}: x must have as many channels as weight is for, {needed}, but got {channels}.{advice}"
        )
    if channels % groups or filters % groups:
        raise InvalidValueError(
            f"{operation}: groups must divide the channels of x and the filters of weight, but got groups={groups} "
            f"with {channels} channels and {filters} filters."
        )
    if needed != channels:
        raise InvalidValueError(
            f"{operation}: weight must have {channels // groups} input channels (the {channels} channels of x divided "
            f"by groups={groups}), but got {weight_channels}. The shape of weight is (F, C//groups, *kernel) in "
            "either layout."
        )


def _conv_axes(
    operation: str, x_shape: Shape, kernel: Shape, stride: Shape, padding: CheckedPadding, dilation: Shape
) -> tuple[Axis, ...]:
    size = x_shape[2:]
    pads = _axis_paddings(padding, size, kernel, stride, dilation)
    axes = tuple(conv_axis(i, k, s, d, *pair) for i, k, s, d, pair in zip(size, kernel, stride, dilation, pads))
    _check_window_fits(operation, axes, x_shape)
    return axes


def check_weight_axes(operation: str, names: tuple[str, str], weight_shape: Shape) -> None:
    """Refuse weights with an empty axis; `names` are those of the two axes of channels."""
    for name, extent in zip((*names, *spatial_names(len(weight_shape) - 2).split(", ")), weight_shape):
        if extent == 0:
            raise InvalidValueError(
                f"{operation}: axis {name} of weight must not be empty, but got size 0 (shape {weight_shape})."
            )


@lru_cache(maxsize=1024)
def conv_geometry(
    operation: str,
    x_shape: Shape,
    weight_shape: Shape,
    stride: Shape,
    padding: CheckedPadding,
    dilation: Shape,
    groups: int,
    itemsize: int,
) -> ConvGeometry:
    """Geometry of a convolution of (N, C, *size) with (F, C//groups, *kernel)."""
    batch, channels, *_ = x_shape
    filters, weight_channels, *kernel = weight_shape
    check_weight_axes(operation, ("F", "C//groups"), weight_shape)
    _check_channels(operation, x_shape, filters, weight_channels, groups)
    axes = _conv_axes(operation, x_shape, tuple(kernel), stride, padding, dilation)
    geometry = ConvGeometry(axes, batch, channels, filters, groups)
    _check_memory(operation, geometry, itemsize)
    return geometry


@lru_cache(maxsize=1024)
def pool_geometry(
    operation: str,
    x_shape: Shape,
    kernel: Shape,
    stride: Shape,
    padding: CheckedPadding,
    dilation: Shape,
    ceil_mode: bool,
    itemsize: int,
) -> WindowGeometry:
    """Geometry of a pooling of (N, C, *size)."""
    batch, channels, *size = x_shape
    pads = _axis_paddings(padding, tuple(size), kernel, stride, dilation)
    for extent, pair in zip(map(window_extent, kernel, dilation), pads):
        if max(pair) >= extent:
            raise InvalidValueError(
                f"{operation}: padding must be smaller than the (dilated) kernel on each side, but got padding {pair} "
                f"for a window of {extent} cells (kernel_size {kernel}, dilation {dilation})."
            )
    axes = tuple(
        pool_axis(i, k, s, d, *pair, ceil_mode=ceil_mode)
        for i, k, s, d, pair in zip(size, kernel, stride, dilation, pads)
    )
    _check_window_fits(operation, axes, x_shape)
    geometry = WindowGeometry(axes, batch, channels)
    _check_memory(operation, geometry, itemsize)
    return geometry


@lru_cache(maxsize=1024)
def columns_geometry(
    operation: str,
    x_shape: Shape,
    kernel: Shape,
    stride: Shape,
    padding: CheckedPadding,
    dilation: Shape,
    itemsize: int,
) -> WindowGeometry:
    """Geometry of im2col and col2im over (N, C, *size)."""
    batch, channels, *_ = x_shape
    axes = _conv_axes(operation, x_shape, kernel, stride, padding, dilation)
    geometry = WindowGeometry(axes, batch, channels)
    _check_memory(operation, geometry, itemsize)
    check_fits(operation, "the columns", geometry.columns_shape, itemsize)
    return geometry
