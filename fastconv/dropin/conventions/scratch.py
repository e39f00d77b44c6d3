"""The book "Deep Learning from Scratch": classes with `forward` and `backward` that hold weights and sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import OUTPUT, Convention, Function, Implementation, parameter_names, takes
from fastconv.dropin.conventions.cs231n import AVG_WORDS, CONV_WORDS, FORBIDDEN
from fastconv.dropin.conventions.expected import CONV_ROLES, Results
from fastconv.dropin.conventions.gradients import made_gradients, read_gradients
from fastconv.dropin.conventions.problem import SIZES, Problem
from fastconv.dropin.conventions.signatures import called_like, is_default, means
from fastconv.dropin.conventions.spelling import words
from fastconv.dropin.conventions.structure import read_results, structure_of
from fastconv.dropin.conventions.ties import rule_of
from fastconv.dropin.conventions.trying import BIASES, Way, bias_as, bias_of, forward_in_some_way

_POOL_WORDS = {"pool", "pooling", "maxpool", "maxpooling", "pool2d", "maxpool2d", "avgpool", "averagepool", "meanpool"}
_COUNT = 4  # arguments of a constructor
_GRADIENTS = ("dW", "db")  # attributes of a convolution
_KEPT = "_fastconv_x"  # attribute of a layer: the input of its last fast forward pass


def _methods(cls: type) -> dict[str, str] | None:
    """Forward and backward of a class that is made of four arguments, of one array each; others have defaults."""
    others = parameter_names(cls)[_COUNT:]
    if not takes(cls, _COUNT) or any(means(name, size) for name in others for size in SIZES):
        return None
    return {role: role for role in ("forward", "backward") if takes(getattr(cls, role, None), 2)} or None


def _is_named(cls: type, words_of_it: set[str], *starts: tuple[str, ...]) -> bool:
    """Whether the name of a class says the operation, and its constructor starts like one of these."""
    names = parameter_names(cls)[:_COUNT]
    spoken = set(words(cls.__name__))
    return bool(spoken & words_of_it) and not spoken & FORBIDDEN and tuple(names) in starts


def _attributes(implementation: Implementation) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gives the four arguments of the constructor, which a layer keeps under their names.

    So it does with further ones. A layer in which one of them is not what it is by default is left to the original.
    """
    cls: Any = implementation.cls
    parameters = [*inspect.signature(cls).parameters.values()]
    get, others = attrgetter(*(each.name for each in parameters[:_COUNT])), parameters[_COUNT:]

    def attributes(layer: Any) -> tuple[Any, ...]:
        if not all(is_default(getattr(layer, each.name), each.default) for each in others):
            raise Declined
        return tuple(get(layer))

    return attributes


class _Layer(Convention):
    """What both kinds of layer have in common: an object per problem, its input kept on it."""

    source = "Goki Saito, Deep Learning from Scratch (2016), common/layers.py"
    ways: tuple[Way, ...] = ({},)  # to make a layer, the usual one first

    def layer(self, implementation: Implementation, problem: Problem) -> Any:
        """An object of the class."""
        raise NotImplementedError

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        def forward() -> tuple[Any, Any]:
            layer = self.layer(implementation, problem)
            found = layer.forward(problem.stored(problem.x))
            return read_results(implementation.details, "forward", found, {"y": problem.output_shape}).get("y"), layer

        return forward_in_some_way(implementation, problem, self.ways, forward)

    def called(self, implementation: Implementation, made: dict[str, Function]) -> dict[str, Function]:
        """Methods of one array as methods with the parameters of the originals."""
        return {role: called_like(implementation[role], made[role], 2) for role in implementation.targets}

    def resuming(self, implementation: Implementation, roles: Sequence[str]) -> dict[str, Function]:
        """Their backward method, after their own forward pass on the input of the last fast one."""
        if not {"forward", "backward"} <= {*roles}:
            return {}

        def backward(self: Any, *args: Any, **kwargs: Any) -> Any:
            kept = vars(self).get(_KEPT)
            if kept is not None and kept is self.x:
                implementation["forward"](self, kept)
            return implementation["backward"](self, *args, **kwargs)

        return {"backward": backward}

    def kept(self, implementation: Implementation, run: Callable[[Any, Any], Any]) -> Function:
        """Forward method that keeps its input for the fast backward method."""
        output = structure_of(implementation.details, "forward", OUTPUT)

        def forward(self: Any, x: Any) -> Any:
            vars(self).pop(_KEPT, None)
            y = run(self, x)
            self.x = x
            vars(self)[_KEPT] = x
            return output.made({"y": y})

        return forward


def _input_of(layer: Any) -> Any:
    """Input of the last forward pass, if that was a fast one: theirs binds another to ``x``."""
    kept = vars(layer).get(_KEPT)
    if kept is None or kept is not layer.x:
        raise Declined
    return kept


def _keep(layer: Any, name: str, gradient: Any, *, in_place: bool) -> None:
    """Set an attribute, or write into the array that is there: an optimizer may hold it."""
    there = getattr(layer, name, None)
    if in_place and isinstance(there, np.ndarray):
        if there.shape != np.shape(gradient):
            raise Declined
        there[...] = gradient
    else:
        setattr(layer, name, gradient)


class Conv(_Layer):
    """``Convolution(W, b, stride=1, pad=0)``."""

    name = "scratch.conv2d"
    operations = ("conv2d",)
    form = "Convolution(W, b, stride=1, pad=0): forward(x) -> out, backward(dout) -> dx, then .dW and .db"
    gives = CONV_ROLES
    usual_bias = "(F,)"
    ways = tuple({"bias": bias, "paired": paired} for paired in (False, True) for bias in BIASES)

    def methods_of(self, cls: type, *, said: bool = False) -> dict[str, str] | None:
        starts = ("w", "b", "stride", "pad"), ("w", "b", "stride", "padding")
        return _methods(cls) if said or _is_named(cls, CONV_WORDS, *starts) else None

    def layer(self, implementation: Implementation, problem: Problem) -> Any:
        way = {**self.ways[0], **implementation.details}
        sizes = (problem.stride, problem.padding) if way["paired"] else (problem.stride[0], problem.padding[0])
        return implementation.made(problem.stored(problem.filters[0]), bias_as(problem, way["bias"]), *sizes)

    def limits(self, implementation: Implementation) -> tuple[Sequence[str], Sequence[str]]:
        return self.missing, () if implementation.details.get("paired") else self.single

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        before = {name: getattr(context, name, None) for name in _GRADIENTS}
        found = context.backward(problem.stored(problem.gradient)), context.dW, context.db
        for name, array in before.items():
            if isinstance(array, np.ndarray) and getattr(context, name) is array:
                implementation.details[f"{name} in place"] = True
        weight, bias = problem.filters
        return Results(None, **read_gradients(implementation.details, found, problem.x.shape, weight.shape, len(bias)))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        attributes, way = _attributes(implementation), {**self.ways[0], **implementation.details}
        gradients, calls = made_gradients(implementation.details), replace(calls, pairs=way["paired"])

        def given(layer: Any) -> tuple[Any, Any, dict[str, Any]]:
            weight, bias, stride, padding = attributes(layer)
            if way["paired"] and not (isinstance(stride, tuple) and isinstance(padding, tuple)):
                raise Declined
            return weight, bias_of(bias, way["bias"], len(weight)), {"stride": stride, "padding": padding}

        def run(self: Any, x: Any) -> Any:
            weight, bias, sizes = given(self)
            return calls.conv2d(x, weight, bias, **sizes)

        def backward(self: Any, dout: Any) -> Any:
            weight, bias, sizes = given(self)
            found = calls.conv2d_backward(dout, _input_of(self), weight, bias, **sizes)
            dx, *others = gradients(*found)
            for name, gradient in zip(_GRADIENTS, others):
                _keep(self, name, gradient, in_place=bool(implementation.details.get(f"{name} in place")))
            return dx

        return self.called(implementation, {"forward": self.kept(implementation, run), "backward": backward})


class Pool(_Layer):
    """``Pooling(pool_h, pool_w, stride=1, pad=0)``."""

    def __init__(self, operation: str) -> None:
        self.name = f"scratch.{operation}"
        self.operations = (operation,)
        self.form = "Pooling(pool_h, pool_w, stride=1, pad=0): forward(x) -> out, backward(dout) -> dx"

    def methods_of(self, cls: type, *, said: bool = False) -> dict[str, str] | None:
        starts = ("pool_h", "pool_w", "stride", "pad"), ("pool_h", "pool_w", "stride", "padding")
        averages = bool(set(words(cls.__name__)) & AVG_WORDS) == (self.operations == ("avg_pool2d",))
        return _methods(cls) if said or (averages and _is_named(cls, _POOL_WORDS, *starts)) else None

    def layer(self, implementation: Implementation, problem: Problem) -> Any:
        return implementation.made(*problem.kernel, problem.stride[0], problem.padding[0])

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        return Results(None, context.backward(problem.stored(problem.gradient)))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        attributes = _attributes(implementation)
        operation = self.operations[0]

        def run(self: Any, x: Any) -> Any:
            height, width, stride, padding = attributes(self)
            return calls.pool2d(operation, x, (height, width), stride=stride, padding=padding)

        def backward(self: Any, dout: Any) -> Any:
            height, width, stride, padding = attributes(self)
            options = {"stride": stride, "padding": padding, "ties": rule_of(implementation.details)}
            return calls.pool2d_backward(operation, dout, _input_of(self), (height, width), **options)

        return self.called(implementation, {"forward": self.kept(implementation, run), "backward": backward})


CONV = Conv()
POOLS = (Pool("max_pool2d"), Pool("avg_pool2d"))
