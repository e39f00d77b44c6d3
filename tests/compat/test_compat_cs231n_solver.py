"""The Solver of CS231n: the same run as by hand, its lines, its files, its traps."""
# ruff: noqa: NPY002 - the course draws from the global generator

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cs231n_training_loops import HandTraining, LoopNet
from data_files import Malicious, pickled
from strategies import Array, normal

from fastconv.compat.cs231n import checkpoints, optim
from fastconv.compat.cs231n.classifiers.cnn import ThreeLayerConvNet
from fastconv.compat.cs231n.classifiers.fc_net import FullyConnectedNet, TwoLayerNet
from fastconv.compat.cs231n.solver import Solver
from fastconv.errors import DataNotFoundError, InvalidValueError, StateFileError
from fastconv.testing import assert_close

Data = dict[str, Array]


def images(train: int = 23, val: int = 11, shape: tuple[int, ...] = (6,), classes: int = 3) -> Data:
    labels = np.random.default_rng(3).integers(0, classes, train + val)
    X = normal((train + val, *shape), 4) + labels.reshape(-1, *(1 for _ in shape))
    return {"X_train": X[:train], "y_train": labels[:train], "X_val": X[train:], "y_val": labels[train:]}


def two_layer(seed: int = 0) -> TwoLayerNet:
    np.random.seed(seed)
    return TwoLayerNet(input_dim=6, hidden_dim=5, num_classes=3, weight_scale=0.1, reg=0.01)


class Recorder:
    """A model that notes what it is asked for; its scores are right for one class."""

    def __init__(self, right: int = 0) -> None:
        self.params = {"W1": np.ones(2), "b1": np.zeros(1)}
        self.asked: list[tuple[Array, Array | None]] = []
        self.right = right

    def loss(self, X: Array, y: Array | None = None) -> Any:
        self.asked.append((X.copy(), y))
        if y is None:
            scores = np.zeros((len(X), 3))
            scores[:, self.right] = 1
            return scores
        return 1.5, {name: np.ones_like(w) for name, w in self.params.items()}


# against a run by hand


@pytest.mark.parametrize(("train", "batch"), [(23, 5), (6, 6), (4, 9)])
def test_a_run_is_the_run_by_hand(train: int, batch: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The same draws, lines, histories and parameters; steps that do not divide, and a batch larger than the images."""
    data, numbers = images(train), {"epochs": 4, "batch": batch, "lr": 0.3, "decay": 0.8}
    by_hand = two_layer()
    np.random.seed(1)
    expected = HandTraining(by_hand, data, **numbers)
    drawn = np.random.rand()
    model = two_layer()
    np.random.seed(1)
    solver = Solver(
        model, data, optim_config={"learning_rate": 0.3}, lr_decay=0.8, num_epochs=4, batch_size=batch, print_every=10
    )
    assert solver.train() is None
    assert np.random.rand() == drawn  # as many random numbers, in the same order
    assert capsys.readouterr().out.splitlines() == expected.lines
    assert solver.loss_history == expected.losses
    assert (solver.train_acc_history, solver.val_acc_history) == (expected.train_acc, expected.val_acc)
    assert (solver.epoch, solver.best_val_acc) == (4, expected.best[0])
    for name, w in expected.best[1].items():
        np.testing.assert_array_equal(model.params[name], w)
        np.testing.assert_array_equal(solver.best_params[name], w)


def test_the_network_trains_as_its_plain_loops_do() -> None:
    """ThreeLayerConvNet with its convolution, pooling and gradients against loops, through whole runs in float64."""
    data = images(12, 7, (2, 4, 6))
    np.random.seed(5)
    model = ThreeLayerConvNet((2, 4, 6), 3, 3, 4, 3, weight_scale=0.2, reg=0.1, dtype=np.float64)
    loops = LoopNet({name: w.copy() for name, w in model.params.items()}, reg=0.1)
    options = {"optim_config": {"learning_rate": 0.05}, "lr_decay": 0.9, "batch_size": 4, "num_epochs": 3}
    histories = []
    for each in (model, loops):
        np.random.seed(6)
        solver = Solver(each, data, **options, verbose=False)
        solver.train()
        histories.append(solver)
    ours, theirs = histories
    assert_close(ours.loss_history, theirs.loss_history)
    assert ours.val_acc_history == theirs.val_acc_history
    assert ours.loss_history[-1] < ours.loss_history[0]
    for name, w in loops.params.items():
        assert_close(model.params[name], w, name=name)


@pytest.mark.parametrize("rule", ["sgd", "sgd_momentum", "rmsprop", "adam"])
def test_fifty_images_are_learnt_by_heart(rule: str) -> None:
    rates = {"sgd": 0.3, "sgd_momentum": 0.05, "rmsprop": 3e-3, "adam": 1e-2}
    np.random.seed(7)
    data = {
        "X_train": normal((50, 3, 8, 8), 8),
        "y_train": np.arange(50) % 10,
        "X_val": normal((10, 3, 8, 8), 9),
        "y_val": np.arange(10),
    }
    model = ThreeLayerConvNet((3, 8, 8), num_filters=8, filter_size=3, hidden_dim=40, weight_scale=0.1)
    config = {"learning_rate": rates[rule]}
    solver = Solver(model, data, update_rule=rule, optim_config=config, num_epochs=30, batch_size=25, verbose=False)
    solver.train()
    assert max(solver.train_acc_history) == 1.0
    assert np.mean(solver.loss_history[-10:]) < solver.loss_history[0] / 10
    assert all(w.dtype == np.float32 for w in model.params.values())
    assert config == {"learning_rate": rates[rule]}  # each parameter has a copy


# its parts


def test_attributes_and_defaults() -> None:
    data, model = images(), two_layer()
    solver = Solver(model, data)
    assert solver.model is model
    for name in data:
        assert getattr(solver, name) is data[name]
    assert solver.update_rule is optim.sgd
    assert (solver.optim_config, solver.lr_decay, solver.batch_size, solver.num_epochs) == ({}, 1.0, 100, 10)
    assert (solver.num_train_samples, solver.num_val_samples, solver.checkpoint_name) == (1000, None, None)
    assert (solver.print_every, solver.verbose) == (10, True)
    assert (solver.epoch, solver.best_val_acc, solver.best_params) == (0, 0, {})
    assert (solver.loss_history, solver.train_acc_history, solver.val_acc_history) == ([], [], [])
    assert solver.optim_configs == {name: {} for name in model.params}


def test_one_step_draws_with_replacement_from_the_global_generator() -> None:
    model, data = Recorder(), images(5)
    solver = Solver(model, data, batch_size=40, optim_config={"learning_rate": 0.25})
    np.random.seed(2)
    solver._step()
    np.random.seed(2)
    drawn = np.random.choice(5, 40)
    np.testing.assert_array_equal(model.asked[0][0], data["X_train"][drawn])
    np.testing.assert_array_equal(model.asked[0][1], data["y_train"][drawn])
    assert solver.loss_history == [1.5]
    assert model.params["W1"].tolist() == [0.75, 0.75]
    assert solver.optim_configs["W1"] is not solver.optim_configs["b1"]


def test_a_rule_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(w: Array, dw: Array, config: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
        return 2 * w, {**config, "learning_rate": 1.0, "seen": True}

    monkeypatch.setattr(optim, "twice", twice, raising=False)
    for rule in ("twice", twice):
        solver = Solver(Recorder(), images(), update_rule=rule)
        solver._step()
        assert solver.model.params["W1"].tolist() == [2.0, 2.0]
        assert solver.optim_configs["b1"] == {"learning_rate": 1.0, "seen": True}


@pytest.mark.parametrize(("count", "num_samples"), [(7, None), (7, 7), (7, 8), (7, 5), (250, None), (250, 130)])
def test_check_accuracy(count: int, num_samples: int | None) -> None:
    X, y = np.arange(float(count)).reshape(count, 1), np.arange(count) % 3
    model = Recorder(right=1)
    np.random.seed(4)
    accuracy = Solver(model, images()).check_accuracy(X, y, num_samples)
    np.random.seed(4)
    chosen = np.random.choice(count, num_samples) if num_samples is not None and count > num_samples else range(count)
    assert accuracy == np.mean([y[i] == 1 for i in chosen])
    sizes = [len(asked) for asked, _ in model.asked]
    assert sizes == [100] * (len(chosen) // 100) + ([len(chosen) % 100] if len(chosen) % 100 else [])
    np.testing.assert_array_equal(np.concatenate([asked for asked, _ in model.asked])[:, 0], list(chosen))


def test_the_size_of_its_batches() -> None:
    model = Recorder()
    Solver(model, images()).check_accuracy(np.zeros((7, 1)), np.zeros(7), batch_size=3)
    assert [len(asked) for asked, _ in model.asked] == [3, 3, 1]


def test_learning_rates_decay_after_each_epoch() -> None:
    options: dict[str, Any] = {"optim_config": {"learning_rate": 0.5}, "lr_decay": 0.5, "batch_size": 5}
    solver = Solver(two_layer(), images(20), **options, num_epochs=3, verbose=False)
    solver.train()
    assert {config["learning_rate"] for config in solver.optim_configs.values()} == {0.5 * 0.5**3}


def test_nothing_is_printed_unless_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Solver(two_layer(), images(), num_epochs=1, verbose=False, checkpoint_name=str(tmp_path / "net")).train()
    assert capsys.readouterr().out == ""
    Solver(two_layer(), images(), num_epochs=3, print_every=2).train()
    assert re.findall(r"Iteration (\d+) / 3|Epoch (\d) / 3", capsys.readouterr().out) == [
        ("1", ""),
        ("", "1"),
        ("", "2"),
        ("3", ""),
        ("", "3"),
    ]


def test_a_validation_accuracy_of_zero_keeps_the_last_parameters() -> None:
    """The original ends with no parameters at all here."""
    data = {**images(), "y_val": np.full(11, 2)}
    model = Recorder(right=0)
    solver = Solver(model, data, num_epochs=2, optim_config={"learning_rate": 0.25}, verbose=False)
    solver.train()
    assert solver.best_params == {}
    assert model.params["W1"].tolist() == [0.5, 0.5]
    none = Solver(model, data, num_epochs=0)
    none.train()
    assert model.params.keys() == {"W1", "b1"}


def test_another_training_does_not_change_the_best_parameters() -> None:
    solver = Solver(two_layer(), images(), optim_config={"learning_rate": 0.1}, num_epochs=2, verbose=False)
    solver.train()
    best = {name: w.copy() for name, w in solver.best_params.items()}
    solver.y_val = np.full(11, 9)  # none of them can be better
    solver.train()
    assert solver.epoch == 4
    for name, w in best.items():
        np.testing.assert_array_equal(solver.best_params[name], w)


# what it refuses


def test_bad_arguments() -> None:
    data, model = images(), two_layer()
    with pytest.raises(InvalidValueError, match=r'Solver: Unrecognized arguments "epochs", "lr"\. .*among update_rule'):
        Solver(model, data, epochs=3, lr=0.1)
    for rule in ("adagrad", "np", 3, None):
        with pytest.raises(InvalidValueError, match=rf'Solver: Invalid update_rule "{rule}"\. It must name a function'):
            Solver(model, data, update_rule=rule)
    with pytest.raises(KeyError, match="X_val"):
        Solver(model, {name: data[name] for name in ("X_train", "y_train")})
    with pytest.raises(InvalidValueError, match="y_train must have one label for each image of X_train, but got 3"):
        Solver(model, {**data, "y_train": data["y_train"][:3]})
    with pytest.raises(InvalidValueError, match=r"y_val must have one label.* 0 labels for 11 images"):
        Solver(model, {**data, "y_val": data["y_val"][:0]})
    with pytest.raises(InvalidValueError, match=r"check_accuracy: X must hold an image .* got shape \(0, 6\)"):
        Solver(model, data).check_accuracy(np.zeros((0, 6)), np.zeros(0))


# checkpoints


ENTRIES = {
    "model",
    "update_rule",
    "lr_decay",
    "optim_config",
    "batch_size",
    "num_train_samples",
    "num_val_samples",
    "epoch",
    "loss_history",
    "train_acc_history",
    "val_acc_history",
}


def trained(folder: Path, name: str = "net", **options: Any) -> Solver:
    """A solver that has run for two epochs of two steps."""
    settings = {"optim_config": {"learning_rate": 0.1}, "lr_decay": 0.5, "batch_size": 10, "num_epochs": 2}
    np.random.seed(1)
    solver = Solver(
        two_layer(), images(20), **{**settings, **options}, checkpoint_name=str(folder / name), verbose=False
    )
    solver.train()
    return solver


def test_checkpoints_have_what_the_original_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solver = trained(tmp_path, update_rule="adam")
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"net_epoch_{epoch}.pkl" for epoch in (0, 1, 2)]
    content = pickle.loads((tmp_path / "net_epoch_2.pkl").read_bytes())
    assert content.keys() == ENTRIES
    assert content["update_rule"] is optim.adam
    assert isinstance(content["model"], TwoLayerNet)
    for name in ENTRIES - {"model", "update_rule"}:
        assert content[name] == getattr(solver, name), name
    assert pickle.loads((tmp_path / "net_epoch_1.pkl").read_bytes())["loss_history"] == solver.loss_history[:2]
    solver.verbose = True
    solver._save_checkpoint()
    assert capsys.readouterr().out == f'Saving checkpoint to "{tmp_path / "net"}_epoch_2.pkl"\n'


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    solver = trained(tmp_path)
    before = (tmp_path / "net_epoch_2.pkl").read_bytes()
    solver.model.unpicklable = lambda: None
    with pytest.raises((pickle.PicklingError, AttributeError)):
        solver._save_checkpoint()
    assert (tmp_path / "net_epoch_2.pkl").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_reading_a_checkpoint_runs_nothing_of_it(tmp_path: Path) -> None:
    solver = trained(tmp_path, update_rule="rmsprop")
    content = checkpoints.load_checkpoint(tmp_path / "net_epoch_2.pkl")
    assert content.keys() == ENTRIES
    assert content["update_rule"] == "fastconv.compat.cs231n.optim.rmsprop"
    assert content["loss_history"] == solver.loss_history
    assert content["model"].keys() == {"params", "reg"}
    assert content["model"]["params"].keys() == solver.model.params.keys()


def test_going_on_from_a_checkpoint(tmp_path: Path) -> None:
    """Plain gradient descent remembers nothing, so the run that goes on is the one that was not stopped."""
    whole = trained(tmp_path, "whole", num_epochs=4)
    trained(tmp_path, "half")
    state = np.random.get_state()
    options: dict[str, Any] = {"optim_config": {"learning_rate": 0.1}, "lr_decay": 0.5, "batch_size": 10}
    other = Solver(two_layer(9), images(20), **options)
    other.load_checkpoint(tmp_path / "half_epoch_2.pkl")
    assert (other.epoch, other.loss_history) == (2, whole.loss_history[:4])
    assert other.val_acc_history == whole.val_acc_history[:3]
    assert {config["learning_rate"] for config in other.optim_configs.values()} == {0.025}
    assert other.best_val_acc == whole.val_acc_history[2]
    np.random.set_state(state)
    for _ in range(2):
        other._step()
    assert other.loss_history == whole.loss_history[:6]


def test_learning_rates_by_default_decay_too(tmp_path: Path) -> None:
    solver = trained(tmp_path, optim_config={}, update_rule="adam")
    again = Solver(two_layer(), images(20), update_rule="adam", lr_decay=0.5)
    again.load_checkpoint(tmp_path / "net_epoch_2.pkl")
    assert again.optim_configs["W1"] == {"learning_rate": solver.optim_configs["W1"]["learning_rate"]}
    again.batch_size, again.num_epochs = 10, 1
    again.train()
    assert again.epoch == 3


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_checkpoints_of_any_protocol_and_of_other_models(tmp_path: Path, protocol: int) -> None:
    np.random.seed(0)
    model = FullyConnectedNet([4], 6, 3, normalization="batchnorm", dtype=np.dtype(np.float32), dropout=0.5, seed=3)
    content = {**pickle.loads(Path(trained(tmp_path).checkpoint_name + "_epoch_1.pkl").read_bytes()), "model": model}
    file = tmp_path / "other.pkl"
    file.write_bytes(pickled(content, protocol))
    read = checkpoints.load_checkpoint(file)["model"]
    assert read["bn_params"] == [{"mode": "train"}]
    assert read["dropout_param"] == {"mode": "train", "p": 0.5, "seed": 3}
    assert read["dtype"] == np.float32
    np.random.seed(8)
    solver = Solver(FullyConnectedNet([4], 6, 3, normalization="batchnorm"), images())
    solver.load_checkpoint(file)
    for name, w in model.params.items():
        np.testing.assert_array_equal(solver.model.params[name], w)
        assert solver.model.params[name].flags.writeable
    solver._step()


def test_a_checkpoint_of_python_2(tmp_path: Path) -> None:
    """Its strings are bytes, and objects are made by a function; of a module that need not exist here."""
    body = (
        b"(dp0\nS'model'\np1\nccopy_reg\n_reconstructor\np2\n(ccs231n.classifiers.cnn\nThreeLayerConvNet\np3\n"
        b"c__builtin__\nobject\np4\nNtRp5\n(dp6\nS'params'\np7\n(dp8\nsS'reg'\nF0.5\nsbsS'epoch'\nI3\n"
        b"sS'update_rule'\nccs231n.optim\nadam\nsS'loss_history'\n(lsS'train_acc_history'\n(lsS'val_acc_history'\n(ls."
    )
    file = tmp_path / "old.pkl"
    file.write_bytes(body)
    content = checkpoints.load_checkpoint(file)
    assert content["model"] == {"params": {}, "reg": 0.5}
    assert (content["epoch"], content["update_rule"]) == (3, "cs231n.optim.adam")


def broken(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"model": two_layer(), "epoch": 1, "loss_history": [], "train_acc_history": []}
    return {**content, "val_acc_history": [], **changes}


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_checkpoint_runs_nothing(tmp_path: Path, protocol: int) -> None:
    touched, file = tmp_path / "touched", tmp_path / "bad.pkl"
    file.write_bytes(pickled(broken(tmp_path, epoch=Malicious(os.system, f"touch {touched}")), protocol))
    solver = Solver(two_layer(), images())
    with pytest.raises(StateFileError, match=rf"bad.pkl must hold .*asks for {os.name}.system to be called, which is"):
        solver.load_checkpoint(file)
    assert not touched.exists()


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    solver = Solver(two_layer(), images())
    before = solver.model.params
    file = tmp_path / "bad.pkl"
    with pytest.raises(DataNotFoundError, match=r"bad.pkl must be a checkpoint, but there is no such file"):
        solver.load_checkpoint(file)
    other = TwoLayerNet(6, 4, 3)
    for content, said in (
        (b"", "damaged, truncated"),
        (pickled(broken(tmp_path))[:200], "damaged, truncated"),
        (pickled([1, 2]), "must hold the dictionary of a Solver .* but got list"),
        (pickled({"model": 1}), r"but got \['model'\]"),
        (pickled(broken(tmp_path, model=3)), "must have params, a dictionary of arrays"),
        (pickled(broken(tmp_path, model={"params": {"W1": [1]}})), "must have params, a dictionary of arrays"),
        (pickled(broken(tmp_path, model=other)), r"parameters {'W1': \(6, 5\).* but got {'W1': \(6, 4\)"),
        (pickled(broken(tmp_path, epoch=-1)), "an epoch from 0 .* but got epoch -1"),
        (pickled(broken(tmp_path, epoch="2")), "an epoch from 0 .* but got epoch '2'"),
        (pickled(broken(tmp_path, loss_history=(1.0,))), "lists as histories"),
    ):
        file.write_bytes(content)
        with pytest.raises(StateFileError, match=said):
            solver.load_checkpoint(file)
    assert solver.model.params is before
