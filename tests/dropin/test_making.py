"""Classes and functions that nobody has named or given an example of: made from the names of their parameters."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import family_code
import numpy as np
import pytest

import fastconv as fc
from fastconv.dropin.conventions.near_misses import near_misses
from fastconv.dropin.conventions.problem import draw
from fastconv.dropin.making.find import found_by_making, operation_of
from fastconv.dropin.making.meanings import meanings
from fastconv.dropin.making.objects import ways_to_make
from fastconv.dropin.making.recipes import CONSTRUCTOR, FUNCTION, recipes
from fastconv.dropin.making.ways import WAYS, Inexpressible
from fastconv.testing import assert_close

RNG = np.random.default_rng(0)

# What a class is, how a person makes an object, the size of its images, and its methods that become fast.
CLASSES: dict[str, tuple[tuple[Any, ...], tuple[int, ...], tuple[str, ...]]] = {
    "ConvInOut": ((3, 8, 5, 2, 1), (2, 3, 20, 17), ("forward", "backward")),
    "PairsConv": ((3, 8, (5, 3), (2, 1), (1, 0)), (2, 3, 20, 17), ("__call__",)),
    "Conv3x3": ((8,), (28, 26), ("forward", "backprop")),
    "MaxPool2": ((), (26, 24, 8), ("forward",)),
    "ConvOfShape": (((2, 12, 14), 3, 5), (2, 12, 14), ("forward", "backward")),
    "ConvChannelsLast": ((6, 3, 4, 2), (2, 15, 13, 4), ("forward", "backward")),
    "LazyConv": ((6, 3), (2, 3, 9, 8), ("forward",)),
    "BuiltConv": ((6, 3), (2, 9, 8, 3), ("call",)),
    "SummingConv": ((5, 3, 2), (9, 8, 2), ("forward", "backward")),
    "AvgPooling": ((3, 2), (2, 3, 9, 8), ("forward", "backward")),
}
RATES = {"Conv3x3", "ConvOfShape", "ConvChannelsLast"}  # their backward pass takes a step at once
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "convolution": (RNG.standard_normal((3, 12, 9)), RNG.standard_normal((5, 3, 3, 3)), RNG.standard_normal(5), 2),
    "conv_same": (RNG.standard_normal((14, 11)), RNG.standard_normal((3, 3))),
    "pool_last": (RNG.standard_normal((13, 14, 3)), 3, 2),
}


# A class, and what is written in it, and what is written instead by mistake.
MISTAKES = [
    ("ConvInOut", '+= np.einsum("nf,fckl->nckl"', '= np.einsum("nf,fckl->nckl"'),
    ("ConvInOut", "for i in range(grad.shape[2])", "for i in range(grad.shape[2] - 1)"),
    ("ConvInOut", "j * s : j * s + k]\n            ", "j : j + k]\n            "),
    ("ConvInOut", "self.dbias = grad.sum((0, 2, 3))", "self.dbias = grad.sum((0, 2, 3)) / 2"),
    ("Conv3x3", "self.filters -= learn_rate * step", "self.filters += learn_rate * step"),
    (
        "ConvChannelsLast",
        "self.bias -= learning_rate * d_out.sum((0, 1, 2)) / n",
        "self.bias -= d_out.sum((0, 1, 2)) / n",
    ),
    ("ConvOfShape", "self.kernels[f, c, ::-1, ::-1]", "self.kernels[f, c]"),
    ("AvgPooling", "/ k**2", "/ k"),
    ("MaxPool2", ".max((0, 1))", ".max((0, 1)).clip(0)"),
]


def _copy(monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> ModuleType:
    copied = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, copied)
    exec(source, vars(copied))
    return copied


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A copy of the module with all families, whose functions and classes may be replaced."""
    return _copy(monkeypatch, "family_code_copy", Path(str(family_code.__file__)).read_text(encoding="utf-8"))


def _made(cls: type, arguments: tuple[Any, ...], method: str, x: Any) -> Any:
    """An object that has been used once, before which it may have no filters."""
    np.random.seed(0)  # noqa: NPY002 - theirs draw from it
    layer = cls(*arguments)
    if hasattr(layer, "build"):
        layer.build(x.shape)
    getattr(layer, method)(x)
    return layer


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_fast_for_objects_of_all_sizes(name: str, module: ModuleType) -> None:
    arguments, shape, methods = CLASSES[name]
    x = RNG.standard_normal(shape)
    cls = getattr(module, name)
    theirs = _made(getattr(family_code, name), arguments, methods[0], x)
    accelerated = fc.accelerate(cls, on_mismatch="skip")
    assert {label.partition(".")[2] for label in accelerated} == set(methods)
    ours = _made(cls, arguments, methods[0], x)
    expected = getattr(theirs, methods[0])(x)
    assert_close(accelerated.fast[f"{name}.{methods[0]}"](ours, x), expected)
    for method in methods[1:] * 2:  # what adds up shows in the second call
        dy = RNG.standard_normal(expected.shape)
        rate = (0.1,) if name in RATES else ()
        found, right = (getattr(layer, method)(dy, *rate) for layer in (ours, theirs))
        assert (found is None) == (right is None)
        if right is not None:
            assert_close(found, right)
        for attribute, value in vars(theirs).items():
            if isinstance(value, np.ndarray):
                assert_close(getattr(ours, attribute), value)
    accelerated.undo()
    assert vars(cls)[methods[0]] is accelerated[f"{name}.{methods[0]}"]


def test_what_was_found_is_no_near_miss() -> None:
    found = found_by_making([(family_code, "LazyConv", family_code.LazyConv)])
    assert near_misses(family_code, ()).keys() - near_misses(family_code, found).keys() == {"LazyConv"}


def test_an_object_that_makes_its_weights_keeps_its_next_input(module: ModuleType) -> None:
    layer = _made(module.LazyConv, (6, 3), "forward", RNG.standard_normal((2, 3, 9, 8)))
    with fc.accelerate(module.LazyConv, on_mismatch="raise") as accelerated:
        x = RNG.standard_normal((1, 3, 7, 6))
        layer.forward(x)
        assert accelerated.calls["LazyConv.forward"].fast == 1
    assert layer.last is x
    assert layer.shape == x.shape


@pytest.mark.parametrize(("name", "right", "wrong"), MISTAKES)
def test_a_mistake_is_left_as_it_is(name: str, right: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head, found, rest = Path(str(family_code.__file__)).read_text(encoding="utf-8").partition(f"class {name}:")
    assert right in rest
    source = head + found + rest.replace(right, wrong, 1)
    theirs, ours = (
        getattr(_copy(monkeypatch, copy, source), name) for copy in ("family_code_wrong", "family_code_too")
    )
    with contextlib.suppress(fc.errors.InvalidValueError):  # nothing is recognised
        fc.accelerate(ours, on_mismatch="skip")
    arguments, shape, methods = CLASSES[name]
    x = RNG.standard_normal(shape)
    layers = [_made(cls, arguments, methods[0], x) for cls in (theirs, ours)]
    expected, y = (getattr(layer, methods[0])(x) for layer in layers)
    assert_close(y, expected)
    for method in methods[1:]:
        dy = RNG.standard_normal(expected.shape)
        right_one, found_one = (getattr(layer, method)(dy, *([0.1] if name in RATES else [])) for layer in layers)
        if right_one is not None:
            assert_close(found_one, right_one)
    for attribute, value in vars(layers[0]).items():
        if isinstance(value, np.ndarray):
            assert_close(getattr(layers[1], attribute), value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_called_as_its_parameters_are_named(name: str, module: ModuleType) -> None:
    accelerated = fc.accelerate(getattr(module, name), on_mismatch="raise")
    assert list(accelerated) == [name]
    assert_close(getattr(module, name)(*FUNCTIONS[name]), getattr(family_code, name)(*FUNCTIONS[name]))


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("ConvLayer", "conv2d"),
        ("Conv3x3", "conv2d"),
        ("convolve2D", "conv2d"),
        ("CNN_Layer", "conv2d"),
        ("maxPool2D", "max_pool2d"),
        ("AveragePooling2D", "max_pool2d"),
        ("convert", None),
        ("ConvNet", None),
        ("Conv1D", None),
        ("ThreadPool", None),
        ("conv_backward", None),
    ],
)
def test_names_hint_at_an_operation(name: str, operation: str | None) -> None:
    assert operation_of(name) == operation


def test_a_name_means_what_its_place_allows() -> None:
    assert meanings("inChannels", CONSTRUCTOR) == ("channels",)
    assert meanings("input_shape", CONSTRUCTOR) == ("channels", "image")
    assert meanings("kernel", FUNCTION) == ("weight", "kernel")
    assert meanings("verbose", FUNCTION) == ()


def test_arguments_follow_from_a_problem() -> None:
    def conv(image: Any, kernels: Any, strides: int = 1, pad: int = 0, verbose: bool = False) -> None: ...

    problem = draw("conv2d", images=1, size=(5, 6), stride=(2, 2), padding=(1, 1))
    found = [recipe for recipe in recipes(conv, FUNCTION) if recipe.order("x") == "HWC"]
    arguments = found[0].arguments(problem)
    assert {name: np.shape(value) for name, value in arguments.items()} == {
        "image": (5, 6, 3),
        "kernels": (3, 3, 3, 4),
        "strides": (),
        "pad": (),
    }
    assert (arguments["strides"], arguments["pad"]) == (2, 1)


def test_what_has_no_words_is_said_so() -> None:
    square = WAYS["kernel"][0]
    with pytest.raises(Inexpressible, match="single number"):
        square.give(draw("conv2d", kernel=(3, 2)))
    with pytest.raises(Inexpressible, match="keeps the size"):
        WAYS["padding"][2].give(draw("conv2d", padding=(2, 2)))
    with pytest.raises(Inexpressible, match="x has 2 N"):
        WAYS["x"][2].give(draw("conv2d", images=2))


def test_a_constructor_that_needs_something_else_is_not_called() -> None:
    class Conv:
        def __init__(self, filters: int, connection: Any) -> None:
            raise AssertionError("nobody knows what a connection is")

        def forward(self, x: Any) -> Any:
            return x

    assert list(ways_to_make(Conv, "conv2d")) == []


def test_what_computes_something_else_is_left_alone() -> None:
    class Conv:
        def __init__(self, num_filters: int) -> None:
            self.filters = np.ones((num_filters, 3, 3))

        def forward(self, x: Any) -> Any:
            return np.tanh(x)

    with pytest.raises(fc.errors.InvalidValueError, match="known form"):
        fc.accelerate(Conv)
