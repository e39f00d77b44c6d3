"""A call that is like one before is not checked again, and one that only looks like it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.functional import conv

rng = np.random.default_rng(4)


def arrays(dtype: Any = np.float32) -> tuple[Any, Any, Any]:
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in ((2, 3, 6, 7), (4, 3, 3, 3), (4,)))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_second_call_has_the_bits_of_the_first_and_of_one_that_is_not_remembered(dtype: Any, layout: str) -> None:
    x, weight, bias = arrays(dtype)
    x = x if layout == "NCHW" else np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    for given in (bias, None):
        for padding in (1, "same"):
            calls = [fc.conv2d(x, weight, given, padding=padding, layout=layout) for _ in range(2)]  # type: ignore[arg-type]
            slow = fc.conv2d(x, weight, given, padding=padding, stride=(1, 1), layout=layout)  # type: ignore[arg-type]
            np.testing.assert_array_equal(calls[0], calls[1])
            np.testing.assert_array_equal(calls[0], slow)
            assert calls[1].dtype == dtype


def test_what_was_refused_is_refused_after_a_call_that_it_equals() -> None:
    x, weight, bias = arrays()
    fc.conv2d(x, weight, bias, stride=1, padding=1)
    fc.conv2d(x, weight, bias, stride=1, padding=1)
    for wrong in ({"stride": 1.0}, {"groups": 1.0}, {"dilation": 1.0}, {"padding": 1.0}):
        with pytest.raises(TypeError):
            fc.conv2d(x, weight, bias, **{"stride": 1, "padding": 1, **wrong})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bias must have shape"):
        fc.conv2d(x, weight, bias[:3], padding=1)
    with pytest.raises(ValueError, match="layout must be"):
        fc.conv2d(x, weight, bias, padding=1, layout="CHWN")
    with pytest.raises(ValueError, match="backend must be one of"):
        fc.conv2d(x, weight, bias, padding=1, backend="slow")
    assert fc.conv2d(x, weight, bias.astype(np.float64), padding=1).dtype == np.float64
    np.testing.assert_allclose(
        fc.conv2d(x, weight, bias, padding=1, backend="naive"),
        fc.conv2d(x, weight, bias, padding=1),
        rtol=1e-5,
        atol=1e-5,
    )


def test_so_many_are_remembered() -> None:
    weight = np.ones((1, 1, 1), np.float32)
    for width in range(1, conv._KNOWN + 20):
        fc.conv1d(np.ones((1, 1, width), np.float32), weight)
    assert len(conv._known) <= conv._KNOWN
