"""An engine against naive, one function per family: what the backend tests run, and what seeded faults must fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from strategies import Array, ConvCase, WindowCase, normal, stored

import fastconv as fc
from fastconv.testing import assert_close, magnitude

GRADIENTS = ("dx", "dweight", "dbias")


def check_conv(engine: str, case: ConvCase, x: Array, weight: Array, bias: Array | None, dy: Array) -> None:
    """Forward and every gradient of `engine` against naive, for a convolution or a transposed one of any rank."""
    name, options = f"{engine} {case}", case.options
    expected = case.forward(x, weight, bias, **options, backend="naive")
    y = case.forward(x, weight, bias, **options, backend=engine)
    assert_close(y, expected, magnitude=magnitude(case.forward, x, weight, bias, **options), name=f"{name} y")
    gradients = case.backward(dy, x, weight, **options, backend=engine)
    expected_gradients = case.backward(dy, x, weight, **options, backend="naive")
    sizes = magnitude(case.backward, dy, x, weight, **options)
    for gradient in GRADIENTS:
        actual, wanted, size = (getattr(each, gradient) for each in (gradients, expected_gradients, sizes))
        assert_close(actual, wanted, magnitude=size, name=f"{name} {gradient}")


def operation(stem: str, rank: int, *, backward: bool = False) -> Callable[..., Any]:
    """The public function for a number of spatial axes."""
    function: Callable[..., Any] = getattr(fc, f"{stem}{rank}d{'_backward' if backward else ''}")
    return function


def forward_and_backward(stem: str, x: Array) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The public functions for the rank of x."""
    return operation(stem, x.ndim - 2), operation(stem, x.ndim - 2, backward=True)


def check_max(engine: str, case: WindowCase, x: Array, ceil_mode: bool, order: str = "C") -> None:
    """Maxima, indices and gradient of `engine` against naive."""
    pool, backward = forward_and_backward("max_pool", x)
    options: dict[str, Any] = {**case.options, "ceil_mode": ceil_mode}
    expected, expected_indices = pool(x, case.kernel, **options, return_indices=True, backend="naive")
    y, indices = pool(x, case.kernel, **options, return_indices=True, backend=engine)
    assert_close(y, expected, magnitude=0, name=f"{engine} {case} y")
    assert_close(indices, expected_indices, name=f"{engine} {case} indices")
    alone = pool(x, case.kernel, **options, backend=engine)
    assert_close(alone, expected, magnitude=0, name=f"{engine} {case} y alone")
    dy, moved = stored(normal(y.shape, 1, x.dtype), order), stored(expected_indices, order)
    dx = backward(dy, moved, x.shape, backend=engine)
    wanted = backward(dy, expected_indices, x.shape, backend="naive")
    size = magnitude(backward, dy, expected_indices, x.shape)
    assert_close(dx, wanted, magnitude=size, name=f"{engine} {case} dx")


def check_ties(engine: str, case: WindowCase, x: Array, ceil_mode: bool, order: str = "C") -> None:
    """Gradients of all maxima of `engine` against naive; `x` has several in a window, or NaN."""
    pool, _ = forward_and_backward("max_pool", x)
    backward = getattr(fc, f"max_pool{x.ndim - 2}d_ties_backward")
    options: dict[str, Any] = {**case.options, "ceil_mode": ceil_mode}
    dy = normal(pool(x, case.kernel, **options, backend="naive").shape, 1, x.dtype)
    for ties in ("all", "split"):
        dx = backward(stored(dy, order), x, case.kernel, ties=ties, **options, backend=engine)
        wanted = backward(dy, x, case.kernel, ties=ties, **options, backend="naive")
        size = backward(np.abs(dy), x, case.kernel, ties=ties, **options, backend="numpy")
        assert_close(dx, wanted, magnitude=size, name=f"{engine} {case} {ties}")


def check_avg(engine: str, case: WindowCase, x: Array, ceil_mode: bool, include_pad: bool, order: str = "C") -> None:
    """Means and gradient of `engine` against naive."""
    pool, backward = forward_and_backward("avg_pool", x)
    options: dict[str, Any] = {**case.options, "ceil_mode": ceil_mode, "count_include_pad": include_pad}
    y = pool(x, case.kernel, **options, backend=engine)
    expected = pool(x, case.kernel, **options, backend="naive")
    size = np.nan_to_num(magnitude(pool, x, case.kernel, **options))  # NaN: a window that sees no cell
    assert_close(y, expected, magnitude=size, name=f"{engine} {case} y")
    dy = stored(normal(y.shape, 2, x.dtype), order)
    dx = backward(dy, x.shape, case.kernel, **options, backend=engine)
    wanted = backward(dy, x.shape, case.kernel, **options, backend="naive")
    size = magnitude(backward, dy, x.shape, case.kernel, **options)
    assert_close(dx, wanted, magnitude=size, name=f"{engine} {case} dx")


def check_lp(engine: str, case: WindowCase, p: float, x: Array, ceil_mode: bool, order: str = "C") -> None:
    """Norms and gradient of `engine` against naive."""
    pool, backward = forward_and_backward("lp_pool", x)
    options: dict[str, Any] = {**case.options, "ceil_mode": ceil_mode}
    expected = pool(x, p, case.kernel, **options, backend="naive")
    y = pool(x, p, case.kernel, **options, backend=engine)
    assert_close(y, expected, magnitude=np.abs(expected), name=f"{engine} {case} p={p} y")
    dy = stored(normal(y.shape, 3, x.dtype), order)
    dx = backward(dy, x, p, case.kernel, **options, backend=engine)
    wanted = backward(dy, x, p, case.kernel, **options, backend="naive")
    size = magnitude(backward, dy, x, p, case.kernel, **options)
    assert_close(dx, wanted, magnitude=size, name=f"{engine} {case} p={p} dx")


def check_adaptive(engine: str, out: tuple[int, ...], x: Array, order: str = "C") -> None:
    """Means, their gradient, maxima and indices of adaptive windows of `engine` against naive."""
    check_adaptive_means(engine, out, x, order)
    check_adaptive_max(engine, out, x)


def check_adaptive_means(engine: str, out: tuple[int, ...], x: Array, order: str = "C") -> None:
    """Means of adaptive windows of `engine`, and their gradient, against naive."""
    pool, backward = forward_and_backward("adaptive_avg_pool", x)
    name = f"{engine} {x.shape} to {out}"
    expected = pool(x, out, backend="naive")
    assert_close(pool(x, out, backend=engine), expected, magnitude=magnitude(pool, x, out), name=f"{name} mean")
    dy = stored(normal(expected.shape, 4, x.dtype), order)
    dx, wanted = (backward(dy, x.shape, backend=backend) for backend in (engine, "naive"))
    assert_close(dx, wanted, magnitude=magnitude(backward, dy, x.shape), name=f"{name} dx")


def check_adaptive_max(engine: str, out: tuple[int, ...], x: Array) -> None:
    """Maxima and indices of adaptive windows of `engine` against naive."""
    pool = operation("adaptive_max_pool", x.ndim - 2)
    name = f"{engine} {x.shape} to {out}"
    y, indices = pool(x, out, return_indices=True, backend=engine)
    expected, expected_indices = pool(x, out, return_indices=True, backend="naive")
    assert_close(y, expected, magnitude=0, name=f"{name} max")
    assert_close(indices, expected_indices, name=f"{name} indices")
    assert_close(pool(x, out, backend=engine), expected, magnitude=0, name=f"{name} max alone")


def check_unpool(engine: str, size: tuple[int, ...], y: Array, indices: Array, order: str = "C") -> None:
    """Unpooling and its gradient of `engine` against naive."""
    unpool, backward = forward_and_backward("max_unpool", y)
    x, expected = (unpool(y, indices, size, backend=backend) for backend in (engine, "naive"))
    assert_close(x, expected, magnitude=0, name=f"{engine} unpooled")
    dy = stored(normal(x.shape, 5, y.dtype), order)
    gradient, wanted = (backward(dy, indices, backend=backend) for backend in (engine, "naive"))
    assert_close(gradient, wanted, magnitude=0, name=f"{engine} gradient of unpooling")


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
