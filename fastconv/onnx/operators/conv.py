"""Convolution, transposed convolution and its columns, over one to three spatial axes."""

from __future__ import annotations

from fastconv import functional
from fastconv.errors import InvalidValueError
from fastconv.onnx.operators.windows import of_rank, pad_pairs, window_options
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.types import Shape


@operator("Conv")
def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Shape | None = None,
    group: int = 1,
    kernel_shape: Shape | None = None,
    pads: Shape | None = None,
    strides: Shape | None = None,
) -> Array:
    """``(N, C, *spatial) * (F, C//group, *kernel) + (F,) -> (N, F, *out)``."""
    _check_kernel("Conv", weight, kernel_shape)
    options = window_options(x.ndim - 2, auto_pad, pads, strides, dilations)
    y: Array = of_rank("conv", "Conv", x)(x, weight, bias, groups=group, **options)
    return y


@operator("ConvTranspose")
def conv_transpose(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Shape | None = None,
    group: int = 1,
    kernel_shape: Shape | None = None,
    output_padding: Shape | None = None,
    output_shape: Shape | None = None,
    pads: Shape | None = None,
    strides: Shape | None = None,
) -> Array:
    """``(N, C, *spatial) * (C, F//group, *kernel) + (F,) -> (N, F, *out)``.

    With `output_shape`, or an `auto_pad` that asks for ``size * stride``, the padding is what gives that size; if it
    is odd, SAME_UPPER cuts one more cell off after, all others before. A size that is larger than what the windows
    cover has zeros after them.
    """
    _check_kernel("ConvTranspose", weight, kernel_shape)
    transposed, rank = of_rank("conv_transpose", "ConvTranspose", x), x.ndim - 2
    stride, dilation = strides or (1,) * rank, dilations or (1,) * rank
    extra = output_padding or (0,) * rank
    pairs = ((0, 0),) * rank if auto_pad == "VALID" else pad_pairs(rank, pads)
    if output_shape is None and auto_pad.startswith("SAME"):
        output_shape = tuple(size * step for size, step in zip(x.shape[2:], stride))
    if output_shape is not None:
        full = _full_size(x.shape[2:], weight.shape[2:], stride, dilation, extra)
        spare = tuple(size - out for size, out in zip(full, output_shape[-rank:]))
        pairs = tuple(_split(max(cells, 0), auto_pad) for cells in spare)
        extra = tuple(cells + max(-missing, 0) for cells, missing in zip(extra, spare))
    options = {"stride": stride, "padding": pairs, "output_padding": extra, "dilation": dilation}
    y: Array = transposed(x, weight, bias, groups=group, **options)
    return y


@operator("Col2Im", since=18)
def col2im(
    x: Array,
    image_shape: Array,
    block_shape: Array,
    *,
    dilations: Shape | None = None,
    pads: Shape | None = None,
    strides: Shape | None = None,
) -> Array:
    """Add the columns of `fastconv.im2col` up where they came from: ``(N, C * cells, windows) -> (N, C, *image)``."""
    options = window_options(len(image_shape), "NOTSET", pads, strides, dilations)
    return functional.col2im(x, image_shape.tolist(), block_shape.tolist(), **options)


def _full_size(size: Shape, kernel: Shape, stride: Shape, dilation: Shape, extra: Shape) -> Shape:
    """Sizes of a transposed convolution of which nothing is cut off."""
    return tuple(
        (cells - 1) * step + (taps - 1) * apart + 1 + more
        for cells, taps, step, apart, more in zip(size, kernel, stride, dilation, extra)
    )


def _split(cells: int, auto_pad: str) -> tuple[int, int]:
    """Cells to cut off, before and after."""
    small, large = cells // 2, cells - cells // 2
    return (small, large) if auto_pad == "SAME_UPPER" else (large, small)


def _check_kernel(name: str, weight: Array, kernel_shape: Shape | None) -> None:
    if kernel_shape is not None and kernel_shape != weight.shape[2:]:
        raise InvalidValueError(
            f"{name}: kernel_shape must be that of W, {weight.shape[2:]}, but got {kernel_shape} (W shape "
            f"{weight.shape})."
        )
