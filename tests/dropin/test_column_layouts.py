"""Columns in every order that people keep them in, from the images at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loop_code import load, numbers, same

import fastconv as fc
from fastconv.dropin.conventions.layouts import LAYOUTS, SIX, Layout, Sizes

ORDERS = (*LAYOUTS, SIX)


@pytest.mark.parametrize("layout", ORDERS, ids=lambda layout: "-".join(layout.axes) + " apart" * layout.apart)
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding"),
    [
        ((2, 3, 5, 7), (3, 2), (1, 1), (1, 0)),
        ((1, 2, 6, 5), (2, 2), (2, 3), (0, 0)),
        ((3, 1, 4, 4), (1, 1), (1, 1), (0, 0)),
        ((2, 2, 3, 4), (3, 4), (1, 1), (0, 0)),
    ],
)
def test_columns_of_images_are_those_of_im2col(
    layout: Layout, shape: tuple[int, ...], kernel: Any, stride: Any, padding: Any
) -> None:
    x = numbers(*shape, dtype=np.float32)[:, :, ::-1]
    out = tuple((n + 2 * p - k) // s + 1 for n, p, k, s in zip(shape[2:], padding, kernel, stride))
    sizes = Sizes(shape[0], shape[1], kernel, out)  # type: ignore[arg-type]
    columns = fc.im2col(x, kernel, stride=stride, padding=padding, backend="numpy")
    found = layout.columns_of(x, sizes, stride, padding)
    np.testing.assert_array_equal(found, layout.to(columns, sizes))
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.flags.writeable
    before = x.copy()
    found[...] = 0
    np.testing.assert_array_equal(x, before)


TOLD = """
import numpy as np

def im2col(inputs, out_h, out_w, kernel_h, kernel_w, stride):
    N, C = inputs.shape[:2]
    columns = np.zeros((N, out_h, out_w, C, kernel_h, kernel_w))
    for i, j in np.ndindex(out_h, out_w):
        top, left = i * stride[0], j * stride[1]
        columns[:, i, j] = inputs[:, :, top : top + kernel_h, left : left + kernel_w]
    return columns.reshape(N * out_h * out_w, -1)

def col2im(inputs_shape, pad_size, kernel_h, kernel_w, stride, dcol):
    N, C, H, W = inputs_shape
    dx = np.zeros((N, C, H + 2 * pad_size, W + 2 * pad_size))
    OH, OW = (dx.shape[2] - kernel_h) // stride[0] + 1, (dx.shape[3] - kernel_w) // stride[1] + 1
    dcol = dcol.reshape(N, OH, OW, C, kernel_h, kernel_w)
    for i, j in np.ndindex(OH, OW):
        top, left = i * stride[0], j * stride[1]
        dx[:, :, top : top + kernel_h, left : left + kernel_w] += dcol[:, i, j]
    return dx[:, :, pad_size : H + pad_size, pad_size : W + pad_size]
"""


def test_columns_whose_size_is_told_and_whose_stride_is_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(monkeypatch, TOLD)
    im2col, col2im = module.im2col, module.col2im
    accelerated = fc.accelerate(module)
    assert {*accelerated} == {"im2col", "col2im"}
    x = numbers(2, 3, 7, 9)
    for arguments in ((3, 4, 2, 3, (2, 2)), (2, 3, 2, 3, (2, 2))):  # the second leaves windows out
        same(module.im2col(x, *arguments), im2col(x, *arguments))
    columns = numbers(2 * 3 * 4, 3 * 2 * 3)
    same(module.col2im(x.shape, 0, 2, 3, (2, 2), columns), col2im(x.shape, 0, 2, 3, (2, 2), columns))
    calls = accelerated.calls["im2col"], accelerated.calls["col2im"]
    assert [(each.fast, each.original) for each in calls] == [(1, 1), (1, 0)]
