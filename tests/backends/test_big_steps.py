"""Strides and dilations up to 2^63 - 1 mean the same on every backend, or are refused in words.

Found by calls with sizes around 2^31 and 2^62: products of a stride and the bytes of a row overflowed, in `fast` alone,
although a stride that leads out of the image means nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, normal

import fastconv as fc
from fastconv.errors import FastconvError

BIG = (2**31, 2**53, 2**60, 2**62, 2**63 - 1)
STEPS = [
    *({"stride": big, "dilation": 1} for big in BIG),
    *({"stride": 1, "dilation": big} for big in BIG),
    {"stride": (2**62, 1), "dilation": 1},
    {"stride": (2, 2**62), "dilation": (2**62, 1)},
]


def conv(backend: str, kernel: int, groups: int, **options: Any) -> list[Any]:
    x, weight = normal((2, 4, 7, 6), 0, "float32"), normal((8, 4 // groups, kernel, kernel), 1, "float32")
    y = fc.conv2d(x, weight, groups=groups, backend=backend, **options)
    return [y, *fc.conv2d_backward(y, x, weight, groups=groups, backend=backend, **options)]


def transposed(backend: str, kernel: int, groups: int, **options: Any) -> list[Any]:
    x, weight = normal((2, 4, 1, 1), 0, "float32"), normal((4, 8 // groups, kernel, kernel), 1, "float32")
    y = fc.conv_transpose2d(x, weight, groups=groups, backend=backend, **options)
    return [y, *fc.conv_transpose2d_backward(y, x, weight, groups=groups, backend=backend, **options)]


def pools(backend: str, kernel: int, groups: int, **options: Any) -> list[Any]:
    x = normal((2, 4, 7, 6), 0, "float32")
    y, indices = fc.max_pool2d(x, kernel, ceil_mode=True, return_indices=True, backend=backend, **options)
    mean = fc.avg_pool2d(x, kernel, ceil_mode=True, backend=backend, **options)
    dx = fc.avg_pool2d_backward(mean, x.shape, kernel, ceil_mode=True, backend=backend, **options)
    cols = fc.im2col(x, kernel, backend=backend, **options)
    return [y, indices, mean, dx, cols, fc.lp_pool2d(x, 2, kernel, backend=backend, **options)]


def result(call: Any, backend: str, *arguments: Any, **options: Any) -> Any:
    try:
        return call(backend, *arguments, **options)
    except FastconvError as error:
        return type(error)


@pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")
@pytest.mark.parametrize("options", STEPS, ids=str)
@pytest.mark.parametrize("call", [conv, transposed, pools])
def test_long_steps_are_those_that_lead_out_of_the_image(call: Any, options: dict[str, Any]) -> None:
    for kernel in (1, 2):
        for groups in (1, 4):
            found, expected = (result(call, backend, kernel, groups, **options) for backend in ("fast", "numpy"))
            if isinstance(expected, type):
                assert found is expected
                continue
            for a, b in zip(found, expected):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_window_that_is_too_long_is_named_by_its_length() -> None:
    with pytest.raises(ValueError, match=str(2**40 + 1)):
        fc.conv2d(normal((1, 1, 9, 9), 0, "float32"), normal((1, 1, 2, 2), 0, "float32"), dilation=2**40)
