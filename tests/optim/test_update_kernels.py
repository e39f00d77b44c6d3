"""Kernels of the optimisers: the bits of NumPy, whatever the threads; what they leave to NumPy; what stops them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS
from test_optim import CASES, IDS

import fastconv as fc
from fastconv.backends import resolve_backend
from fastconv.layers import Parameter
from fastconv.optim import SGD, Adam, Optimizer, RMSprop

if "fast" not in BACKENDS:
    pytest.skip("the fast backend needs Numba", allow_module_level=True)

from fastconv.backends.fast.machine.kernel import AT
from fastconv.backends.fast.machine.record import Recording, recording
from fastconv.backends.fast.update import rows

DTYPES = ("float16", "float32", "float64")
SHAPES = ((3, 2, 5, 4), (7,), (), (0, 3), (1,), (33, 65), (17,))  # odd sizes, so that tasks end anywhere
STEPS = 5


@pytest.fixture(autouse=True)
def _several_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_SERIAL_BYTES", 0)


def parameters(dtypes: tuple[str, ...]) -> list[Parameter]:
    rng = np.random.default_rng(0)
    return [Parameter(rng.standard_normal(shape).astype(dtypes[i % len(dtypes)])) for i, shape in enumerate(SHAPES)]


def run(optimizer: Optimizer, steps: int, seed: int = 1, guard: Any = None) -> None:
    """Steps with gradients of very different sizes, in the first of which one parameter has none."""
    rng, trained = np.random.default_rng(seed), optimizer._parameters()
    for step in range(steps):
        for i, parameter in enumerate(trained):
            parameter.grad = rng.standard_normal(parameter.shape) * 10.0 ** rng.integers(-6, 3, parameter.shape)
            if (step, i) == (0, 1):
                parameter.grad = None
        due = optimizer._due()
        optimizer._prepare(due)
        optimizer._apply(due, guard)


def bits(optimizer: Optimizer) -> list[bytes]:
    slots = optimizer.state_dict()["slots"]
    return [array.tobytes() for array in (*(one.data for one in optimizer._parameters()), *slots.values())]


def made(kind: Any, options: dict[str, Any], dtypes: tuple[str, ...]) -> Optimizer:
    optimizer: Optimizer = kind(parameters(dtypes), **options)
    return optimizer


@pytest.mark.parametrize("dtypes", [("float32",), ("float64",), DTYPES], ids="-".join)
@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
def test_the_bits_are_those_of_numpy(kind: type[Optimizer], options: dict[str, Any], dtypes: tuple[str, ...]) -> None:
    expected = made(kind, options, dtypes)
    with fc.use_backend("numpy"):
        run(expected, STEPS)
    for threads in (1, 2):
        found = made(kind, options, dtypes)
        with fc.use_backend("fast"), fc.use_num_threads(threads):
            run(found, STEPS)
        assert bits(found) == bits(expected)
        assert "float16" in dtypes or not found._scratch  # NumPy did nothing


def test_groups_with_and_without_an_option_are_two_launches() -> None:
    def one() -> tuple[Optimizer, list[Parameter]]:
        trained = parameters(("float32",))
        plain, rest = {"parameters": trained[:3], "momentum": 0.0}, {"parameters": trained[3:], "lr": 0.3}
        return SGD([plain, rest], lr=0.1, momentum=0.9, nesterov=False), trained

    expected, found = one()[0], one()[0]
    with fc.use_backend("numpy"):
        run(expected, STEPS)
    with fc.use_backend("fast"), recording() as record:
        run(found, STEPS)
    assert bits(found) == bits(expected)
    assert len(record.runs) == 2 * STEPS


def test_memory_in_another_order_is_left_to_numpy() -> None:
    rng = np.random.default_rng(0)
    values, grad = rng.standard_normal((15, 31)), rng.standard_normal((31, 15))
    plain, odd = Parameter(values), Parameter(np.asfortranarray(values))
    optimizer = Adam([plain, odd])
    plain.accumulate(np.ascontiguousarray(grad.T))
    odd.accumulate(grad.T)
    with fc.use_backend("fast"):
        optimizer.step()
    np.testing.assert_array_equal(plain.data, odd.data)
    assert optimizer._scratch


def test_an_update_of_ones_own_is_not_replaced() -> None:
    class Sign(SGD):
        def _update(self, data: Any, grad: Any, *others: Any) -> None:
            data -= np.sign(grad)

    weight = Parameter(np.ones(5, np.float32))
    weight.grad = np.arange(-2, 3)
    with fc.use_backend("fast"):
        Sign([weight]).step()
    assert weight.data.tolist() == [2, 2, 1, 0, 0]


def test_more_slots_than_a_rule_has_are_left_to_numpy() -> None:
    class Remembers(SGD):
        def slots_of(self, group: Any) -> tuple[str, ...]:
            return (*super().slots_of(group), "first", "second")

    weights = [Parameter(np.ones(5, np.float32)) for _ in range(2)]
    for kind, weight in zip((SGD, Remembers), weights):
        weight.grad = np.arange(-2, 3)
        with fc.use_backend("fast"):
            kind([weight], lr=0.5, momentum=0.9).step()
    np.testing.assert_array_equal(weights[0].data, weights[1].data)


@pytest.mark.parametrize("backend", ["numpy", "fast"])
@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
def test_a_guard_that_is_not_finite_stops_everything(backend: str, kind: Any, options: dict[str, Any]) -> None:
    optimizer = made(kind, options, DTYPES)
    with fc.use_backend(backend):
        run(optimizer, 2, guard=np.array([0.0, 1e300]))
        before = bits(optimizer)
        for value in (np.nan, np.inf, -np.inf):
            run(optimizer, 1, guard=np.array([0.0, value]))
            assert bits(optimizer) == before
        run(optimizer, 1, guard=np.zeros(1))
        assert bits(optimizer) != before


def test_numbers_that_are_not_finite_are_those_of_numpy() -> None:
    for kind, options in CASES:
        found = []
        for backend in ("numpy", "fast"):
            optimizer = made(kind, options, ("float32",))
            for parameter in optimizer._parameters():
                parameter.grad = np.resize([np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, 1e-45], parameter.shape)
            with fc.use_backend(backend), np.errstate(all="ignore"):
                optimizer.step()
                optimizer.step()
            found.append([one.data for one in optimizer._parameters()])
        for expected, actual in zip(*found):
            np.testing.assert_array_equal(actual, expected)


# what a recorder relies on


def runs_of(record: Recording) -> list[str]:
    return [AT[run.kernel].name for run in record.runs]


@pytest.mark.parametrize(("kind", "options"), CASES, ids=IDS)
def test_a_step_is_one_launch_and_can_be_replayed(kind: Any, options: dict[str, Any]) -> None:
    """Recorded once, then prepared and launched again with other gradients in the same memory."""
    expected, replayed = made(kind, options, ("float32",)), made(kind, options, ("float32",))
    resolve_backend("fast")
    with fc.use_backend("fast"):
        for optimizer in (expected, replayed):
            run(optimizer, 1)
        due, rng = expected._due(), np.random.default_rng(5)
        for optimizer in (expected, replayed):
            for parameter in optimizer._parameters():
                parameter.grad = np.ones(parameter.shape)
        due = replayed._due()
        replayed._prepare(due)
        numbers = replayed._numbers
        with recording() as record:
            replayed._apply(due)
        expected.step()
        assert runs_of(record) == [f"update_{kind.__name__.lower().removesuffix('w')}"]
        from fastconv.backends.fast.machine.launch import launch

        for step in range(3):
            expected.lr = replayed.lr = 0.1 / (step + 1)
            for one, other in zip(expected._parameters(), replayed._parameters()):
                assert one.grad is not None
                assert other.grad is not None
                one.grad[...] = other.grad[...] = rng.standard_normal(one.shape)
            expected.step()
            replayed._prepare(due)
            for each in record.runs:
                launch(each.kernel, each.arguments.copy(), each.tasks, each.threads)
        assert replayed._numbers is numbers
        assert bits(replayed) == bits(expected)


def test_a_loaded_state_is_in_the_same_memory() -> None:
    optimizer = made(Adam, {"lr": 0.1}, ("float32",))
    run(optimizer, 2)
    state, before = optimizer.state_dict(), bits(optimizer)
    run(optimizer, 1)
    arrays = [array for slots in optimizer._slots.values() for array in slots.values()]
    optimizer.load_state_dict(state)
    assert all(one is other for one, other in zip(arrays, [a for s in optimizer._slots.values() for a in s.values()]))
    assert bits(optimizer)[len(SHAPES) :] == before[len(SHAPES) :]


def test_a_kernel_says_which_entries_of_its_rows_it_writes() -> None:
    optimizer = made(RMSprop, {"lr": 0.1}, ("float32",))
    with fc.use_backend("fast"), recording() as record:
        run(optimizer, 1)
    (each,) = record.runs
    kernel, written = AT[each.kernel], {int(each.arguments[i]) for i in AT[each.kernel].written(each.arguments)}
    changed = [
        array
        for index, slots in optimizer._slots.items()
        for array in (optimizer._parameters()[index].data, *slots.values())
    ]
    assert kernel.results == ()
    assert written - {0} == {array.ctypes.data for array in changed}


def test_slots_that_belong_to_another_parameter_are_an_error_and_no_crash() -> None:
    parameters = [Parameter(np.ones(shape, np.float32)) for shape in ((2000, 5), (2000,))]
    for parameter in parameters:
        parameter.grad = np.ones(parameter.shape, np.float32)
    optimizer = SGD(parameters, lr=0.1, momentum=0.9)
    optimizer.step()
    optimizer.groups[0]["parameters"].pop(0)  # so that positions, by which slots are kept, are others
    with pytest.raises(ValueError, match="broadcast"):
        optimizer.step()
