"""A checkpoint is whole, or is refused by name of what is missing.

A run that goes on from a checkpoint without the state of its optimiser raises nothing and is wrong. Only a test that
leaves out every entry in turn, and puts something else in its place, finds each of them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import FULL
from training_runs import fit, network, trainer

import fastconv as fc
from fastconv.errors import FastconvError, StateFileError
from fastconv.layers.state import read_arrays, write_arrays
from fastconv.training import Trainer

GONE = object()
OTHERS: tuple[Any, ...] = (GONE, None, "x", -1, [], {}, [1], 10**300, 2**63, float("nan"), True, {"dtype": "V1000000"})


@pytest.fixture(autouse=True)
def numpy_backend() -> None:
    fc.set_backend("numpy")


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a checkpoint after one epoch holds."""
    folder = tmp_path_factory.mktemp("run")
    with fc.use_backend("numpy"):
        fit(trainer(), str(folder), epochs=1)
    return read_arrays("test", folder / "last.npz")


def resumed(folder: Path, arrays: dict[str, Any]) -> Trainer:
    """Go on with a checkpoint whose epochs are done; an error leaves the trainer as it was."""
    write_arrays(folder / "last.npz", arrays)
    run = trainer(model=network(seed=7))
    before = run.model.state_dict(), run.optimizer.state_dict(), run.position, repr(run.schedule)
    try:
        fit(run, str(folder), epochs=1, resume=True)
    except FastconvError:
        after = run.model.state_dict(), run.optimizer.state_dict(), run.position, repr(run.schedule)
        np.testing.assert_equal(after, before)
        raise
    return run


def with_about(arrays: dict[str, Any], about: Any) -> dict[str, Any]:
    return {**arrays, "checkpoint": np.array(json.dumps(about).encode("ascii"))}


def places(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every entry of plain data, by the way to it; of a long list the first and the last."""
    items: list[tuple[Any, Any]] = []
    if isinstance(values, dict):
        items = list(values.items())
    elif isinstance(values, list):
        items = list(enumerate(values))[:: max(len(values) - 1, 1)]
    for name, value in items:
        yield (*path, name)
        yield from places(value, (*path, name))


def entry(about: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        about = about[name]
    return about


def changed(about: Any, path: tuple[Any, ...], value: Any) -> Any:
    result = copy.deepcopy(about)
    inside = entry(result, path[:-1])
    if value is GONE:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return result


def test_every_entry_is_there_and_of_its_kind(tmp_path: Path, arrays: dict[str, Any]) -> None:
    about = json.loads(arrays["checkpoint"].item())
    del about["network"]  # a run that goes on describes its network anew
    reference = resumed(tmp_path, arrays)
    accepted, unnamed, refused = [], [], 0
    for number, path in enumerate(places(about)):
        for value in OTHERS if FULL else (GONE, OTHERS[1 + number % (len(OTHERS) - 1)]):
            try:
                run = resumed(tmp_path, with_about(arrays, changed(about, path, value)))
            except FastconvError as error:
                refused += 1
                unnamed += [] if "last.npz" in str(error) else [(path, value)]
                continue
            accepted.append((path, value))
            np.testing.assert_equal(run.model.state_dict(), reference.model.state_dict())
            np.testing.assert_equal(run.optimizer.state_dict()["slots"], reference.optimizer.state_dict()["slots"])
    assert unnamed == []
    # What is left is another number of the same kind, which no checksum of ours would tell from the right one.
    gone = {path[-1] for path, value in accepted if value is GONE and entry(about, path) is not None}
    assert gone <= {"initial_lr"}  # there is none where the program has set the rate itself
    assert {path[:2] for path, _ in accepted if path[0] == "optimizer"} <= {("optimizer", "groups")}
    names = {path[-1] for path, _ in accepted if path[0] == "optimizer"}
    assert names <= {"lr", "initial_lr"}  # the schedule sets the rate anew
    assert refused > 100


@pytest.mark.parametrize("change", ["gone", "shape", "dtype", "objects"])
def test_every_array_is_there_and_of_its_kind(tmp_path: Path, arrays: dict[str, Any], change: str) -> None:
    for name, array in arrays.items():
        other = {
            "shape": np.zeros((*array.shape, 2), array.dtype),
            "dtype": np.zeros(array.shape, "S3"),
            "objects": np.zeros(array.shape, [("a", "f4"), ("b", "i2")]),
        }
        changed_arrays = {**arrays, name: other[change]} if change != "gone" else {**arrays}
        if change == "gone":
            del changed_arrays[name]
        with pytest.raises(StateFileError, match=r"last\.npz must be a (whole )?checkpoint") as caught:
            resumed(tmp_path, changed_arrays)
        assert name.removeprefix("optimizer.") in str(caught.value) or name == "checkpoint"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("position",), GONE, "whole checkpoint, but position is missing"),
        (("position", "step"), GONE, "position 'step' is missing"),
        (("position", "step"), 3, "step 3 cannot have seen 0 images"),
        (("position", "more"), 1, "position 'more' is unknown"),
        (("position", "lr"), "fast", "position lr is 'fast'"),
        (("position", "epoch"), 2, "there are 1 records of 2 epochs"),
        (("epochs", 0, "train_loss"), None, "epochs 0 train_loss is None"),
        (("optimizer", "steps"), {}, r"optimizer steps is \{\}"),
        (("optimizer", "steps", 0), -1, "every step must be at least 0, but got -1"),
        (("optimizer", "groups", 0, "momentum"), GONE, "the options of optimizer group 0 are not"),
        (("optimizer", "groups", 0, "momentum"), 0.5, "the options of optimizer group 0 are not those of the run"),
        (("schedule",), None, "the schedule of the run is missing"),
        (("schedule", "base_lrs"), [0.1, 0.1], r"schedule base_lrs is \[0\.1, 0\.1\] for 1 groups"),
        (("schedule", "done"), -3, "schedule done is -3"),
        (("order", "state"), GONE, "the state of the generator order must be whole, but got KeyError"),
        (("layers",), {}, r"the generators of the layers 4\.\w+ are missing"),
        (("run", "model"), [], "run model is"),
        (("version",), 2, "a checkpoint of version 1, but got 2"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, arrays: dict[str, Any], path: tuple[Any, ...], value: Any, message: str
) -> None:
    about = json.loads(arrays["checkpoint"].item())
    with pytest.raises(StateFileError, match=rf"Trainer\.fit: .*last\.npz must be .*{message}"):
        resumed(tmp_path, with_about(arrays, changed(about, path, value)))


def test_losses_of_steps_that_are_missing(tmp_path: Path, arrays: dict[str, Any]) -> None:
    with pytest.raises(StateFileError, match="there are 0 step_losses of epoch 1, step 0"):
        resumed(tmp_path, {**arrays, "step_losses": np.zeros(0)})


def test_a_json_that_is_nested_too_deeply(tmp_path: Path, arrays: dict[str, Any]) -> None:
    deep = np.array(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(StateFileError, match=r"another \.npz archive"):
        resumed(tmp_path, {**arrays, "checkpoint": deep})
