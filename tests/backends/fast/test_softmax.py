"""Softmax and its logarithm as kernels: exact to a few eps, with the bits of rows in any order, on any threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from programs import run
from strategies import normal, stored

import fastconv as fc
from fastconv import functional as F
from fastconv.backends.softmax import SoftmaxAlongAxis

pytest.importorskip("numba", reason="the fast backend needs Numba")

from fastconv.backends.fast.softmax import planes_kernel

Array = Any
NAMES = ("softmax", "log_softmax")
# one class, one row, rows of thousands, thousands of rows, planes of several blocks and of a part of one, six axes
SHAPES = [(5, 1), (1, 7), (3, 5000), (3000, 10), (2, 21, 20, 33), (4, 2, 300), (2, 3, 2, 2, 3, 2)]
AWKWARD = [
    [0.0, 0.0, 0.0, 0.0, 0.0],
    [1e30, -1e30, 0.0, 1.0, -1.0],
    [np.inf, 0.0, 0.0, 1.0, 1.0],
    [np.inf, -np.inf, np.inf, 0.0, 0.0],
    [-np.inf, 0.0, 1.0, -np.inf, 2.0],
    [np.nan, 0.0, 1.0, 2.0, 3.0],
    [0.0, 1.0, 2.0, np.nan, np.inf],
    [0.0, 1.0, 2.0, 3.0, np.nan],
    [-np.inf] * 5,
    [-1e4, 1e4, 88.0, -88.0, 9999.0],
    [1e-42, -1e-42, 0.0, -0.0, -100.0],
]


@pytest.fixture(autouse=True)
def _fast() -> Any:
    with fc.use_backend("fast"), np.errstate(all="raise", under="ignore"):
        yield


def along(name: str, axis: int, x: Array, dy: Array) -> tuple[Array, Array]:
    """A function, and its gradient from its output."""
    y = getattr(F, name)(x, axis)
    return y, getattr(F, f"{name}_backward")(dy, y, axis)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_number_is_within_a_few_eps(shape: tuple[int, ...], dtype: str) -> None:
    exact, eps = SoftmaxAlongAxis(), np.finfo(dtype).eps
    x, dy = normal(shape, 0, dtype) * np.array(3, dtype), normal(shape, 1, dtype)
    wide, wide_dy = x.astype(np.longdouble), dy.astype(np.longdouble)
    for axis in range(len(shape)):
        few = 4 + (
            shape[axis] // 8 if dtype == "float64" else 0
        )  # half of one for each addition that a term goes through
        below = wide.max(axis=axis, keepdims=True) - wide  # a difference, which is rounded, is the exponent
        y, dx = along("softmax", axis, x, dy)
        expected = exact.softmax(wide, axis)
        assert (np.abs(y - expected) <= eps * (few + below) * expected).all()
        scale = np.abs(y) * (np.abs(dy) + np.abs(dy * y).sum(axis=axis, keepdims=True))
        assert (np.abs(dx - exact.softmax_backward(wide_dy, y.astype(np.longdouble), axis)) <= few * eps * scale).all()
        y, dx = along("log_softmax", axis, x, dy)
        expected = exact.log_softmax(wide, axis)
        assert (np.abs(y - expected) <= eps * (few + np.abs(expected))).all()
        scale = np.abs(dy) + np.exp(y) * np.abs(dy).sum(axis=axis, keepdims=True)
        wanted = exact.log_softmax_backward(wide_dy, y.astype(np.longdouble), axis)
        assert (np.abs(dx - wanted) <= few * eps * scale).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(2000, 10), (3, 21, 40, 33)], ids=str)
def test_the_bits_do_not_depend_on_threads(name: str, shape: tuple[int, ...]) -> None:
    x, dy, results = normal(shape, 0, "float32"), normal(shape, 1, "float32"), []
    for threads in range(1, min(4, fc.backends.settings.thread_limit() + 1)):
        with fc.use_num_threads(threads):
            results.append([array.tobytes() for axis in (0, 1, -1) for array in along(name, axis, x, dy)])
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", ["channels-last", "Fortran", "sliced", "reversed"])
def test_a_number_has_the_bits_that_it_has_in_a_row(name: str, order: str) -> None:
    x, dy = normal((3, 7, 4, 70), 0, "float32"), normal((3, 7, 4, 70), 1, "float32")
    assert planes_kernel.PIXELS < 4 * 70
    for axis in range(4):
        rows = along(name, -1, *(np.ascontiguousarray(np.moveaxis(array, axis, -1)) for array in (x, dy)))
        for arrays in ((x, dy), (stored(x, order), stored(dy, order)), (x, stored(dy, order))):
            for found, expected in zip(along(name, axis, *arrays), rows):
                np.testing.assert_array_equal(np.moveaxis(found, axis, -1), expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_awkward_rows_and_columns_are_those_of_numpy(name: str, dtype: str) -> None:
    with np.errstate(over="ignore"):
        x = np.array(AWKWARD).astype(dtype)
    y = getattr(F, name)(x, 1)
    np.testing.assert_array_equal(getattr(F, name)(np.ascontiguousarray(x.T), 0), y.T)
    with fc.use_backend("numpy"):
        expected = getattr(F, name)(x, 1)
    assert y.dtype == expected.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


def test_results_are_in_the_memory_order_of_the_input() -> None:
    for order in ("C", "channels-last"):
        x = stored(normal((2, 3, 4, 5), 0, "float32"), order)
        for name in NAMES:
            assert {array.strides for array in along(name, 1, x, x)} == {x.strides}


def test_the_kernels_as_python_functions() -> None:
    run(
        """
        import numpy as np
        import fastconv as fc
        from test_softmax import NAMES, along, normal
        x, dy = normal((2, 7, 3), 0, "float32"), normal((2, 7, 3), 1, "float32")
        for name in NAMES:
            for axis in (1, 2):
                with fc.use_backend("numpy"):
                    expected = along(name, axis, x, dy)
                with fc.use_backend("fast"):
                    found = along(name, axis, x, dy)
                for one, other in zip(found, expected):
                    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        """,
        NUMBA_DISABLE_JIT="1",
    )
