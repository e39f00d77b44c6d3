"""Matrix products beside NumPy's: integers, empty ones, stacks."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_operators import output

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((0, 4), (4, 5)),
     ((3, 0), (0, 5)), ((2, 0, 3, 4), (4, 5))],
)  # fmt: skip
def test_matrices_are_multiplied_in_their_dtype(left: tuple[int, ...], right: tuple[int, ...], dtype: type) -> None:
    a, b = (RNG.integers(0, 5, shape).astype(dtype) for shape in (left, right))
    y = output("MatMul", a, b)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.matmul(a, b))


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
@pytest.mark.parametrize("options", [{}, {"alpha": 2.0}, {"beta": 3.0}, {"transA": 1}, {"transB": 1, "alpha": 2.0}])
@pytest.mark.parametrize("shape", [None, (), (1,), (5,), (1, 5), (3, 1), (3, 5)])
def test_a_broadcast_summand(shape: tuple[int, ...] | None, options: dict[str, float], dtype: type) -> None:
    a, b = RNG.integers(0, 5, (3, 4)).astype(dtype), RNG.integers(0, 5, (4, 5)).astype(dtype)
    c = None if shape is None else np.asarray(RNG.integers(0, 5, shape)).astype(dtype)
    y = output("Gemm", a.T if "transA" in options else a, b.T if "transB" in options else b, c, **options)
    assert y.dtype == dtype
    np.testing.assert_array_equal(
        y, options.get("alpha", 1) * (a @ b) + (0 if c is None else options.get("beta", 1) * c)
    )
