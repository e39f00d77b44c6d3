"""Activations."""

from __future__ import annotations

from math import pi, sqrt

from fastconv.layers import (
    ELU,
    GELU,
    SELU,
    HardSigmoid,
    HardSwish,
    Layer,
    LeakyReLU,
    LogSoftmax,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from fastconv.onnx.export.registry import exports
from fastconv.onnx.export.writer import Place

_USUAL_THRESHOLD = 20.0  # from here on, log(1 + exp(x)) is x to 2e-9

_OF_THE_SAME_MEANING: dict[type[Layer], str] = {
    ReLU: "Relu",
    SELU: "Selu",
    HardSwish: "HardSwish",
    Softsign: "Softsign",
    Sigmoid: "Sigmoid",
    Tanh: "Tanh",
}


@exports(*_OF_THE_SAME_MEANING)
def elementwise(place: Place, layer: Layer, x: str) -> str:
    """Write what ONNX has under another name."""
    kind = next(kind for one, kind in _OF_THE_SAME_MEANING.items() if isinstance(layer, one))
    return place.node(kind, x)


@exports(LeakyReLU)
def leaky_relu(place: Place, layer: LeakyReLU, x: str) -> str:
    """LeakyRelu."""
    return place.node("LeakyRelu", x, alpha=layer.negative_slope)


@exports(ReLU6)
def relu6(place: Place, layer: ReLU6, x: str) -> str:
    """Clip."""
    return place.node("Clip", x, place.number(0), place.number(6))


@exports(HardSigmoid)
def hard_sigmoid(place: Place, layer: HardSigmoid, x: str) -> str:
    """HardSigmoid, whose slope by default is another one."""
    return place.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)


@exports(ELU)
def elu(place: Place, layer: ELU, x: str) -> str:
    """Elu."""
    return place.node("Elu", x, alpha=layer.alpha)


@exports(GELU)
def gelu(place: Place, layer: GELU, x: str) -> str:
    """``x * Φ(x)``, of smaller operators: its own is newer than the operator set."""
    if layer.approximate == "tanh":
        cube = place.node("Mul", place.node("Mul", place.node("Mul", x, x), x), place.number(0.044715))
        inner = place.node("Mul", place.node("Add", x, cube), place.number(sqrt(2 / pi)))
        odd = place.node("Tanh", inner)
    else:
        odd = place.node("Erf", place.node("Mul", x, place.number(sqrt(0.5))))
    share = place.node("Add", odd, place.number(1))
    return place.node("Mul", place.node("Mul", x, share), place.number(0.5))


@exports(SiLU)
def silu(place: Place, layer: SiLU, x: str) -> str:
    """``x * sigmoid(x)``, which is an operator of no version that is widely read."""
    return place.node("Mul", x, place.node("Sigmoid", x))


@exports(Softplus)
def softplus(place: Place, layer: Softplus, x: str) -> str:
    """Softplus, of ``beta * x``."""
    inner = x if layer.beta == 1 else place.node("Mul", x, place.number(layer.beta))
    y = place.node("Softplus", inner)
    if layer.beta != 1:
        y = place.node("Div", y, place.number(layer.beta))
    if layer.threshold >= _USUAL_THRESHOLD:
        return y
    return place.node("Where", place.node("Greater", inner, place.number(layer.threshold)), x, y)


@exports(PReLU)
def prelu(place: Place, layer: PReLU, x: str) -> str:
    """PRelu, whose slopes stand on the axis of the channels."""
    rank = len(place.input_shape)
    after = rank - layer.axis % rank - 1 if layer.num_parameters > 1 else 0
    return place.node("PRelu", x, place.parameter("weight", (layer.num_parameters, *(1,) * after)))


@exports(Softmax)
def softmax(place: Place, layer: Softmax, x: str) -> str:
    """Softmax."""
    return place.node("Softmax", x, axis=layer.dim)


@exports(LogSoftmax)
def log_softmax(place: Place, layer: LogSoftmax, x: str) -> str:
    """LogSoftmax."""
    return place.node("LogSoftmax", x, axis=layer.dim)
