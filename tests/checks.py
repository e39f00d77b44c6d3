"""An engine against naive, one function per family: what the backend tests run, and what seeded faults must fail."""

from __future__ import annotations

from typing import Any

import numpy as np
from strategies import Array, ConvCase, WindowCase, normal, stored

import fastconv as fc
from fastconv.testing import assert_close, magnitude

GRADIENTS = ("dx", "dweight", "dbias")


def check_conv(engine: str, case: ConvCase, x: Array, weight: Array, bias: Array | None, dy: Array) -> None:
    """Forward and every gradient of `engine` against naive."""
    name, options = f"{engine} {case}", case.options
    expected = fc.conv2d(x, weight, bias, **options, backend="naive")
    y = fc.conv2d(x, weight, bias, **options, backend=engine)
    assert_close(y, expected, magnitude=magnitude(fc.conv2d, x, weight, bias, **options), name=f"{name} y")
    gradients = fc.conv2d_backward(dy, x, weight, **options, backend=engine)
    expected_gradients = fc.conv2d_backward(dy, x, weight, **options, backend="naive")
    sizes = magnitude(fc.conv2d_backward, dy, x, weight, **options)
    for gradient in GRADIENTS:
        actual, wanted, size = (getattr(each, gradient) for each in (gradients, expected_gradients, sizes))
        assert_close(actual, wanted, magnitude=size, name=f"{name} {gradient}")


def check_max(engine: str, case: WindowCase, x: Array, ceil_mode: bool, order: str = "C") -> None:
    """Maxima, indices and gradient of `engine` against naive."""
    options: dict[str, Any] = {**case.options, "ceil_mode": ceil_mode}
    expected, expected_indices = fc.max_pool2d(x, case.kernel, **options, return_indices=True, backend="naive")
    y, indices = fc.max_pool2d(x, case.kernel, **options, return_indices=True, backend=engine)
    assert_close(y, expected, magnitude=0, name=f"{engine} {case} y")
    assert_close(indices, expected_indices, name=f"{engine} {case} indices")
    alone = fc.max_pool2d(x, case.kernel, **options, backend=engine)
    assert_close(alone, expected, magnitude=0, name=f"{engine} {case} y alone")
    dy, moved = stored(normal(y.shape, 1, x.dtype), order), stored(expected_indices, order)
    dx = fc.max_pool2d_backward(dy, moved, x.shape, backend=engine)
    wanted = fc.max_pool2d_backward(dy, expected_indices, x.shape, backend="naive")
    size = magnitude(fc.max_pool2d_backward, dy, expected_indices, x.shape)
    assert_close(dx, wanted, magnitude=size, name=f"{engine} {case} dx")


def check_avg(engine: str, case: WindowCase, x: Array, ceil_mode: bool, include_pad: bool, order: str = "C") -> None:
    """Means and gradient of `engine` against naive."""
    options: dict[str, Any] = {**case.options, "ceil_mode": ceil_mode, "count_include_pad": include_pad}
    y = fc.avg_pool2d(x, case.kernel, **options, backend=engine)
    expected = fc.avg_pool2d(x, case.kernel, **options, backend="naive")
    size = np.nan_to_num(magnitude(fc.avg_pool2d, x, case.kernel, **options))  # NaN: a window that sees no cell
    assert_close(y, expected, magnitude=size, name=f"{engine} {case} y")
    dy = stored(normal(y.shape, 2, x.dtype), order)
    dx = fc.avg_pool2d_backward(dy, x.shape, case.kernel, **options, backend=engine)
    wanted = fc.avg_pool2d_backward(dy, x.shape, case.kernel, **options, backend="naive")
    size = magnitude(fc.avg_pool2d_backward, dy, x.shape, case.kernel, **options)
    assert_close(dx, wanted, magnitude=size, name=f"{engine} {case} dx")


def check_columns(engine: str, case: WindowCase, x: Array, order: str = "C") -> None:
    """im2col and col2im of `engine` against naive."""
    size = x.shape[2:]
    expected = fc.im2col(x, case.kernel, **case.options, backend="naive")
    cols = fc.im2col(x, case.kernel, **case.options, backend=engine)
    assert_close(cols, expected, magnitude=0, name=f"{engine} {case} im2col")
    dcols = stored(normal(cols.shape, 1, cols.dtype), order)
    added = fc.col2im(dcols, size, case.kernel, **case.options, backend=engine)
    wanted = fc.col2im(dcols, size, case.kernel, **case.options, backend="naive")
    bound = magnitude(fc.col2im, dcols, size, case.kernel, **case.options)
    assert_close(added, wanted, magnitude=bound, name=f"{engine} {case} col2im")
