"""The book "Deep Learning from Scratch": classes with `forward` and `backward` that hold weights and sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import Convention, Function, Implementation, parameter_names
from fastconv.dropin.conventions.cs231n import AVG_WORDS, CONV_WORDS, FORBIDDEN
from fastconv.dropin.conventions.expected import CONV_ROLES, Results
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.conventions.spelling import words

_POOL_WORDS = {"pool", "pooling", "maxpool", "maxpooling", "pool2d", "maxpool2d", "avgpool", "averagepool", "meanpool"}
_KEPT = "_fastconv_x"  # attribute of a layer: the input of its last fast forward pass


def _methods(cls: type) -> dict[str, str] | None:
    """Forward and backward of a class, of one array each; a fifth argument of the constructor could mean anything."""
    if len(parameter_names(cls)) != 4:
        return None
    found = {name: parameter_names(getattr(cls, name, None)) for name in ("forward", "backward")}
    return {role: role for role, parameters in found.items() if len(parameters) == 2} or None


def _is_named(cls: type, words_of_it: set[str], *starts: tuple[str, ...]) -> bool:
    """Whether the name of a class says the operation, and its constructor starts like one of these."""
    names = parameter_names(cls)
    spoken = set(words(cls.__name__))
    return bool(spoken & words_of_it) and not spoken & FORBIDDEN and tuple(names) in starts


def _attributes(implementation: Implementation) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gives the four arguments of the constructor, which a layer keeps under their names."""
    cls: Any = implementation.cls
    return attrgetter(*inspect.signature(cls).parameters)


class _Layer(Convention):
    """What both kinds of layer have in common: an object per problem, its input kept on it."""

    source = "Goki Saito, Deep Learning from Scratch (2016), common/layers.py"

    def layer(self, implementation: Implementation, problem: Problem) -> Any:
        """An object of the class."""
        raise NotImplementedError

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        layer = self.layer(implementation, problem)
        return layer.forward(problem.stored(problem.x)), layer

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

    def kept(self, run: Callable[[Any, Any], Any]) -> Function:
        """Forward method that keeps its input for the fast backward method."""

        def forward(self: Any, x: Any) -> Any:
            vars(self).pop(_KEPT, None)
            y = run(self, x)
            self.x = x
            vars(self)[_KEPT] = x
            return y

        return forward


def _input_of(layer: Any) -> Any:
    """Input of the last forward pass, if that was a fast one: theirs binds another to ``x``."""
    kept = vars(layer).get(_KEPT)
    if kept is None or kept is not layer.x:
        raise Declined
    return kept


class Conv(_Layer):
    """``Convolution(W, b, stride=1, pad=0)``."""

    name = "scratch.conv2d"
    operations = ("conv2d",)
    form = "Convolution(W, b, stride=1, pad=0): forward(x) -> out, backward(dout) -> dx, then .dW and .db"
    gives = CONV_ROLES

    def methods_of(self, cls: type, *, said: bool = False) -> dict[str, str] | None:
        starts = ("w", "b", "stride", "pad"), ("w", "b", "stride", "padding")
        return _methods(cls) if said or _is_named(cls, CONV_WORDS, *starts) else None

    def layer(self, implementation: Implementation, problem: Problem) -> Any:
        sizes = problem.stride[0], problem.padding[0]
        return implementation.made(*map(problem.stored, problem.filters), *sizes)

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        dx = context.backward(problem.stored(problem.gradient))
        return Results(None, dx, context.dW, context.db)

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        attributes = _attributes(implementation)

        def run(self: Any, x: Any) -> Any:
            weight, bias, stride, padding = attributes(self)
            return calls.conv2d(x, weight, bias, stride=stride, padding=padding)

        def backward(self: Any, dout: Any) -> Any:
            weight, bias, stride, padding = attributes(self)
            options = {"stride": stride, "padding": padding}
            dx, self.dW, self.db = calls.conv2d_backward(dout, _input_of(self), weight, bias, **options)
            return dx

        return {"forward": self.kept(run), "backward": backward}


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
            return calls.pool2d_backward(
                operation, dout, _input_of(self), (height, width), stride=stride, padding=padding
            )

        return {"forward": self.kept(run), "backward": backward}


CONV = Conv()
POOLS = (Pool("max_pool2d"), Pool("avg_pool2d"))
