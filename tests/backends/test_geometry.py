"""Sizes by their definitions: found by counting cells, never by the formula that is tested."""

from __future__ import annotations

import dataclasses
from math import ceil
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import axes, axis_of

import fastconv as fc
from fastconv.backends.geometry import (
    Axis,
    ConvGeometry,
    conv_axis,
    pool_axis,
    same_padding,
    transposed_size,
    window_extent,
)
from fastconv.validation.operations import conv_geometry

sizes, kernels, strides, dilations, pads = (
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(0, 5),
)


def cells_of(window: int, kernel: int, stride: int, dilation: int, before: int) -> list[int]:
    """Input cells of the taps of a window, negative in the padding before."""
    return [window * stride + k * dilation - before for k in range(kernel)]


def largest_count(padded: int, kernel: int, stride: int, dilation: int) -> int:
    """The largest o with (o-1)*stride + dilation*(kernel-1) + 1 <= padded."""
    return max((o for o in range(1, padded + 1) if (o - 1) * stride + dilation * (kernel - 1) + 1 <= padded), default=0)


@given(kernels, dilations)
def test_extent_is_first_to_last_tap(kernel: int, dilation: int) -> None:
    taps = cells_of(0, kernel, 1, dilation, 0)
    assert window_extent(kernel, dilation) == len(range(taps[0], taps[-1] + 1))


@given(sizes, kernels, strides, dilations, pads, pads)
def test_output_size_is_the_largest_that_fits(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int
) -> None:
    axis = conv_axis(size, kernel, stride, dilation, before, after)
    count = largest_count(before + size + after, kernel, stride, dilation)
    assert max(axis.out, 0) == count
    most = before + size + after  # a longer step leads out of the axis, whatever its length
    steps = (min(stride, most), dilation if kernel > 1 else min(dilation, most))
    assert dataclasses.astuple(axis)[:6] == (size, kernel, *steps, before, after)


@given(axes())
def test_the_strategy_draws_legal_axes(case: Any) -> None:
    (before, after), taps = case.padding, case.dilation * (case.kernel - 1) + 1
    assert case.size >= 1
    assert before + case.size + after >= taps


@given(sizes, kernels, strides, dilations, pads, pads)
def test_axis_of_gives_the_outputs_it_was_asked_for(
    out: int, kernel: int, stride: int, dilation: int, leftover: int, pad: int
) -> None:
    case = axis_of(out, kernel, stride, dilation, leftover, (pad, pad))
    padded = sum(case.padding) + case.size
    assert largest_count(padded, kernel, stride, dilation) == out


@given(st.integers(1, 30), kernels, strides, dilations, st.booleans())
def test_same_padding_is_the_least_that_gives_size_over_stride(
    size: int, kernel: int, stride: int, dilation: int, lower: bool
) -> None:
    before, after = same_padding(size, kernel, stride, dilation, lower=lower)
    wanted = ceil(size / stride)
    assert min(before, after) >= 0
    assert largest_count(before + size + after, kernel, stride, dilation) == wanted
    if before + after:
        assert largest_count(before + size + after - 1, kernel, stride, dilation) < wanted
    assert before - after in ((0, 1) if lower else (0, -1))


@pytest.mark.parametrize(("padding", "padded"), [("same", [1, 2, 3, 0]), ("same_lower", [0, 1, 2, 3])])
def test_same_puts_the_odd_cell_where_it_says(padding: str, padded: list[float]) -> None:
    first_taps, second_taps = fc.im2col([[[[1.0, 2, 3]]]], (1, 2), padding=padding, backend="naive")[0]
    assert first_taps.tolist() == padded[:3]
    assert second_taps.tolist() == padded[1:]


@given(sizes, kernels, strides, dilations, st.data())
@example(size=5, kernel=2, stride=3, dilation=1, data=None)
def test_ceil_mode_adds_one_window_that_starts_before_the_padding_after(
    size: int, kernel: int, stride: int, dilation: int, data: st.DataObject | None
) -> None:
    extent = dilation * (kernel - 1) + 1
    before, after = (data.draw(st.integers(0, extent - 1)) for _ in range(2)) if data else (1, 1)
    padded = before + size + after
    after += max(extent - padded, 0)
    padded = before + size + after
    floor = largest_count(padded, kernel, stride, dilation)
    # By definition: keep adding windows while the last one neither covered everything nor starts too late.
    count = floor
    while (count - 1) * stride + extent < padded and count * stride < before + size:
        count += 1
    axis = pool_axis(size, kernel, stride, dilation, before, after, ceil_mode=True)
    assert axis.out == count
    assert count in (floor, floor + 1)
    assert pool_axis(size, kernel, stride, dilation, before, after, ceil_mode=False).out == floor


@given(sizes, kernels, strides, dilations, pads, pads, st.integers(0, 5))
def test_transposed_size_is_the_inverse(
    out: int, kernel: int, stride: int, dilation: int, before: int, after: int, extra: int
) -> None:
    output_padding = min(extra, stride - 1)
    size = transposed_size(out, kernel, stride, dilation, before, after, output_padding)
    padded = before + size + after
    assert largest_count(padded, kernel, stride, dilation) == out
    if output_padding == 0:
        assert largest_count(padded - 1, kernel, stride, dilation) < out


@given(axes(), st.booleans())
def test_taps_are_those_on_real_cells(case: Any, ceil_mode: bool) -> None:
    axis = pool_axis(case.size, case.kernel, case.stride, case.dilation, *case.padding, ceil_mode=ceil_mode)
    for window in range(axis.out):
        cells = cells_of(window, case.kernel, case.stride, case.dilation, case.padding[0])
        assert axis.start(window) == cells[0]
        assert list(axis.taps(window)) == [k for k, cell in enumerate(cells) if 0 <= cell < case.size]
        end = case.size + case.padding[1]
        assert list(axis.padded_taps(window)) == [k for k, cell in enumerate(cells) if -case.padding[0] <= cell < end]


def test_conv_geometry_by_hand() -> None:
    geometry = conv_geometry("conv2d", (2, 4, 5, 6), (8, 2, 3, 1), (2, 1), ((1, 0), (0, 2)), (1, 1), 2, 4)
    assert geometry.axes == (Axis(5, 3, 2, 1, 1, 0, 2), Axis(6, 1, 1, 1, 0, 2, 8))
    assert geometry.input_shape == (2, 4, 5, 6)
    assert geometry.output_shape == (2, 8, 2, 8)
    assert geometry.weight_shape == (8, 2, 3, 1)
    assert geometry.columns_shape == (2, 4 * 3, 2 * 8)
    assert (geometry.group_channels, geometry.group_filters) == (2, 4)
    assert geometry.multiply_adds() == (2 * 8 * 2 * 8) * (2 * 3)
    assert (geometry.rank, geometry.kernel, geometry.taps, geometry.windows) == (2, (3, 1), 3, 16)


def test_a_geometry_is_frozen_and_hashable() -> None:
    axis = conv_axis(5, 3, 2, 1, 1, 0)
    geometry = ConvGeometry((axis,), 1, 2, 3, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        geometry.batch = 2  # type: ignore[misc]
    assert geometry == ConvGeometry((axis,), 1, 2, 3, 1)
    assert len({geometry, ConvGeometry((axis,), 1, 2, 3, 1)}) == 1


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "ceil_mode", "out"),
    [  # as in PyTorch's documentation of its pools, and by counting
        (5, 2, 2, 0, False, 2),
        (5, 2, 2, 0, True, 3),
        (6, 3, 2, 1, False, 3),
        (6, 3, 2, 1, True, 4),
        (5, 2, 3, 1, True, 2),  # a third window would start at cell 5, which is padding
        (4, 1, 3, 0, True, 2),
    ],
)
def test_pool_sizes_by_hand(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool, out: int) -> None:
    assert pool_axis(size, kernel, stride, 1, padding, padding, ceil_mode=ceil_mode).out == out
