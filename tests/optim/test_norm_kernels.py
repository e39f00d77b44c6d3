"""Norms, limits and penalties by kernels: what NumPy computes, the same bits on any threads, nothing but launches."""

from __future__ import annotations

from collections.abc import Callable
from math import fsum, isnan, sqrt
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS

import fastconv as fc
from fastconv.errors import DivergedError
from fastconv.layers import Parameter
from fastconv.optim import clip_grad_norm, grad_norm
from fastconv.optim.clipping import _clip
from fastconv.optim.penalty import add_penalty_gradient, sum_of_squares

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.machine.kernel import AT
from fastconv.backends.fast.machine.launch import launch
from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.update import rows
from fastconv.backends.fast.update.norm_kernel import CHUNK, GROUP

DTYPES = (("float32",), ("float64",), ("float16", "float64", "float32"))
SHAPES = ((CHUNK + 1,), (3, CHUNK - 1), (2, CHUNK), (7,), (), (0, 3), (GROUP,), (5, GROUP + 3), (2, 3, 4, 5))


@pytest.fixture(autouse=True)
def _several_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_SERIAL_BYTES", 0)


def trained(dtypes: tuple[str, ...], seed: int = 0) -> list[Parameter]:
    rng = np.random.default_rng(seed)
    made = [Parameter(rng.standard_normal(shape), dtypes[i % len(dtypes)]) for i, shape in enumerate(SHAPES)]
    for parameter in made:
        parameter.grad = rng.standard_normal(parameter.shape) * 3
    made[3].grad = None
    return made


def gradients(parameters: list[Parameter]) -> list[Any]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def clipped(parameters: list[Parameter]) -> Any:
    return clip_grad_norm(parameters, 0.75), *gradients(parameters)


def penalised(parameters: list[Parameter]) -> Any:
    add_penalty_gradient(parameters, np.array([0.3]))
    return sum_of_squares(parameters), *gradients(parameters)


@pytest.mark.parametrize("work", [clipped, penalised])
@pytest.mark.parametrize("dtypes", DTYPES, ids="-".join)
def test_threads_change_no_bit(work: Callable[[list[Parameter]], Any], dtypes: tuple[str, ...]) -> None:
    found = []
    for threads in (1, 2):
        with fc.use_backend("fast"), fc.use_num_threads(threads):
            found.append([np.asarray(array).tobytes() for array in work(trained(dtypes))])
    assert found[0] == found[1]


@pytest.mark.parametrize("dtypes", DTYPES, ids="-".join)
def test_the_norm_is_exact_to_a_few_roundings(dtypes: tuple[str, ...]) -> None:
    parameters = trained(dtypes)
    numbers = np.concatenate([grad.astype(np.float64).ravel() for grad in gradients(parameters)])
    exact = sqrt(fsum(numbers * numbers))
    with fc.use_backend("fast"):
        assert abs(grad_norm(parameters) / exact - 1) < 1e-14
    with fc.use_backend("numpy"):
        assert abs(grad_norm(parameters) / exact - 1) < 1e-6


@pytest.mark.parametrize("dtypes", DTYPES, ids="-".join)
def test_given_the_norm_the_limit_has_the_bits_of_numpy(dtypes: tuple[str, ...]) -> None:
    one, other = trained(dtypes), trained(dtypes)
    from fastconv.backends import resolve_backend

    for norm in (7.5, 0.2, np.nan, np.inf):
        for backend, parameters in (("numpy", one), ("fast", other)):
            with np.errstate(invalid="ignore"):
                resolve_backend(backend).limit_norm(gradients(parameters), np.array([norm]), np.array([0.75]))
        for a, b in zip(gradients(one), gradients(other)):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtypes", DTYPES, ids="-".join)
def test_the_gradient_of_the_penalty_has_the_bits_of_numpy(dtypes: tuple[str, ...]) -> None:
    found = []
    for backend in ("numpy", "fast"):
        with fc.use_backend(backend):
            found.append(penalised(trained(dtypes)))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6)
    for a, b in zip(found[0][1:], found[1][1:]):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("backend", ["numpy", "fast"])
@pytest.mark.parametrize("size", [1, GROUP - 1, 3 * GROUP + 5, CHUNK + 20])
def test_squares_that_overflow_float64(backend: str, size: int) -> None:
    weight = Parameter(np.zeros(size))
    weight.grad = np.linspace(1e290, 3e300, size)
    largest = weight.grad.max()
    with fc.use_backend(backend):
        assert grad_norm([weight]) == pytest.approx(largest * np.linalg.norm(weight.grad / largest), rel=1e-13)
        clip_grad_norm([weight], 1.0, error_if_nonfinite=True)
        assert grad_norm([weight]) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("backend", ["numpy", "fast"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_norm_that_is_not_finite(backend: str, dtype: str, value: float) -> None:
    weight, other = Parameter(np.zeros(3 * CHUNK), dtype), Parameter(np.zeros(2), dtype)
    for place in (0, 5, CHUNK + 1, 3 * CHUNK - 1):
        weight.grad, other.grad = np.ones(3 * CHUNK), [1.0, np.inf]
        weight.grad[place] = value
        before = weight.grad.copy()
        with fc.use_backend(backend), np.errstate(invalid="ignore"):
            norm = grad_norm([weight, other])
            assert isnan(norm) if isnan(value) else norm == np.inf
            with pytest.raises(DivergedError, match=r"norm of the gradients must be finite, but got (nan|inf)"):
                clip_grad_norm([weight, other], 1.0, error_if_nonfinite=True)
            np.testing.assert_array_equal(weight.grad, before)
            clip_grad_norm([weight, other], 1.0)
        assert np.isnan(weight.grad).all() if isnan(value) else np.isnan(weight.grad[place])


def test_no_gradient_at_all() -> None:
    for backend in ("numpy", "fast"):
        with fc.use_backend(backend):
            assert clip_grad_norm([Parameter(np.ones(3))], 1.0) == 0.0
            assert clip_grad_norm(iter([]), 1.0) == 0.0


def test_gradients_in_another_memory_order() -> None:
    weight = Parameter(np.zeros((40, 30)))
    weight.accumulate(np.random.default_rng(0).standard_normal((30, 40)).T)
    with fc.use_backend("fast"):
        norm = grad_norm([weight])
        assert norm == pytest.approx(np.linalg.norm(np.asarray(weight.grad)), rel=1e-14)
        clip_grad_norm([weight], 1.0)
        assert grad_norm([weight]) == pytest.approx(1.0, rel=1e-6)


def test_a_parameter_that_is_given_twice_is_scaled_twice() -> None:
    found = []
    for backend in ("numpy", "fast"):
        weight = Parameter(np.zeros(1000))
        weight.grad = np.arange(1000.0)
        with fc.use_backend(backend):
            clip_grad_norm([weight, weight], 1.0)
        found.append(weight.grad)
    np.testing.assert_allclose(*found, rtol=1e-14)


@pytest.mark.parametrize("dtypes", [("float32",), ("float32", "float64")], ids="-".join)
def test_clipping_is_launches_alone(dtypes: tuple[str, ...]) -> None:
    """Done again on other gradients in the same memory, they give the norm and the gradients of these."""
    one, other, limit, out = trained(dtypes), trained(dtypes), np.array([0.75]), np.empty(1)
    with fc.use_backend("fast"):
        with recording() as record:
            assert _clip(one, limit, out) is out
            add_penalty_gradient(one, limit)
            square = sum_of_squares(one)
        for a, b, fresh in zip(gradients(one), gradients(other), gradients(trained(dtypes, seed=3))):
            a[...] = b[...] = fresh
        for run in record.runs:
            launch(run.kernel, run.arguments.copy(), run.tasks, run.threads)
        assert clip_grad_norm(other, 0.75) == out[0]
        add_penalty_gradient(other, limit)
    assert sum_of_squares(other) == square
    for a, b in zip(gradients(one), gradients(other)):
        np.testing.assert_array_equal(a, b)
    many = len(dtypes)
    names = [AT[run.kernel].name for run in record.runs]
    assert names == [
        *["sum_squares"] * many, "total_squares", *["limit_norm"] * many, *["add_scaled"] * many,
        *["sum_squares"] * many, "total_squares",
    ]  # fmt: skip
