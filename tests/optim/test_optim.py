"""Optimisers: by hand, against PyTorch, and what they must not touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.errors import DivergedError
from fastconv.layers import Linear, Parameter
from fastconv.optim import OPTIMIZERS, SGD, Adam, AdamW, Optimizer, RMSprop, clip_grad_norm, grad_norm
from fastconv.optim.base import _BLOCK, _blocks
from fastconv.testing import assert_close

SHAPES = ((3, 2, 5, 4), (7,), (2**7 + 3, 2**8 - 1))  # the last one is walked over in several blocks
DTYPES = (np.float32, np.float64)
STEPS = 6

CASES: tuple[tuple[type[Optimizer], dict[str, Any]], ...] = (
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.1, "weight_decay": 0.3}),
    (SGD, {"lr": 0.1, "momentum": 0.9}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.25, "weight_decay": 0.1}),
    (SGD, {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    (RMSprop, {"lr": 0.01}),
    (RMSprop, {"lr": 0.01, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    (RMSprop, {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}),
    (Adam, {"lr": 0.01}),
    (Adam, {"lr": 0.01, "betas": (0.7, 0.9), "eps": 1e-4, "weight_decay": 0.2}),
    (Adam, {"lr": 0.01, "betas": (0.7, 0.8), "amsgrad": True}),
    (AdamW, {"lr": 0.01}),
    (AdamW, {"lr": 0.01, "weight_decay": 0.4, "amsgrad": True}),
)
IDS = [f"{kind.__name__}-{'-'.join(options)}" for kind, options in CASES]


def parameters(dtype: Any, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> list[Parameter]:
    rng = np.random.default_rng(0)
    return [Parameter(rng.standard_normal(shape).astype(dtype)) for shape in shapes]


def gradients(dtype: Any, shapes: tuple[tuple[int, ...], ...] = SHAPES, steps: int = STEPS) -> Iterator[list[Any]]:
    rng = np.random.default_rng(1)
    for step in range(steps):
        yield [(rng.standard_normal(shape) * (1 + step % 3)).astype(dtype) for shape in shapes]


def run(optimizer: Optimizer, trained: list[Parameter], given: Iterator[list[Any]]) -> None:
    for grads in given:
        for parameter, grad in zip(trained, grads):
            parameter.grad = grad
        optimizer.step()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
def test_the_numbers_are_those_of_pytorch(kind: type[Optimizer], options: dict[str, Any], dtype: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    trained = parameters(dtype)
    others = [torch.nn.Parameter(torch.from_numpy(parameter.data.copy())) for parameter in trained]
    oracle = getattr(torch.optim, kind.__name__)(others, **options)
    for grads in gradients(dtype):
        for other, grad in zip(others, grads):
            other.grad = torch.from_numpy(grad.copy())
        oracle.step()
    run(kind(trained, **options), trained, gradients(dtype))
    for index, (parameter, other) in enumerate(zip(trained, others)):
        assert_close(parameter.data, other.detach().numpy(), name=f"{kind.__name__} {options}: parameter {index}")


@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
def test_defaults_are_those_of_pytorch(kind: type[Optimizer], options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    group = getattr(torch.optim, kind.__name__)([torch.nn.Parameter(torch.zeros(2))]).param_groups[0]
    for name, value in kind(parameters(np.float32)).options()[0].items():  # type: ignore[call-arg]
        assert group[name] == value, name


def test_sgd_by_hand() -> None:
    weight = Parameter(np.array([1.0, -2.0]))
    optimizer = SGD([weight], lr=0.5, momentum=0.5)
    for _ in range(2):
        weight.grad = [2.0, 4.0]
        optimizer.step()
    assert weight.data.tolist() == [1 - 0.5 * 2 - 0.5 * 3, -2 - 0.5 * 4 - 0.5 * 6]


def test_parameters_change_in_place_and_their_gradients_do_not() -> None:
    for kind, options in CASES:
        trained = parameters(np.float32)
        data, (grads, *_) = [parameter.data for parameter in trained], list(gradients(np.float32))
        run(kind(trained, **options), trained, iter([grads]))
        for parameter, array, grad in zip(trained, data, grads):
            assert parameter.data is array
            np.testing.assert_array_equal(parameter.grad, grad)


@pytest.mark.parametrize("dtype", [np.float16, *DTYPES])
@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
def test_state_has_the_dtype_of_the_parameter(kind: type[Optimizer], options: dict[str, Any], dtype: Any) -> None:
    trained = parameters(dtype)
    optimizer = kind(trained, **options)
    with fc.use_backend("numpy"):
        run(optimizer, trained, gradients(dtype, steps=2))
    slots = optimizer.state_dict()["slots"]
    kind = np.dtype(np.float32 if dtype == np.float16 else dtype)  # in float16, eps would be zero
    assert {array.dtype for array in slots.values()} <= {kind}
    assert {array.dtype for array in optimizer._scratch.values()} == {kind}
    assert {parameter.dtype for parameter in trained} == {np.dtype(dtype)}
    assert all(np.isfinite(parameter.data).all() for parameter in trained)
    assert len(slots) == len(trained) * len(optimizer.slots_of(optimizer.groups[0]))


def test_options_of_numpy_do_not_upcast() -> None:
    weight = Parameter(np.ones(3, np.float32))
    optimizer = Adam([weight], lr=np.float64(0.1), betas=(np.float64(0.5), np.float64(0.5)), eps=np.float64(1e-8))  # type: ignore[arg-type]
    assert {type(value) for value in (optimizer.lr, *optimizer.groups[0]["betas"])} == {float}


def test_strided_gradients_and_fortran_parameters() -> None:
    rng = np.random.default_rng(2)
    values, grad = rng.standard_normal((150, 301)), rng.standard_normal((301, 150))
    plain, odd = Parameter(values.copy()), Parameter(np.asfortranarray(values))
    for parameter in (plain, odd):
        parameter.accumulate(grad.T if parameter is odd else np.ascontiguousarray(grad.T))
        Adam([parameter]).step()
    np.testing.assert_array_equal(plain.data, odd.data)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (5,), (_BLOCK + 1,), (3, _BLOCK), (2, 3 * _BLOCK), (1000, 7, 5)])
def test_blocks_cover_every_row_once(shape: tuple[int, ...]) -> None:
    seen = np.zeros(shape, int)
    for block in _blocks(shape):
        seen[block] += 1
        assert seen[block].size <= max(_BLOCK, np.prod(shape[1:], dtype=int))
    assert (seen == 1).all()


def test_a_parameter_without_dimensions() -> None:
    scale = Parameter(np.float32(2.0))
    optimizer = Adam([scale], lr=0.5)
    scale.grad = np.float32(1.0)
    optimizer.step()
    assert scale.dtype == np.float32
    assert_close(scale.data, np.float32(1.5))


def test_frozen_parameters_and_those_without_gradient_stay() -> None:
    frozen, unused, trained = (Parameter(np.ones(3)) for _ in range(3))
    frozen.requires_grad = False
    optimizer = SGD([frozen, unused, trained], lr=0.5, momentum=0.9, weight_decay=0.1)
    frozen.grad, trained.grad = np.ones(3), np.ones(3)
    optimizer.step()
    assert frozen.data.tolist() == unused.data.tolist() == [1.0, 1.0, 1.0]
    assert (trained.data != 1).all()
    assert optimizer.state_dict()["steps"] == [0, 0, 1]


def test_bias_correction_counts_the_updates_of_each_parameter() -> None:
    late, early = Parameter(np.ones(2)), Parameter(np.ones(2))
    optimizer = Adam([late, early], lr=0.1)
    early.grad = [1.0, -1.0]
    optimizer.step()
    first = early.data.copy()
    early.grad, late.grad = None, [1.0, -1.0]
    optimizer.step()
    np.testing.assert_array_equal(late.data, first)


def test_groups_have_options_of_their_own() -> None:
    body, head = Parameter(np.ones(2)), Parameter(np.ones(2))
    optimizer = SGD([{"parameters": [body]}, {"parameters": [head], "lr": 1.0}], lr=0.25)
    body.grad = head.grad = [1.0, 1.0]
    optimizer.step()
    assert (body.data.tolist(), head.data.tolist()) == ([0.75, 0.75], [0.0, 0.0])
    assert "lr=1.0" in repr(optimizer)
    optimizer.lr = 0.5
    assert [group["lr"] for group in optimizer.groups] == [0.5, 0.5]


def test_zero_grad_forgets() -> None:
    layer = Linear(3, 2, rng=0)
    layer(np.ones((2, 3), np.float32))
    layer.backward(np.ones((2, 2), np.float32))
    SGD(layer.parameters()).zero_grad()
    assert [parameter.grad for parameter in layer.parameters()] == [None, None]


@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
def test_a_loaded_state_goes_on_bitwise(kind: type[Optimizer], options: dict[str, Any]) -> None:
    whole, halves = parameters(np.float32), parameters(np.float32)
    run(kind(whole, **options), whole, gradients(np.float32))
    given = gradients(np.float32)
    first = kind(halves, **options)
    run(first, halves, (next(given) for _ in range(3)))
    second = kind(halves, **{**options, "lr": 7.0})
    second.load_state_dict(first.state_dict())
    assert second.options() == first.options()
    run(second, halves, given)
    for one, other in zip(whole, halves):
        np.testing.assert_array_equal(one.data, other.data)


def test_a_state_dict_is_a_copy() -> None:
    trained = parameters(np.float32)
    optimizer = SGD(trained, lr=0.1, momentum=0.9)
    run(optimizer, trained, gradients(np.float32, steps=1))
    state = optimizer.state_dict()
    before = {name: array.copy() for name, array in state["slots"].items()}
    run(optimizer, trained, gradients(np.float32, steps=2))
    for name, array in before.items():
        np.testing.assert_array_equal(state["slots"][name], array)


def test_foreign_states_are_refused() -> None:
    state = Adam(parameters(np.float32)).state_dict()
    with pytest.raises(ValueError, match="state must be of SGD, but got that of 'Adam'"):
        SGD(parameters(np.float32)).load_state_dict(state)
    with pytest.raises(ValueError, match="1 groups with 1 parameters, but got 1 with 3"):
        Adam(parameters(np.float32)[:1]).load_state_dict(state)
    trained = parameters(np.float32)
    optimizer = Adam(trained)
    run(optimizer, trained, gradients(np.float32, steps=1))
    other = Adam(parameters(np.float32, ((3, 2, 5, 4), (8,), (4, 4))))
    with pytest.raises(ValueError, match=r"slot 1\.mean must have shape \(8,\), but got \(7,\)"):
        other.load_state_dict(optimizer.state_dict())
    assert other.state_dict()["steps"] == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slots": {}}, r"slots of every parameter that was changed, but 0\.velocity, 1\.velocity, 2\.velocity cannot"),
        ({"slots": {"99.velocity": np.zeros(3)}}, r"0\.velocity, 1\.velocity, 2\.velocity cannot be found"),
        ({"groups": [{"lr": 0.1}]}, "a group must have the options dampening, lr, momentum, .*, but got lr"),
        ({"steps": [1, 1, 1.5]}, r"every step must be an integer, but got 1\.5"),
    ],
)
def test_a_state_that_is_not_whole_is_refused(change: dict[str, Any], message: str) -> None:
    """Without its velocity a run goes on, and is another one: nothing but leaving it out shows that."""
    trained = parameters(np.float32)
    optimizer = SGD(trained, lr=0.1, momentum=0.9)
    run(optimizer, trained, gradients(np.float32, steps=1))
    state = optimizer.state_dict()
    other = SGD(parameters(np.float32), lr=0.1, momentum=0.9)
    with pytest.raises((ValueError, TypeError), match=message):
        other.load_state_dict({**state, **change})
    with pytest.raises(ValueError, match=r"slot 99\.mean must belong to one of 3 parameters"):
        other.load_state_dict({**state, "slots": {**state["slots"], "99.mean": np.zeros(3)}})
    with pytest.raises(ValueError, match="state must be whole, but slots cannot be found"):
        other.load_state_dict({name: value for name, value in state.items() if name != "slots"})
    assert other.state_dict()["steps"] == [0, 0, 0]


WEIGHT = Parameter(np.zeros(3))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: SGD([]), ValueError, "SGD: parameters must not be empty"),
        (lambda: Adam([{"parameters": []}]), ValueError, "Adam: parameters must not be empty"),
        (lambda: SGD([WEIGHT, WEIGHT]), ValueError, "must all be different"),
        (lambda: SGD(WEIGHT), TypeError, "must be a list"),
        (lambda: SGD(3), TypeError, "must be a list"),
        (lambda: SGD([np.zeros(3)]), TypeError, "must be Parameter objects.*got ndarray"),
        (lambda: SGD([{"lr": 1.0}]), TypeError, "a group must have parameters"),
        (lambda: SGD([{"parameters": [WEIGHT], "beta": 1.0}]), TypeError, "among lr, momentum.*but got.*'beta'"),
        (lambda: SGD([WEIGHT], lr=0), ValueError, r"SGD: lr must be positive, but got 0\.0"),
        (lambda: SGD([WEIGHT], lr=float("nan")), ValueError, "lr must be a finite number"),
        (lambda: SGD([WEIGHT], lr="fast"), TypeError, "lr must be a number, but got 'fast'"),
        (lambda: SGD([WEIGHT], lr=True), TypeError, "lr must be a number"),
        (lambda: SGD([WEIGHT], momentum=-1), ValueError, "momentum must not be negative"),
        (lambda: SGD([WEIGHT], weight_decay=-1), ValueError, "weight_decay must not be negative"),
        (lambda: SGD([WEIGHT], nesterov=True), ValueError, "nesterov must have a positive momentum"),
        (lambda: SGD([WEIGHT], momentum=0.9, dampening=0.1, nesterov=True), ValueError, "no dampening"),
        (lambda: RMSprop([WEIGHT], alpha=1.0), ValueError, r"alpha must be at least 0 and below 1, but got 1\.0"),
        (lambda: RMSprop([WEIGHT], eps=0), ValueError, "eps must be positive"),
        (lambda: Adam([WEIGHT], betas=(0.9, 1.0)), ValueError, r"betas\[1\] must be at least 0 and below 1"),
        (lambda: AdamW([WEIGHT], betas=(-0.1, 0.9)), ValueError, r"AdamW: betas\[0\]"),
        (lambda: Adam([WEIGHT], betas=0.9), TypeError, "betas must be two numbers"),
        (lambda: Adam([WEIGHT], amsgrad=1), TypeError, "amsgrad must be True or False"),
        (lambda: setattr(SGD([WEIGHT]), "lr", -1.0), ValueError, r"lr must be positive, but got -1\.0"),
        (lambda: clip_grad_norm([WEIGHT], 0.0), ValueError, "max_norm must be positive"),
    ],
)
def test_what_is_refused(make: Callable[[], object], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make()


def test_the_registry_names_them_all() -> None:
    assert {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW} == OPTIMIZERS


# clipping


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_clipping_is_that_of_pytorch(dtype: Any, limit: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    trained = parameters(dtype)
    (grads,) = gradients(dtype, steps=1)
    others = [torch.nn.Parameter(torch.from_numpy(parameter.data.copy())) for parameter in trained]
    for parameter, other, grad in zip(trained, others, grads):
        parameter.grad = grad
        other.grad = torch.from_numpy(grad.copy())
    expected = torch.nn.utils.clip_grad_norm_(others, limit)
    assert_close(np.asarray(clip_grad_norm(trained, limit), dtype), np.asarray(expected, dtype))
    for parameter, other in zip(trained, others):
        assert_close(parameter.grad, other.grad.numpy())


def test_a_gradient_below_the_limit_is_left_alone() -> None:
    weight = Parameter(np.zeros(2, np.float32))
    weight.grad = [3, 4]
    assert clip_grad_norm([weight, Parameter(np.zeros(3))], 5.1) == 5.0
    assert weight.grad.tolist() == [3, 4]


def test_squares_that_overflow_do_not_hide_the_norm() -> None:
    weight = Parameter(np.zeros(2, np.float32))
    weight.grad = np.array([3e30, 4e30], np.float32)
    assert_close(np.float32(grad_norm([weight])), np.float32(5e30))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_norm_that_is_not_finite(value: float) -> None:
    weight, other = Parameter(np.zeros(2, np.float32)), Parameter(np.zeros(2, np.float32))
    weight.grad, other.grad = [1.0, value], [1.0, 2.0]
    for order in ([weight, other], [other, weight]):
        norm = grad_norm(order)
        assert np.isnan(norm) if np.isnan(value) else norm == value
    with pytest.raises(DivergedError, match=r"norm of the gradients must be finite, but got (nan|inf)"):
        clip_grad_norm([weight], 1.0, error_if_nonfinite=True)
    assert weight.grad[0] == 1.0
    with pytest.raises(FloatingPointError):
        clip_grad_norm([weight], 1.0, error_if_nonfinite=True)
