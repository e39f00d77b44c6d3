"""Numerical gradients of CS231n: right, in place and put back, and what they refuse."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from strategies import Array, normal, stored

from fastconv.compat.cs231n import gradient_check as gc
from fastconv.compat.cs231n import layers
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import assert_close

STEP = 1e-5
# Of a difference over 2h, per unit of f: its rounding, and for a cube the third derivative.
NOISE = 1 / STEP


def cubes(x: Array) -> float:
    return float((x**3).sum())


@pytest.mark.parametrize("order", ["C", "Fortran", "sliced", "reversed", "unaligned"])
def test_the_gradient_of_a_scalar(order: str) -> None:
    x = stored(normal((3, 2, 4), 0), order)
    before = x.copy()
    grad = gc.eval_numerical_gradient(cubes, x, verbose=False)
    assert_close(grad, 3 * before**2, magnitude=NOISE * cubes(np.abs(before)))
    np.testing.assert_array_equal(x, before)


def test_central_differences_as_they_are_written() -> None:
    """Element by element with the same step: equal to the last bit."""
    x, h = normal((2, 3), 1), 1e-4
    grad = gc.eval_numerical_gradient(cubes, x.copy(), False, h)
    dy = normal((2, 3), 2)
    array = gc.eval_numerical_gradient_array(lambda x: x**2, x.copy(), dy, h)
    for ix in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[ix] += h
        down[ix] -= h
        assert grad[ix] == (cubes(up) - cubes(down)) / (2 * h)
        assert array[ix] == np.sum((up**2 - down**2) * dy) / (2 * h)


def test_verbose_prints_position_and_slope(capsys: pytest.CaptureFixture[str]) -> None:
    grad = gc.eval_numerical_gradient(lambda x: 2.0 * x[0, 0] - 8.0 * x[0, 1], np.zeros((1, 2)), h=0.25)
    assert grad.tolist() == [[2.0, -8.0]]
    assert capsys.readouterr().out == "(0, 0) 2.0\n(0, 1) -8.0\n"


def test_f_is_called_once_more_first_as_in_the_original() -> None:
    seen: list[Array] = []

    def f(x: Array) -> float:
        seen.append(x.copy())
        return 0.0

    gc.eval_numerical_gradient(f, np.array([5.0]), verbose=False, h=1.0)
    assert [x.item() for x in seen] == [5.0, 6.0, 4.0]


@pytest.mark.parametrize("backend", ["naive", "fast"])
def test_layers_see_every_perturbed_value(backend: str) -> None:
    """The same array object is passed at every call, with other numbers in it: nothing may be remembered of it."""
    from fastconv.compat.cs231n import fast_layers

    conv = layers.conv_forward_naive if backend == "naive" else fast_layers.conv_forward_fast
    back = layers.conv_backward_naive if backend == "naive" else fast_layers.conv_backward_fast
    x, w, b = normal((2, 3, 4, 5), 0), normal((2, 3, 3, 2), 1), normal((2,), 2)
    conv_param = {"stride": 1, "pad": 1}
    out, cache = conv(x, w, b, conv_param)
    dout = normal(out.shape, 3)
    dx, dw, db = back(dout, cache)
    noise = NOISE * np.abs(dout * out).sum()
    for array, analytic in ((x, dx), (w, dw), (b, db)):
        numeric = gc.eval_numerical_gradient_array(lambda _: conv(x, w, b, conv_param)[0], array, dout)
        assert np.abs(numeric).min() > 0
        assert_close(numeric, analytic, magnitude=noise)
    pool_param = {"pool_height": 3, "pool_width": 2, "stride": 1}
    pool = layers.max_pool_forward_naive if backend == "naive" else fast_layers.max_pool_forward_fast
    pool_back = layers.max_pool_backward_naive if backend == "naive" else fast_layers.max_pool_backward_fast
    out, cache = pool(x, pool_param)
    dout = normal(out.shape, 4)
    analytic = pool_back(dout, cache)
    numeric = gc.eval_numerical_gradient_array(lambda x: pool(x, pool_param)[0], x, dout)
    assert_close(numeric, analytic, magnitude=NOISE * np.abs(dout * out).sum())


def test_a_result_that_is_written_in_place_is_copied() -> None:
    """An f that returns the same buffer at each call: both sides must be kept apart."""
    buffer = np.zeros(3)

    def f(x: Array) -> Array:
        np.multiply(x, 2.0, out=buffer)
        return buffer

    assert gc.eval_numerical_gradient_array(f, np.zeros(3), np.ones(3), h=0.5).tolist() == [2.0, 2.0, 2.0]


def blob(vals: Array, diffs: Array | None = None) -> SimpleNamespace:
    return SimpleNamespace(vals=vals, diffs=np.zeros_like(vals) if diffs is None else diffs)


def test_blobs_and_nets() -> None:
    x, w = blob(normal((2, 3), 0)), blob(normal((3, 4), 1))
    out = blob(np.zeros((2, 4)), normal((2, 4), 2))

    def product(x: Any, w: Any, out: Any) -> None:
        out.vals[:] = x.vals @ w.vals

    expected = out.diffs @ w.vals.T, x.vals.T @ out.diffs
    net = SimpleNamespace(forward=lambda: product(x, w, out))
    noise = NOISE * float(np.abs(x.vals @ w.vals * out.diffs).sum())
    for found in (
        gc.eval_numerical_gradient_blobs(product, (x, w), out),
        gc.eval_numerical_gradient_net(net, (x, w), out, 1e-5),
    ):
        assert isinstance(found, list)
        for gradient, right in zip(found, expected, strict=True):
            assert_close(gradient, right, magnitude=noise)


@pytest.mark.parametrize("x", [np.array(3.0), np.zeros((0, 4)), np.array([-0.0, 1e300])])
def test_odd_arrays(x: Array) -> None:
    before = x.copy()
    grad = gc.eval_numerical_gradient(lambda x: float(np.sum(2 * x)), x, verbose=False)
    assert grad.shape == x.shape
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(np.signbit(x), np.signbit(before))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_narrow_dtypes_take_the_step_that_was_made(dtype: str) -> None:
    """A linear function has the same slope over any step; without the true width it would be a third off."""
    x = np.array([1.0, -3.0, 0.1, 100.0], dtype)
    h = 2 * float(np.spacing(np.array(64, dtype))) / 1.5
    grad = gc.eval_numerical_gradient(lambda x: float((x.astype(np.float64) * [2, 3, 5, 7]).sum()), x, False, h)
    assert_close(grad, np.array([2, 3, 5, 7], dtype))
    assert grad.dtype == x.dtype
    by_array = gc.eval_numerical_gradient_array(lambda x: x.astype(np.float64) * 2, x, np.ones(4), h)
    assert_close(by_array, np.full(4, 2, dtype))


def test_a_step_that_float32_loses_is_an_error_and_x_is_put_back() -> None:
    x = np.array([1.0, 1e6], np.float32)
    with pytest.raises(InvalidValueError, match=r"eval_numerical_gradient: h must change every .*1e-05.*\(1,\)"):
        gc.eval_numerical_gradient(cubes, x, verbose=False)
    assert x.tolist() == [1.0, 1e6]


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_x_is_put_back_when_f_raises(calls: int) -> None:
    left = [calls]

    def f(_: Array) -> float:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return 1.0

    x = np.array([7.0])
    with pytest.raises(KeyboardInterrupt):
        gc.eval_numerical_gradient(f, x, verbose=False)
    assert x.tolist() == [7.0]


def every_function(x: Any, h: float = 1e-5) -> dict[str, Any]:
    def one(_: Any) -> float:
        return 0.0

    return {
        "eval_numerical_gradient": lambda: gc.eval_numerical_gradient(one, x, False, h),
        "eval_numerical_gradient_array": lambda: gc.eval_numerical_gradient_array(one, x, 1.0, h),
        "eval_numerical_gradient_blobs": lambda: gc.eval_numerical_gradient_blobs(
            lambda *_: None, (SimpleNamespace(vals=x, diffs=x),), blob(np.zeros(1)), h
        ),
        "grad_check_sparse": lambda: gc.grad_check_sparse(one, x, x, 1, h),
    }


@pytest.mark.parametrize("name", every_function(None))
def test_what_cannot_be_changed_in_place_is_refused(name: str) -> None:
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    with pytest.raises(InvalidValueError, match=rf"^{name}: \w+ must be writeable.*read-only.*x\.copy\(\)"):
        every_function(frozen)[name]()
    for wrong, said in (([1.0], "list"), (np.array([1, 2]), "dtype int64"), (3.0, "float"), (None, "NoneType")):
        with pytest.raises(InvalidTypeError, match=rf"^{name}: \w+ must be an array of floating.*but got {said}"):
            every_function(wrong)[name]()
    for h in (0.0, -1e-5):
        with pytest.raises(InvalidValueError, match=rf"^{name}: h must be positive, but got {h}"):
            every_function(np.zeros(2), h)[name]()
    with pytest.raises(InvalidValueError, match=rf"^{name}: h must be a finite number"):
        every_function(np.zeros(2), float("nan"))[name]()


# at random positions


LINE = r"numerical: -?\d+\.\d{6} analytic: -?\d+\.\d{6}, relative error: \d\.\d{6}e[+-]\d\d\n"


def test_the_sparse_check_prints_the_lines_of_the_original(capsys: pytest.CaptureFixture[str]) -> None:
    x = normal((4, 3), 5)
    random.seed(11)
    gc.grad_check_sparse(cubes, x, 3 * x**2, num_checks=4)
    out = capsys.readouterr().out
    assert re.fullmatch(f"({LINE}){{4}}", out)
    random.seed(11)
    for line in out.splitlines():
        ix = random.randrange(4), random.randrange(3)
        up, down = x.copy(), x.copy()
        up[ix] += 1e-5
        down[ix] -= 1e-5
        numerical, analytic = (cubes(up) - cubes(down)) / 2e-5, 3 * x[ix] ** 2
        error = abs(numerical - analytic) / (abs(numerical) + abs(analytic))
        # The original's own format.
        assert line == "numerical: %f analytic: %f, relative error: %e" % (numerical, analytic, error)  # noqa: UP031


def test_a_gradient_of_zero_on_both_sides_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    gc.grad_check_sparse(lambda x: 4.0, np.ones(3), np.zeros(3), num_checks=1)
    assert capsys.readouterr().out == "numerical: 0.000000 analytic: 0.000000, relative error: 0.000000e+00\n"


def test_the_sparse_check_sees_a_wrong_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    gc.grad_check_sparse(lambda x: float(x.sum()), np.ones(3), np.full(3, -1.0), num_checks=2)
    assert capsys.readouterr().out.count("relative error: 1.000000e+00") == 2


def test_a_gradient_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"analytic_grad must have the shape of x, \(3,\), but got \(3, 1\)"):
        gc.grad_check_sparse(cubes, np.ones(3), np.ones((3, 1)))


def test_rel_error() -> None:
    assert gc.rel_error(np.array([1.0, 4.0]), np.array([1.0, 4.0])) == 0.0
    assert gc.rel_error(np.array([1.0, 3.0]), np.array([1.0, 1.0])) == 0.5
    assert gc.rel_error(np.array([1e-9]), np.array([0.0])) == 0.1  # at least 1e-8 below the line
    assert gc.rel_error([2.0], [-2.0]) == 1.0
