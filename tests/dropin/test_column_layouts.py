"""Columns in every order that people keep them in, from the images at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loop_code import numbers

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
