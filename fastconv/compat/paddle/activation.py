"""Activations by the names that Paddle has for them."""

from __future__ import annotations

from typing import Any, ClassVar

from fastconv.compat.paddle.arguments import one_of
from fastconv.layers import Identity as IdentityLayer
from fastconv.layers import Layer, ReLU
from fastconv.layers import Sigmoid as SigmoidLayer
from fastconv.layers import Tanh as TanhLayer

__all__ = [
    "Activation",
    "Identity",
    "IdentityActivation",
    "Linear",
    "LinearActivation",
    "Relu",
    "ReluActivation",
    "Sigmoid",
    "SigmoidActivation",
    "Tanh",
    "TanhActivation",
    "as_activation",
]


class Activation:
    """An activation; the subclasses name it, and the layer that computes it."""

    name: ClassVar[str]
    make: ClassVar[type[Layer]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Relu(Activation):
    """``max(x, 0)``."""

    name = "relu"
    make = ReLU


class Linear(Activation):
    """No activation; its name is empty, as there."""

    name = ""
    make = IdentityLayer


class Tanh(Activation):
    """The hyperbolic tangent."""

    name = "tanh"
    make = TanhLayer


class Sigmoid(Activation):
    """``1 / (1 + exp(-x))``."""

    name = "sigmoid"
    make = SigmoidLayer


Identity = IdentityActivation = LinearActivation = Linear
ReluActivation, TanhActivation, SigmoidActivation = Relu, Tanh, Sigmoid

_BY_NAME: dict[str, type[Activation]] = {
    "relu": Relu,
    "": Linear,
    "linear": Linear,
    "identity": Linear,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
}


def as_activation(operation: str, value: Any) -> Activation:
    """Return an activation given as an object, a class or a name; None is the default, ReLU."""
    return one_of(operation, "act", Relu if value is None else value, Activation, _BY_NAME)
