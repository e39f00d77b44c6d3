"""Constructors and registries that are called wrongly say what was meant, and are otherwise as if nobody looked."""

from __future__ import annotations

import copy
import inspect
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv import data, initializers, layers, losses, models, optim, training
from fastconv.errors import InvalidTypeError, UnknownNameError
from fastconv.validation.constructors import Constructed
from fastconv.validation.registry import Registry

WEIGHTS = [layers.Parameter(np.ones(2))]
CLASSES = sorted(
    {
        value
        for module in (layers, optim, models, training, data)
        for name in module.__all__
        if isinstance(value := getattr(module, name), Constructed)
    },
    key=lambda cls: cls.__qualname__,
)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: layers.Conv2d(3, 4, 3, pading=1), "but got 'pading'. Did you mean 'padding'?"),
        (lambda: layers.Conv2d(3, filters=4, kernel_size=3), "got 'filters'. Did you mean 'out_channels'?"),
        (lambda: layers.Conv2d(3, 4), "Conv2d: kernel_size must be given, but got in_channels, out_channels."),
        (lambda: layers.Conv2d(), "in_channels, out_channels, kernel_size must be given, but got no argument."),
        (lambda: layers.Conv2d(3, 4, 3, in_channels=3), "in_channels must be given once, but got it with and without"),
        (lambda: layers.BatchNorm2d(3, 1e-5, 0.1, True, True, "NCHW"), "Name the others: layout=, dtype="),
        (lambda: layers.ReLU(True), "every argument must have a name, but got 1 arguments. Name the others: backend="),
        (lambda: layers.Flatten(1, -1, 2), "only start_dim, end_dim may come without a name, but got 3 arguments."),
        (lambda: layers.Sequential(layers.ReLU(), name="x"), "arguments must have no name, but got 'name'."),
        (lambda: layers.Concat(layers.ReLU(), axs=1), "got 'axs'. Did you mean 'axis'?"),
        (lambda: layers.Parameter([1.0], requires_gard=False), "Did you mean 'requires_grad'?"),
        (lambda: optim.Adam(WEIGHTS, learning_rate=0.1), "got 'learning_rate'. Did you mean 'lr'?"),
        (lambda: optim.StepLR(optim.SGD(WEIGHTS, lr=0.1), 3, gama=0.1), "Did you mean 'gamma'?"),
        (lambda: models.LeNet5(num_classes=3), "LeNet5: arguments must be among input_shape, classes, "),
        (lambda: data.Dataset(np.zeros((4, 3)), lables=[1]), "Did you mean 'labels'?"),
        (lambda: data.Preprocessing(maen=0.5), "Did you mean 'mean'?"),
        (lambda: training.Trainer(layers.Linear(3, 2)), "Trainer: optimizer must be given, but got model."),
        (lambda: training.EarlyStopping(patiance=3), "Did you mean 'patience'?"),
    ],
)
def test_a_call_that_does_not_fit_says_what_was_meant(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidTypeError) as caught:
        call()
    assert says in str(caught.value)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_signatures_and_pickles_are_those_of_plain_classes(cls: type) -> None:
    plain = inspect.signature(type("Plain", (), {"__init__": cls.__init__}))  # type: ignore[misc]
    assert inspect.signature(cls) == plain
    assert pickle.loads(pickle.dumps(cls)) is cls
    assert copy.deepcopy(cls) is cls
    with pytest.raises(InvalidTypeError, match=rf"{cls.__name__}: .*'no such argument'") as caught:
        cls(**{"no such argument": 1})
    assert len(str(caught.value)) < 600


def test_every_layer_optimizer_and_schedule_is_among_them() -> None:
    assert {layers.Conv2d, optim.SGD, optim.StepLR, models.ResNet, training.Trainer, data.Dataset} <= {*CLASSES}


def test_classes_of_ones_own_are_told_too_and_keep_their_errors() -> None:
    class Net(layers.Sequential):
        def __init__(self, width: int, fault: BaseException | None = None) -> None:
            super().__init__(layers.Conv2d(1, width, 3))
            if fault is not None:
                raise fault

    with pytest.raises(InvalidTypeError, match="Net: arguments must be among width, fault, but got 'widht'"):
        Net(widht=3)  # type: ignore[call-arg]
    fault = TypeError("a fault of its own")
    with pytest.raises(TypeError) as caught:
        Net(3, fault)
    assert caught.value is fault
    with pytest.raises(InvalidTypeError, match="Conv2d: out_channels must be an integer"):
        Net("x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="abstract class Layer"):
        layers.Layer()  # type: ignore[abstract]

    class Interface(ABC):
        @abstractmethod
        def call(self) -> None: ...

    class Both(layers.ReLU, Interface):
        def call(self) -> None: ...

    class Data(data.Dataset, Interface):
        def call(self) -> None: ...

    assert isinstance(Both(), Interface)
    assert type(Both) is type(Data) is Constructed


def test_arguments_of_any_number_are_let_through() -> None:
    class Any_(metaclass=Constructed):
        def __init__(self, first: int, *rest: int, **options: int) -> None:
            self.all = (first, rest, options)

    assert Any_(1, 2, 3, x=4).all == (1, (2, 3), {"x": 4})
    with pytest.raises(InvalidTypeError, match="Any_: first must be given, but got x"):
        Any_(x=4)  # type: ignore[call-arg]


# registries


@pytest.mark.parametrize(
    ("registry", "name", "wanted"),
    [
        (optim.OPTIMIZERS, "admw", "adamw"),
        (data.PRESETS, "ImageNet ", "imagenet"),
        (models.MODELS, "lenet", "lenet5"),
        (losses.LOSSES, "cross_entropy", "softmax"),
        (initializers.INITIALIZERS, "kaiming_normal", "he_normal"),
    ],
)
def test_a_misspelt_key_is_told_what_was_meant(registry: dict[str, Any], name: str, wanted: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"[A-Z]+: the name must be one of '.*\. Did you mean '{wanted}'\?$"):
        registry[name]


def test_registries_are_dictionaries_otherwise() -> None:
    found: dict[str, int] = Registry("NUMBERS", {"one": 1, "two": 2})
    assert ("three" in found, found.get("three", 3), {**found}) == (False, 3, {"one": 1, "two": 2})
    for kind in (KeyError, ValueError, fc.errors.FastconvError):
        with pytest.raises(kind, match=r"^NUMBERS: the name must be one of 'one', 'two', but got 3\.$"):
            found[3]  # type: ignore[index]
    for twin in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found), copy.copy(found)):
        assert twin == found
        with pytest.raises(UnknownNameError, match=r"NUMBERS: .* Did you mean 'two'"):
            twin["tow"]
