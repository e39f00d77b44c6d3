"""The fast backend computes everything itself: with the other backends broken it still gives the right numbers."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from strategies import BACKENDS, CONV_CASES, POOL_CASES, conv_arrays, normal, stored

import fastconv
import fastconv as fc
from fastconv.backends.base import Backend
from fastconv.backends.naive import NaiveBackend
from fastconv.backends.numpy import NumpyBackend
from fastconv.testing import assert_close, magnitude

pytestmark = pytest.mark.skipif("fast" not in BACKENDS, reason="the fast backend needs Numba")


TIES = ("all", "split")


def work(name: str, backend: str, dtype: str) -> tuple[list[Any], Callable[[], list[Any]]]:
    """Inputs are drawn now; the operations run when the second result is called."""
    if name in CONV_CASES:
        case = CONV_CASES[name]
        x, weight, bias, dy = conv_arrays(case, 0, dtype)
        sizes = [magnitude(fc.conv2d, x, weight, bias, **case.options)]
        sizes += magnitude(fc.conv2d_backward, dy, x, weight, **case.options)
        x, dy = stored(x, "sliced"), stored(dy, "reversed")
        options: dict[str, Any] = {**case.options, "backend": backend}
        return sizes, lambda: [fc.conv2d(x, weight, bias, **options), *fc.conv2d_backward(dy, x, weight, **options)]
    return pool_work(name.removeprefix("pool-"), backend, dtype)


def pool_work(name: str, backend: str, dtype: str) -> tuple[list[Any], Callable[[], list[Any]]]:
    case = POOL_CASES[name]
    x = normal(case.x_shape, 0, dtype)
    y, indices = fc.max_pool2d(x, case.kernel, **case.options, return_indices=True, backend="naive")
    dy, cols = normal(y.shape, 1, dtype), fc.im2col(x, case.kernel, **case.options, backend="naive")
    size, window, tied = x.shape[2:], case.options, np.round(x)
    sizes = [
        0,
        0,
        magnitude(fc.max_pool2d_backward, dy, indices, x.shape),
        *(np.abs(fc.max_pool2d_ties_backward(np.abs(dy), tied, case.kernel, ties=ties, **window)) for ties in TIES),
        np.nan_to_num(magnitude(fc.avg_pool2d, x, case.kernel, **window)),
        magnitude(fc.avg_pool2d_backward, dy, x.shape, case.kernel, **window),
        0,
        magnitude(fc.col2im, cols, size, case.kernel, **window),
        magnitude(fc.lp_pool2d, x, 3, case.kernel, **window),
        magnitude(fc.lp_pool2d_backward, dy, x, 3, case.kernel, **window),
        magnitude(fc.adaptive_avg_pool2d, x, (2, 3)),
        magnitude(fc.adaptive_avg_pool2d_backward, dy, x.shape),
        0,
        0,
        0,
    ]
    options: dict[str, Any] = {**window, "backend": backend}
    return sizes, lambda: [
        *fc.max_pool2d(x, case.kernel, return_indices=True, **options),
        fc.max_pool2d_backward(dy, indices, x.shape, backend=backend),
        *(fc.max_pool2d_ties_backward(dy, tied, case.kernel, ties=ties, **options) for ties in TIES),
        fc.avg_pool2d(x, case.kernel, **options),
        fc.avg_pool2d_backward(dy, x.shape, case.kernel, **options),
        fc.im2col(x, case.kernel, **options),
        fc.col2im(cols, size, case.kernel, **options),
        fc.lp_pool2d(x, 3, case.kernel, **options),
        fc.lp_pool2d_backward(dy, x, 3, case.kernel, **options),
        fc.adaptive_avg_pool2d(x, (2, 3), backend=backend),
        fc.adaptive_avg_pool2d_backward(dy, x.shape, backend=backend),
        fc.adaptive_max_pool2d(x, (2, 3), backend=backend),
        fc.max_unpool2d(dy, np.maximum(indices, 0), size, backend=backend),
        fc.max_unpool2d_backward(x, np.maximum(indices, 0), backend=backend),
    ]


def refuse(self: Backend, *args: Any) -> NoReturn:
    raise AssertionError(f"the {self.name} backend was called")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", [*CONV_CASES, *(f"pool-{name}" for name in POOL_CASES)])
def test_with_the_other_backends_broken(monkeypatch: pytest.MonkeyPatch, name: str, dtype: str) -> None:
    sizes, compute_naive = work(name, "naive", dtype)
    expected = compute_naive()
    _, compute = work(name, "fast", dtype)
    for backend in (NaiveBackend, NumpyBackend):
        for operation in (*Backend.__abstractmethods__, "linear", "linear_backward"):
            monkeypatch.setattr(backend, operation, refuse)
    with pytest.raises(AssertionError, match="the naive backend was called"):
        compute_naive()
    for actual, desired, size in zip(compute(), expected, sizes, strict=True):
        assert_close(actual, desired, magnitude=size)


def test_it_imports_nothing_from_them() -> None:
    package = Path(fastconv.__file__).parent
    files = [*package.glob("backends/fast/**/*.py")]
    assert len(files) > 50
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            others = ("fastconv.backends.naive", "fastconv.backends.numpy")
            assert not any(name == other or name.startswith(f"{other}.") for name in names for other in others), file
