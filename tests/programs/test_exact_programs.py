"""Programs, training steps and trainers that are exact, or not: what their plans are asked for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exactness import asked_backend, asked_engine

import fastconv as fc
from fastconv import layers as L
from fastconv.data import Dataset
from fastconv.errors import InvalidTypeError, StaleProgramError
from fastconv.optim import SGD
from fastconv.training import Trainer

X, LABELS = np.linspace(-1, 1, 2 * 3 * 6 * 7, dtype=np.float32).reshape(2, 3, 6, 7), np.array([0, 3])
every_setting = pytest.mark.parametrize("outside", [True, False])


def model(*exact: bool | None) -> L.Sequential:
    """Convolutions that say so, each with a ReLU in its tiles, or after it in a step."""
    options: list[dict[str, Any]] = [{} if one is None else {"exact": one} for one in exact]
    blocks = [part for one in options for part in (L.Conv2d(3, 3, 3, padding=1, rng=0, **one), L.ReLU())]
    return L.Sequential(*blocks, L.Flatten(), L.Linear(3 * 6 * 7, 4, rng=1))


def inference(network: L.Layer, **options: Any) -> Any:
    return fc.compile(network, X, **options)


def step(network: L.Layer, **options: Any) -> Any:
    return fc.compile(network, X, LABELS, optimizer=SGD(network.parameters(), lr=0.01), **options)


def call(program: Any) -> Any:
    return program(X, LABELS) if isinstance(program, fc.programs.TrainingStep) else program(X)


every_program = pytest.mark.parametrize("make", [inference, step])
Make = Callable[..., Any]


@every_setting
@every_program
def test_a_program_is_recorded_as_exact_as_it_says(make: Make, outside: bool) -> None:
    for exact in (None, True, False):
        with asked_engine() as asked, fc.options(exact=outside):
            program = make(model(None, None), exact=exact)
        wanted = outside if exact is None else exact
        assert set(asked) == {wanted}
        assert f"exact={wanted}" in repr(program)


@pytest.mark.parametrize("fuse", [True, False])
@every_program
def test_a_layer_in_a_program_says_it_for_itself(make: Make, fuse: bool) -> None:
    for exact in (True, False):
        with asked_engine() as asked, fc.options(exact=not exact):
            make(model(exact, exact), exact=not exact, fuse=fuse)
        assert set(asked) == {exact}
        with asked_engine() as asked:
            make(model(True, None, False), exact=exact, fuse=fuse)
        assert set(asked) == {True, False}


@pytest.mark.parametrize("fuse", [True, False])
def test_branches_too(fuse: bool) -> None:
    arms = [L.Sequential(L.Conv2d(3, 3, 3, padding=1, rng=0, exact=True)) for _ in range(2)]
    for network in (L.Residual(*arms), L.Concat(*arms)):
        with asked_engine() as asked:
            fc.compile(L.Sequential(network, L.ReLU()), X, fuse=fuse)
        assert set(asked) == {True}


@every_program
def test_what_is_recorded_later_is_as_exact_as_the_program(make: Make) -> None:
    program = make(model(None), exact=True)
    other = (X[:1], LABELS[:1])
    with asked_engine() as asked, fc.options(exact=False):
        program(*other[: 2 if make is step else 1])
    assert set(asked) == {True}


@every_program
def test_whether_a_program_is_current(make: Make) -> None:
    program, exact = make(model(None)), make(model(None), exact=True)
    with fc.options(exact=True):
        assert not program.is_current
        assert exact.is_current
    assert program.is_current
    assert exact.is_current
    with fc.options(max_workspace=77):
        assert not exact.is_current


@every_program
def test_a_pickle_of_a_program_is_as_exact(make: Make) -> None:
    program = make(model(None), exact=True)
    with asked_engine() as asked:
        other = pickle.loads(pickle.dumps(program))
        call(other)
    assert (other.exact, set(asked)) == (True, {True})


def test_a_layer_that_changes_its_mind_is_noticed() -> None:
    network = model(None)
    program, learning = inference(network), step(network)
    call(learning)
    network[0].exact = True
    with pytest.raises(StaleProgramError, match="its layers and their options"):
        call(program)
    with asked_engine() as asked:
        call(learning)
        program.update()
        call(program)
    assert set(asked) == {True}


@every_program
def test_a_program_of_another_backend(make: Make) -> None:
    with asked_backend() as asked:
        call(make(model(None, False), exact=True))
    assert set(asked) == {True, False}


@every_program
def test_what_is_no_flag_is_refused(make: Make) -> None:
    with pytest.raises(InvalidTypeError, match="compile: exact must be True or False, but got 'yes'"):
        make(model(None), exact="yes")


# trainers


def trainer(**options: Any) -> Trainer:
    network = model(None)
    return Trainer(network, SGD(network.parameters(), lr=0.01), **options)


@every_setting
@pytest.mark.parametrize("compiled", [True, False])
def test_a_trainer_is_as_exact_as_it_says(compiled: bool, outside: bool) -> None:
    for exact in (None, True, False):
        learner, wanted = trainer(compile=compiled, exact=exact), {outside if exact is None else exact}
        learner.model.train()
        with asked_engine() as asked, fc.options(exact=outside):
            learner.train_step(X, LABELS)
            assert set(asked) == wanted
            del asked[:]
            learner.evaluate(Dataset(X, LABELS), batch_size=2)
            assert set(asked) == wanted


def test_a_trainer_records_anew_where_the_setting_has_changed() -> None:
    learner = trainer()
    learner.model.train()
    for change in (lambda: fc.set_options(exact=True), lambda: setattr(learner, "exact", False)):
        learner.train_step(X, LABELS)
        with asked_engine() as asked:
            learner.train_step(X, LABELS)
            assert not asked
            change()
            learner.train_step(X, LABELS)
        assert set(asked) == {bool(learner.exact is None)}


def test_what_is_no_flag_is_refused_by_a_trainer() -> None:
    with pytest.raises(InvalidTypeError, match="Trainer: exact must be True or False, but got 1"):
        trainer(exact=1)
