"""From checked sizes to the geometry of a transposed convolution, which is that of the convolution it turns round."""

from __future__ import annotations

from functools import lru_cache

from fastconv.backends.geometry import Axis, ConvGeometry, same_padding, transposed_axis, transposed_size
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import layout_advice, spatial_names
from fastconv.validation.memory import check_fits
from fastconv.validation.operations import check_weight_axes
from fastconv.validation.sizes import CheckedPadding
from fastconv.validation.types import Shape


@lru_cache(maxsize=1024)
def conv_transpose_geometry(
    operation: str,
    x_shape: Shape,
    weight_shape: Shape,
    stride: Shape,
    padding: CheckedPadding,
    dilation: Shape,
    groups: int,
    output_padding: Shape,
    output_size: Shape | None,
    itemsize: int,
) -> ConvGeometry:
    """Geometry of the convolution that takes the output (N, C_out, *output_size) to x (N, C_in, *size).

    Its weights are (C_in, C_out//groups, *kernel) as well: C_in are its filters.
    """
    batch, _, *size = x_shape
    filters, group_channels, *kernel = weight_shape
    check_weight_axes(operation, ("C_in", "C_out//groups"), weight_shape)
    _check_channels(operation, x_shape, filters, groups)
    names = spatial_names(len(size)).split(", ")
    sizes = tuple(zip(size, kernel, stride, dilation))
    if output_size is None:
        _check_output_padding(operation, output_padding, stride, dilation, padding)
    elif any(output_padding):
        raise InvalidValueError(
            f"{operation}: output_size must come in place of output_padding, but got output_size={output_size} and "
            f"output_padding={output_padding}."
        )
    if isinstance(padding, str) and padding != "valid":
        wanted = (None,) * len(size) if output_size is None else output_size
        lower = padding == "same_lower"
        axes = tuple(_same_axis(operation, n, *s, out, lower) for n, s, out in zip(names, sizes, wanted))
    else:
        pads = ((0, 0),) * len(size) if isinstance(padding, str) else padding
        if output_size is not None:
            output_padding = tuple(
                _output_padding(operation, n, *s, pair, out) for n, s, pair, out in zip(names, sizes, pads, output_size)
            )
        axes = tuple(_axis(operation, n, *s, pair, p) for n, s, pair, p in zip(names, sizes, pads, output_padding))
    geometry = ConvGeometry(axes, batch, group_channels * groups, filters, groups)
    padded = (*geometry.input_shape[:2], *(axis.padded for axis in axes))
    check_fits(operation, "the output", geometry.input_shape, itemsize)
    check_fits(operation, "the output with its padding", padded, itemsize)
    return geometry


def _check_channels(operation: str, x_shape: Shape, filters: int, groups: int) -> None:
    channels = x_shape[1]
    if filters != channels:
        raise InvalidValueError(
            f"{operation}: weight must have {channels} input channels (those of x), but got {filters}. The shape of "
            "weight is (C_in, C_out//groups, *kernel) in either layout: input channels first."
            f"{layout_advice(x_shape, filters)}"
        )
    if channels % groups:
        raise InvalidValueError(
            f"{operation}: groups must divide the channels of x, but got groups={groups} with {channels} channels."
        )


def _check_output_padding(
    operation: str, output_padding: Shape, stride: Shape, dilation: Shape, padding: CheckedPadding
) -> None:
    if isinstance(padding, str) and padding != "valid" and any(output_padding):
        raise InvalidValueError(
            f"{operation}: output_padding must be 0 with padding={padding!r}, which makes the output stride times as "
            f"large as the input, but got {output_padding}. Name another size with output_size."
        )
    for cells, s, d in zip(output_padding, stride, dilation):
        if cells >= max(s, d):
            raise InvalidValueError(
                f"{operation}: output_padding must be smaller than the stride or the dilation, but got {cells} "
                f"(output_padding {output_padding}, stride {stride}, dilation {dilation})."
            )


def _axis(
    operation: str, name: str, size: int, kernel: int, stride: int, dilation: int, pair: tuple[int, int], extra: int
) -> Axis:
    """Axis with paddings and output padding as numbers."""
    out = transposed_size(size, kernel, stride, dilation, *pair, extra)
    if out < 1:
        raise InvalidValueError(
            f"{operation}: the output must have at least one cell along {name}, but got (size - 1) * stride - padding "
            f"+ dilation * (kernel - 1) + 1 + output_padding = ({size} - 1) * {stride} - ({pair[0]} + {pair[1]}) + "
            f"{dilation} * ({kernel} - 1) + 1 + {extra} = {out}. Use less padding."
        )
    return transposed_axis(size, kernel, stride, dilation, *pair, out)


def _output_padding(
    operation: str, name: str, size: int, kernel: int, stride: int, dilation: int, pair: tuple[int, int], out: int
) -> int:
    """Output padding that gives an output size."""
    least = transposed_size(size, kernel, stride, dilation, *pair, 0)
    spare = max(stride, dilation) - 1
    if least + spare < 1:
        _axis(operation, name, size, kernel, stride, dilation, pair, spare)  # no size can be asked for
    _check_output_size(operation, name, out, least, least + spare)
    return out - least


def _same_axis(
    operation: str, name: str, size: int, kernel: int, stride: int, dilation: int, out: int | None, lower: bool
) -> Axis:
    """Axis of the SAME convolution from ``size * stride`` cells, or as many as asked for, to `size`."""
    if out is None:
        out = size * stride
    _check_output_size(operation, name, out, (size - 1) * stride + 1, size * stride)
    pair = same_padding(out, kernel, stride, dilation, lower=lower)
    return transposed_axis(size, kernel, stride, dilation, *pair, out)


def _check_output_size(operation: str, name: str, out: int, least: int, most: int) -> None:
    if not least <= out <= most:
        raise InvalidValueError(
            f"{operation}: output_size must be {max(least, 1)} to {most} along {name} with this stride, padding, "
            f"dilation and kernel, but got {out}."
        )
