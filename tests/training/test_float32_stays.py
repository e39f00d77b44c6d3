"""A training step in float32 never touches float64: every array that a function of fastconv holds is looked at."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from programs import TESTS
from training_runs import images

import fastconv as fc
from fastconv import layers
from fastconv.data.augment import Compose, RandomCrop, RandomFlip, RandomShift
from fastconv.layers import Conv2d, Flatten, Identity, Layer, Linear, MaxPool2d, ReLU, Sequential
from fastconv.losses import softmax_cross_entropy
from fastconv.optim import OPTIMIZERS, SGD, Adam, ExponentialLR
from fastconv.testing import assert_close
from fastconv.training import Trainer

WATCHED = (str(Path(fc.__file__).parent), str(TESTS))
LARGE = 6  # elements: fewer than any batch, gradient or parameter of these tests has
# Normalisation sums over a whole batch: its tables of partial sums are float64 on purpose, and weighed with the plans
# that are kept. What it is given and what it returns must not be.
TABLES = ("normalization.py", "batch_normalization.py", "launch.py", "plan_cache.py")
TABLE = 16 * 4  # numbers of a table of variances, which are float64 too: one for every image and channel
# Likewise the options of optimisers, a few numbers for each parameter, and the sums of squares in a norm.
OPTIONS = ("parameters.py", "update.py", "norm.py", "launch.py")


@contextmanager
def watch(*unseen: str, large: int = LARGE) -> Iterator[set[str]]:
    """Collect where a large array of float64 is a local variable or a result, line by line."""
    found: set[str] = set()

    def look(frame: FrameType, value: Any, name: str) -> None:
        if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.size >= large:
            file = Path(frame.f_code.co_filename).name
            found.add(f"{name} {value.shape} in {frame.f_code.co_name}, {file}:{frame.f_lineno}")
        elif isinstance(value, (tuple, list)):
            for part in value[:8]:
                look(frame, part, name)

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(WATCHED) or Path(frame.f_code.co_filename).name in unseen:
            return None
        for name, value in frame.f_locals.items():
            look(frame, value, name)
        if event == "return":
            look(frame, argument, "the result")
        return trace

    before = sys.gettrace()
    unseen = (*unseen, *OPTIONS)
    sys.settrace(trace)
    try:
        yield found
    finally:
        sys.settrace(before)


def candidates() -> dict[str, Layer]:
    """Every layer that takes and returns (N, 4, H, W) in float32, as far as this version has it."""
    makers: dict[str, tuple[Any, ...]] = {
        "BatchNorm2d": (4,),
        "GroupNorm": (2, 4),
        "Dropout": (0.3,),
        "LeakyReLU": (),
        "Sigmoid": (),
        "Tanh": (),
        "AvgPool2d": (2,),
    }
    return {name: getattr(layers, name)(*given) for name, given in makers.items() if hasattr(layers, name)}


def network(extra: list[Layer]) -> Sequential:
    return Sequential(
        Conv2d(1, 4, 3, padding=1, rng=0), ReLU(), *extra, MaxPool2d(2), Flatten(), Linear(4 * 3 * 4, 4, rng=1)
    )


def run(model: Layer, kind: str = "adam", **options: Any) -> Trainer:
    optimizer = OPTIMIZERS[kind](model.parameters(), lr=1e-3, weight_decay=1e-3)
    # layer by layer: a recorded step has the same bits, and tables of addresses
    return Trainer(model, optimizer, schedule=ExponentialLR(optimizer, 0.5, interval="step"), compile=False, **options)


@pytest.mark.parametrize("backend", ["numpy", "fast"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_training_run_in_float32(backend: str, kind: str) -> None:
    fc.set_backend(backend)
    augment = Compose(RandomFlip(), RandomShift(1), RandomCrop((6, 8), padding=1))
    trainer = run(network([]), kind, augment=augment, l2=1e-3, clip_norm=0.1)
    data = images()
    with watch() as found:
        trainer.fit(data, data[:20], epochs=1, batch_size=16)
    assert found == set()
    slots = trainer.optimizer.state_dict()["slots"]
    assert {array.dtype for array in (*trainer.model.state_dict().values(), *slots.values())} <= {np.dtype(np.float32)}


@pytest.mark.parametrize("name", candidates())
def test_other_layers_in_float32(name: str) -> None:
    fc.set_backend("fast")
    extra = [candidates()[name]]
    model = network(extra)
    if "Pool" in name:
        model = Sequential(Conv2d(1, 4, 3, rng=0), *extra, Flatten(), Linear(4 * 2 * 3, 4, rng=1))
    unseen, large = (TABLES, TABLE + 1) if "Norm" in name else ((), LARGE)
    with watch(*unseen, large=large) as found:
        run(model).fit(images(), epochs=1, batch_size=16)
    assert found == set()


@pytest.mark.parametrize("loss", ["softmax", "svm", "squared_error"])
def test_losses_in_float32(loss: str) -> None:
    fc.set_backend("numpy")
    with watch() as found:
        run(network([]), loss=loss).fit(images(), epochs=1, batch_size=16)
    assert found == set()


# the watch itself


class Upcasts(Identity):
    """Hand on float64."""

    def forward(self, x: Any) -> Any:
        return super().forward(x).astype(np.float64)


class UpcastsTheGradient(Identity):
    """Hand back float64."""

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        gradient = super().backward(dy, input_gradient=input_gradient)
        return None if gradient is None else gradient * np.ones(1)


class UpcastsInside(Identity):
    """Compute in float64 where nobody sees it."""

    def forward(self, x: Any) -> Any:
        inside = np.exp(np.asarray(x, np.float64))
        inside = np.log(inside).astype(np.float32)
        return super().forward(inside)


@pytest.mark.parametrize("fault", [Upcasts, UpcastsTheGradient, UpcastsInside])
def test_the_watch_sees_one_layer_that_upcasts(fault: type[Layer]) -> None:
    fc.set_backend("numpy")
    with watch() as found:
        run(network([fault()])).fit(images(), epochs=1, batch_size=16)
    assert found


def test_the_watch_sees_a_loss_and_an_optimiser_that_upcast() -> None:
    fc.set_backend("numpy")

    def loss(scores: Any, labels: Any) -> Any:
        value, dy = softmax_cross_entropy(scores, labels)
        return value, dy * np.ones(dy.shape)

    class Careless(SGD):
        def _update(self, data: Any, grad: Any, *others: Any) -> None:
            change = grad * np.full(grad.shape, 1e-3)
            data -= change.astype(np.float32)

    with watch() as found:
        run(network([]), loss=loss).fit(images(), epochs=1, batch_size=16)
    assert any("the result" in where for where in found)
    model = network([])
    with watch() as found:
        Trainer(model, Careless(model.parameters())).fit(images(), epochs=1, batch_size=16)
    assert {where.split()[0] for where in found} == {"change"}


def test_a_float64_network_stays_in_float64() -> None:
    fc.set_backend("numpy")
    model = Sequential(Flatten(), Linear(48, 4, rng=0, dtype=np.float64))
    reference = Linear(48, 4, rng=0, dtype=np.float64)
    data = images(stored=np.float32)
    trainer = Trainer(model, Adam(model.parameters(), lr=0.01))
    trainer.train_step(data.images.astype(np.float64), data.labels)
    slots = trainer.optimizer.state_dict()["slots"]
    assert {array.dtype for array in (*model.state_dict().values(), *slots.values())} == {np.dtype(np.float64)}
    step = np.abs(model.parameters()[0].data - reference.weight.data)
    assert_close(step.max(), np.float64(0.01), magnitude=1e6)  # eps of Adam takes a little of it
