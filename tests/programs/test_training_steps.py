"""A recorded training step has the bits of the layers: loss, weights, statistics, and the state of the optimiser."""

from __future__ import annotations

import pickle
import threading
import tracemalloc
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv import layers as L
from fastconv import losses, models
from fastconv.backends.fast import program as engine
from fastconv.backends.fast.machine import launch
from fastconv.backends.settings import use_num_threads
from fastconv.functional.relu import relu, relu_backward
from fastconv.optim import SGD, Adam, AdamW, Optimizer, RMSprop, StepLR
from fastconv.programs import TrainingStep
from fastconv.programs.rule import Rule
from fastconv.programs.updates import UpdateRecorder

rng = np.random.default_rng(11)


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    return rng.standard_normal(shape).astype(dtype)


def state_of(model: L.Layer, optimizer: Optimizer) -> dict[str, Any]:
    """Everything that a step changes."""
    slots = {f"{i}.{name}": one for i, all_ in optimizer._slots.items() for name, one in all_.items()}
    return {**model.state_dict(), **slots, "steps": optimizer._steps}


def assert_state(a: tuple[L.Layer, Optimizer], b: tuple[L.Layer, Optimizer]) -> None:
    one, other = state_of(*a), state_of(*b)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


class Twins:
    """A model that learns in recorded steps, and a copy of it that learns layer by layer."""

    def __init__(self, model: L.Layer, make: Callable[[Any], Optimizer], **rule: Any) -> None:
        optimizer = make(model.parameters())
        fuse = rule.pop("fuse", True)
        self.layers, self.other = deepcopy((model, optimizer))
        self.model, self.optimizer = model, optimizer
        self.step = fc.compile(model, optimizer=optimizer, fuse=fuse, **rule)
        self.rule = Rule(self.layers, rule.pop("loss", None), self.other, **rule)
        self.layers.train()

    def learn(self, x: Any, labels: Any) -> None:
        """One step of both, compared to the last bit."""
        loss, outcome = self.step(x, labels), self.rule.step(np.asarray(x), np.asarray(labels))
        assert loss == outcome.loss
        found = self.step.outcome
        assert found is not None
        assert found.norm == outcome.norm
        np.testing.assert_array_equal(found.scores, outcome.scores)
        assert_state((self.model, self.optimizer), (self.layers, self.other))

    @property
    def breaks(self) -> int:
        """Breaks of the last recording."""
        return len([*self.step._recorded.values()][-1].recorded.program.breaks)


momentum = partial(SGD, lr=0.05, momentum=0.9)


# every layer


class Doubled(L.Layer):
    """A layer of somebody's own: layers of the package with a NumPy step between them, in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = L.Conv2d(6, 4, 3, padding=1, rng=0)
        self.last = L.Conv2d(4, 2, 1, rng=1)

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        self._keep(y > 0)
        return self.last(np.where(y > 0, y * 2, y))

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        (positive,) = self._kept()
        dy = self.last.backward(dy)
        return self.conv.backward(np.where(positive, dy * 2, dy), input_gradient=input_gradient)

    def output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], 2, *input_shape[2:])


class Composed(Doubled):
    """The same shape from layers and functions of the package alone."""

    def forward(self, x: Any) -> Any:
        y = relu(self.conv(x))
        self._keep(y)
        return self.last(y)

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        (y,) = self._kept()
        return self.conv.backward(relu_backward(self.last.backward(dy), y), input_gradient=input_gradient)


class Reversed(L.Identity):
    """Does nothing forward, and turns the gradient round: only its backward pass is NumPy."""

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        return -dy


class Noisy(L.Identity):
    """Adds noise of its own, by NumPy."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(3)

    def forward(self, x: Any) -> Any:
        super().forward(x)
        return x + self.rng.standard_normal(x.shape).astype(x.dtype)


class Remembered(L.Identity):
    """Its output is launched; what its backward pass multiplies with is computed by NumPy."""

    def forward(self, x: Any) -> Any:
        self._keep(np.sign(x))
        return relu(x)

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        return dy * self._kept()[0]


LAYERS: dict[str, tuple[Callable[[], L.Layer], tuple[int, ...], bool]] = {  # and whether all of it is launches
    "conv": (lambda: L.Conv2d(6, 7, 3, padding=1, rng=0), (3, 6, 9, 11), True),
    "many pixels": (lambda: L.Conv2d(6, 4, 3, rng=0), (2, 6, 40, 41), True),
    "no bias": (lambda: L.Conv2d(6, 20, (5, 3), stride=(2, 1), bias=False, rng=0), (2, 6, 17, 9), True),
    "dilated": (lambda: L.Conv2d(6, 16, 3, dilation=2, padding="same", rng=0), (1, 6, 13, 12), True),
    "grouped": (lambda: L.Conv2d(6, 12, 3, groups=3, rng=0), (2, 6, 7, 9), True),
    "depthwise": (lambda: L.Conv2d(6, 6, 3, padding=1, groups=6, rng=0), (2, 6, 8, 9), True),
    "pointwise": (lambda: L.Conv2d(6, 48, 1, rng=0), (2, 6, 6, 7), True),
    "conv1d": (lambda: L.Conv1d(6, 9, 5, stride=2, rng=0), (3, 6, 40), True),
    "conv3d": (lambda: L.Conv3d(6, 5, 2, rng=0), (2, 6, 4, 5, 6), True),
    "nhwc": (lambda: L.Conv2d(5, 6, 3, layout="NHWC", rng=0), (2, 9, 8, 5), True),
    "circular": (lambda: L.Conv2d(6, 4, 3, padding=1, padding_mode="circular", rng=0), (2, 6, 8, 9), True),
    "transposed": (lambda: L.ConvTranspose2d(6, 5, 3, stride=2, padding=1, rng=0), (2, 6, 7, 8), True),
    "linear": (lambda: L.Linear(70, 33, rng=0), (6, 70), True),
    "max": (lambda: L.MaxPool2d(3, stride=2, padding=1), (2, 6, 11, 10), True),
    "average": (lambda: L.AvgPool2d(3, stride=2), (2, 6, 11, 10), True),
    "adaptive": (lambda: L.AdaptiveAvgPool2d((3, 2)), (2, 6, 11, 10), True),
    "global": (lambda: L.GlobalAvgPool2d(), (2, 6, 11, 10), True),
    "batch norm": (lambda: L.BatchNorm2d(6), (2, 6, 5, 7), True),
    "batch norm of rows": (lambda: L.BatchNorm1d(6), (9, 6), True),
    "mean of all batches": (lambda: L.BatchNorm2d(6, momentum=None), (2, 6, 5, 7), True),
    "group norm": (lambda: L.GroupNorm(2, 6), (2, 6, 5, 7), True),
    "layer norm": (lambda: L.LayerNorm((6, 5)), (2, 6, 5), True),
    "instance norm": (lambda: L.InstanceNorm2d(6, affine=True), (2, 6, 5, 7), True),
    "dropout": (lambda: L.Dropout(0.4, rng=5), (2, 6, 5), True),
    "dropout of channels": (lambda: L.Dropout2d(0.4, rng=5), (2, 6, 5, 4), True),
    "flatten": (lambda: L.Flatten(), (2, 6, 5, 3), True),
    "relu": (lambda: L.ReLU(), (3, 6, 5), True),
    "silu": (lambda: L.SiLU(), (3, 6, 5), True),
    "prelu": (lambda: L.PReLU(6), (3, 6, 5), True),
    "softmax": (lambda: L.Softmax(), (4, 6), True),
    "residual": (lambda: L.Residual(L.Conv2d(6, 6, 3, padding=1, rng=0), L.Identity()), (2, 6, 5, 4), True),
    "one branch": (lambda: L.Residual(L.Conv2d(6, 6, 3, padding=1, rng=0)), (2, 6, 5, 4), True),
    "concat": (lambda: L.Concat(L.Conv2d(6, 5, 1, rng=0), L.Identity()), (2, 6, 5, 4), True),
    "shortcut": (lambda: L.SubsampleShortcut(6, 9), (2, 6, 7, 8), True),
    "numpy inside": (Doubled, (2, 6, 6, 7), False),
    "own layer": (Composed, (2, 6, 6, 7), True),
    "numpy backward": (Reversed, (2, 6, 6, 7), False),
    "own numbers": (Noisy, (2, 6, 6, 7), False),
    "numpy in between": (Remembered, (2, 6, 6, 7), False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_learns_with_its_own_bits_and_is_launched_where_it_can_be(name: str) -> None:
    make, shape, launched = LAYERS[name]
    channels = shape[-1] if name == "nhwc" or len(shape) == 2 else shape[1]
    first: Any = L.Linear(channels, channels, rng=9) if len(shape) == 2 else None
    if first is None:  # something before it that learns, so that its input has a gradient
        kind = [L.Conv1d, L.Conv2d, L.Conv3d][len(shape) - 3]
        first = kind(channels, channels, 1, rng=9, layout="NHWC" if name == "nhwc" else None)
    model = L.Sequential(first, make())
    twins = Twins(model, momentum, loss=losses.squared_error, fuse=False)
    for scale in (1, 3e-2):
        x = normal(*shape) * np.float32(scale)
        twins.learn(x, normal(*model.output_shape(shape)))
    assert (twins.breaks == 0) == launched, twins.step


# networks


def unet() -> L.Layer:
    def block(channels: int, filters: int) -> list[L.Layer]:
        return [L.Conv2d(channels, filters, 3, padding=1, rng=1), L.BatchNorm2d(filters), L.ReLU()]

    inner = L.Sequential(L.MaxPool2d(2), *block(8, 12), L.ConvTranspose2d(12, 8, 2, stride=2, rng=2))
    return L.Sequential(*block(3, 8), L.Concat(L.Identity(), inner), L.Conv2d(16, 4, 1, rng=3))


def inverted() -> L.Layer:
    """A residual block of MobileNetV2, and dropout."""
    body = [L.Conv2d(8, 24, 1, bias=False, rng=0), L.BatchNorm2d(24), L.ReLU6()]
    body += [L.Conv2d(24, 24, 3, padding=1, groups=24, bias=False, rng=1), L.BatchNorm2d(24), L.ReLU6()]
    body += [L.Conv2d(24, 8, 1, bias=False, rng=2), L.BatchNorm2d(8)]
    start = [L.Conv2d(3, 8, 3, padding=1, rng=3), L.BatchNorm2d(8), L.ReLU6()]
    end = [L.GlobalAvgPool2d(), L.Flatten(), L.Dropout(0.3, rng=4), L.Linear(8, 10, rng=5)]
    return L.Sequential(*start, L.Residual(L.Sequential(*body)), *end)


def signal() -> L.Layer:
    first = [L.Conv1d(1, 8, 7, padding=3, rng=0), L.BatchNorm1d(8), L.ReLU(), L.MaxPool1d(2)]
    return L.Sequential(*first, L.Conv1d(8, 8, 3, rng=1), L.ReLU(), L.GlobalAvgPool1d(), L.Flatten())


NETWORKS: dict[str, tuple[Callable[[], L.Layer], tuple[int, ...]]] = {
    "lenet": (lambda: models.LeNet5(rng=0), (5, 1, 28, 28)),
    "three layers": (lambda: models.ThreeLayerConvNet(rng=0), (3, 3, 32, 32)),
    "vgg": (lambda: models.SmallVGG(rng=0), (2, 3, 32, 32)),
    "resnet": (lambda: models.ResNet(8, rng=0), (3, 3, 32, 32)),
    "unet": (unet, (2, 3, 16, 12)),
    "inverted": (inverted, (3, 3, 8, 9)),
    "signal": (signal, (3, 1, 50)),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_learn_with_the_bits_of_their_layers(name: str, fuse: bool, threads: int) -> None:
    make, shape = NETWORKS[name]
    model = make()
    output = model.output_shape(shape)
    with use_num_threads(threads):
        twins = Twins(model, momentum, fuse=fuse)
        for _ in range(3):
            twins.learn(normal(*shape), rng.integers(0, output[1], (output[0], *output[2:])))
    assert twins.breaks == 0, twins.step


def test_float64_networks_learn_too() -> None:
    model = models.ResNet(8, rng=0).cast(np.float64)
    twins = Twins(model, momentum)
    for _ in range(2):
        twins.learn(normal(2, 3, 32, 32, dtype=np.float64), [1, 3])
    assert twins.breaks == 0


# losses and rules


def small() -> L.Sequential:
    body = [L.Conv2d(2, 4, 3, rng=0), L.BatchNorm2d(4), L.ReLU(), L.Dropout(0.2, rng=3), L.Flatten()]
    return L.Sequential(*body, L.Linear(64, 5, rng=1))


def batch(size: int = 6) -> tuple[Any, Any]:
    return normal(size, 2, 6, 6), rng.integers(0, 5, size)


OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "sgd": partial(SGD, lr=0.1),
    "momentum": partial(SGD, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=1e-3),
    "nesterov": partial(SGD, lr=0.1, momentum=0.9, nesterov=True),
    "adam": partial(Adam, lr=0.01, weight_decay=1e-3),
    "amsgrad": partial(Adam, lr=0.01, amsgrad=True),
    "adamw": partial(AdamW, lr=0.01),
    "rmsprop": partial(RMSprop, lr=0.01),
    "rmsprop with momentum": partial(RMSprop, lr=0.01, momentum=0.5, weight_decay=1e-2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_update_rule_has_its_bits(name: str) -> None:
    twins = Twins(small(), OPTIMIZERS[name], clip_norm=0.5, l2=1e-2)
    for _ in range(4):
        twins.learn(*batch())
    assert twins.breaks == 0


def test_groups_of_parameters_keep_their_options() -> None:
    def make(parameters: list[Any]) -> Optimizer:
        groups: list[dict[str, Any]] = [
            {"parameters": parameters[:2], "lr": 0.2},
            {"parameters": parameters[2:], "momentum": 0.9},
        ]
        return SGD(groups, lr=0.05)

    twins = Twins(small(), make)
    for _ in range(3):
        twins.learn(*batch())


LOSSES: dict[str, tuple[Any, Callable[[], Any]]] = {
    "cross-entropy": (losses.softmax_cross_entropy, lambda: rng.integers(0, 5, 6)),
    "by name": ("softmax", lambda: rng.integers(0, 5, 6).astype(np.uint8)),
    "smoothed": (partial(losses.softmax_cross_entropy, label_smoothing=0.1), lambda: rng.integers(0, 5, 6)),
    "probabilities": (losses.softmax_cross_entropy, lambda: rng.dirichlet(np.ones(5), 6).astype(np.float32)),
    "hinge": (losses.multiclass_svm, lambda: rng.integers(0, 5, 6)),
    "squares": (losses.squared_error, lambda: normal(6, 5)),
    "of probabilities": (losses.binary_cross_entropy, lambda: rng.integers(0, 2, (6, 5)).astype(np.float32)),
    "logits": (losses.binary_cross_entropy_with_logits, lambda: rng.integers(0, 2, (6, 5)).astype(np.float32)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_its_bits(name: str) -> None:
    loss, labels = LOSSES[name]
    model = small().append(L.Sigmoid()) if name == "of probabilities" else small()
    twins = Twins(model, momentum, loss=loss)
    for _ in range(3):
        twins.learn(batch()[0], labels())
    assert twins.breaks == 0, twins.step


def test_a_loss_of_ones_own_is_a_break() -> None:
    def absolute(scores: Any, target: Any) -> tuple[float, Any]:
        return float(np.abs(scores - target).sum()), np.sign(scores - target)

    twins = Twins(small(), momentum, loss=absolute)
    for _ in range(2):
        twins.learn(batch()[0], normal(6, 5))
    assert twins.breaks == 1


def test_an_optimiser_of_ones_own_is_a_break() -> None:
    class Signs(SGD):
        def _update(self, data: Any, grad: Any, slots: Any, scratch: Any, group: Any, step: int) -> None:
            data -= group["lr"] * np.sign(grad)

    twins = Twins(small(), partial(Signs, lr=0.01))
    for _ in range(3):
        twins.learn(*batch())
    assert twins.breaks == 1


# what may change between two steps


def test_recording_changes_nothing() -> None:
    model = small()
    optimizer = Adam(model.parameters())
    before = deepcopy((model, optimizer))
    x, labels = batch()
    given = x.copy()
    step = fc.compile(model.eval(), x, labels, optimizer=optimizer)
    np.testing.assert_array_equal(x, given)
    assert model.training is False
    for name, values in before[0].state_dict().items():
        np.testing.assert_array_equal(values, model.state_dict()[name])
    assert not optimizer._steps.any()
    twin = Rule(before[0].train(), None, before[1])
    assert step(x, labels) == twin.step(x, labels).loss
    assert_state((model, optimizer), before)


def test_schedules_loaded_states_and_frozen_parameters_are_followed() -> None:
    twins = Twins(small(), partial(Adam, lr=0.01))
    schedules = [StepLR(one, 1, 0.5) for one in (twins.optimizer, twins.other)]
    start = twins.model.state_dict(), twins.optimizer.state_dict()
    for _ in range(3):
        twins.learn(*batch())
        for schedule in schedules:
            schedule.step()
    for model, optimizer in ((twins.model, twins.optimizer), (twins.layers, twins.other)):
        model.load_state_dict(start[0])
        optimizer.load_state_dict(start[1])
    twins.learn(*batch())
    recordings = len(twins.step._recorded)
    for model in (twins.model, twins.layers):
        model.parameters()[0].requires_grad = False
    frozen = twins.model.parameters()[0].data.copy()
    twins.learn(*batch())
    np.testing.assert_array_equal(twins.model.parameters()[0].data, frozen)
    for model in (twins.model, twins.layers):
        model.parameters()[0].requires_grad = True
        model[0].weight = L.Parameter(np.full_like(model[0].weight.data, 0.1))
    twins.learn(*batch())  # the new weight is not one of the optimiser's
    for optimizer in (twins.optimizer, twins.other):
        optimizer.groups[0]["weight_decay"] = 0.1
    twins.learn(*batch())
    assert recordings == len(twins.step._recorded) == 1


def test_other_batches_strides_and_dtypes_are_recorded_when_they_come() -> None:
    twins = Twins(small(), momentum)
    x, labels = batch()
    twins.learn(x, labels)
    twins.learn(x[:4], labels[:4].astype(np.int32))
    twins.learn(x[::-1], labels[::-1])
    twins.learn(x.transpose(0, 1, 3, 2), [*labels])
    twins.learn(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), labels)
    twins.learn(x.astype(np.float64), labels)
    twins.learn(x[:1].astype(">f4"), labels[:1])


def test_options_of_layers_and_lists_of_parameters_are_followed() -> None:
    twins = Twins(small(), momentum)
    twins.learn(*batch())
    for model, optimizer in ((twins.model, twins.optimizer), (twins.layers, twins.other)):
        model[3].p = 0.6
        model[1].momentum = 0.3
        optimizer.groups[0]["parameters"].append(L.Parameter(np.ones(3, np.float32)))
    twins.learn(*batch())
    for optimizer in (twins.optimizer, twins.other):
        optimizer.lr = 0.3
    twins.learn(*batch())
    for model in (twins.model, twins.layers):
        model.append(L.ReLU())
    twins.learn(*batch())
    for optimizer in (twins.optimizer, twins.other):  # a state without slots
        optimizer.load_state_dict(momentum([L.Parameter(one.data) for one in optimizer._parameters()]).state_dict())
    for _ in range(2):
        twins.learn(*batch())


def test_launches_that_are_cut_into_slices_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "SLICE", 2**12)
    model = L.Sequential(*(L.Conv2d(channels, 8, 3, padding=1, rng=channels) for channels in (3, 8)), L.BatchNorm2d(8))
    model.append(L.Flatten()).append(L.Linear(8 * 99, 4, rng=0))
    twins = Twins(model, momentum)
    for _ in range(2):
        twins.learn(normal(5, 3, 9, 11), rng.integers(0, 4, 5))
    x = normal(5, 3, 9, 11)
    with L.inference_mode():
        right = twins.layers.eval()(x)
    np.testing.assert_array_equal(fc.compile(twins.model, x, fuse=False)(x), right)


def test_a_recording_whose_gradients_are_off_by_a_thousandth_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    right = UpdateRecorder.loss

    def off(self: UpdateRecorder, function: Any, scores: Any, labels: Any) -> Any:
        def scaled(scores: Any, labels: Any) -> Any:
            value, dy = function(scores, labels)
            return value, dy * np.float32(1.001)

        return right(self, scaled, scores, labels)

    monkeypatch.setattr(UpdateRecorder, "loss", off)
    twins = Twins(small(), momentum)
    for _ in range(2):
        twins.learn(*batch())
    assert "by the layers" in repr(twins.step)


def test_a_rule_of_ones_own_is_not_bypassed() -> None:
    class Twice(SGD):
        def step(self) -> None:
            super().step()
            super().step()

    twins = Twins(small(), partial(Twice, lr=0.01))
    for _ in range(2):
        twins.learn(*batch())
    assert "by the layers" in repr(twins.step)


def test_a_step_that_is_interrupted_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = Twins(small(), partial(Adam, lr=0.01))
    twins.learn(*batch())

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(engine, "run_program", interrupted)
        with pytest.raises(KeyboardInterrupt):
            twins.step(*batch())
    np.testing.assert_array_equal(twins.optimizer._steps, twins.other._steps)


def test_an_inference_program_notices_training() -> None:
    model = small()
    x, labels = batch()
    program, step = fc.compile(model, x), fc.compile(model, x, labels, optimizer=momentum(model.parameters()))
    program(x)
    step(x, labels)
    with pytest.raises(fc.errors.StaleProgramError):
        program(x)


def test_wrong_labels_and_losses_without_end_change_no_parameter() -> None:
    twins = Twins(small(), momentum)
    x, labels = batch()
    twins.learn(x, labels)
    before = [parameter.data.copy() for parameter in twins.model.parameters()]
    with pytest.raises(ValueError, match="labels must be at least 0 and less than 5"):
        twins.step(x, np.full(6, 5))
    x[2, 1, 3, 3] = np.nan
    assert np.isnan(twins.step(x, labels))
    np.testing.assert_array_equal(twins.optimizer._steps, twins.other._steps)
    for parameter, values in zip(twins.model.parameters(), before):
        np.testing.assert_array_equal(parameter.data, values)


@pytest.mark.parametrize("backend", ["numpy", "naive"])
def test_other_backends_do_the_layers(backend: str) -> None:
    with fc.use_backend(backend):
        twins = Twins(small(), momentum)
        twins.learn(*batch(2))
        assert not twins.step._recorded


def test_steps_are_pickled_as_model_and_optimiser() -> None:
    twins = Twins(small(), momentum)
    data = [batch() for _ in range(3)]
    for one in data[:2]:
        twins.learn(*one)
    again = pickle.loads(pickle.dumps(twins.step))
    assert isinstance(again, TrainingStep)
    assert again(*data[2]) == twins.step(*data[2])
    assert_state((again.model, again.optimizer), (twins.model, twins.optimizer))


def test_threads_take_turns() -> None:
    model = small()
    step = fc.compile(model, optimizer=SGD(model.parameters(), lr=0.01))
    x, labels = batch()
    threads = [threading.Thread(target=lambda: [step(x, labels) for _ in range(20)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model[1].num_batches_tracked == 60


def test_what_is_wrong_is_said_early() -> None:
    model, (x, labels) = small(), batch()
    optimizer = SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="without one"):
        fc.compile(model, x, labels)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="optimizer must be an Optimizer"):
        fc.compile(model, x, labels, optimizer="sgd")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="labels is missing"):
        fc.compile(model, x, optimizer=optimizer)
    with pytest.raises(ValueError, match="input_shape"):
        fc.compile(model, input_shape=(1, 2, 6, 6), optimizer=optimizer)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="loss must be one of"):
        fc.compile(model, x, labels, loss="crossentropy", optimizer=optimizer)
    with pytest.raises(ValueError, match="1 input channels"):
        fc.compile(model, x[:, :1], labels, optimizer=optimizer)
    with pytest.raises(ValueError, match="labels must"):
        fc.compile(model, x, labels[:3], optimizer=optimizer)


def test_a_step_allocates_nothing_that_grows_with_the_network() -> None:
    counts = []
    for depth in (8, 20):
        model = models.ResNet(depth, rng=0)
        x, labels = normal(2, 3, 32, 32), np.array([1, 2])
        step = fc.compile(model, x, labels, optimizer=momentum(model.parameters()))
        step(x, labels)
        tracemalloc.start()
        before = tracemalloc.take_snapshot()
        step(x, labels)
        after = tracemalloc.take_snapshot()
        tracemalloc.stop()
        counts.append(sum(one.count_diff for one in after.compare_to(before, "filename") if one.count_diff > 0))
        peak = sum(one.size_diff for one in after.compare_to(before, "filename") if one.size_diff > 0)
        assert peak < 2**16
    assert abs(counts[1] - counts[0]) < 10
