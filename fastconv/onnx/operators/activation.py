"""Activation functions: one number at a time, and softmax and its kin."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from fastconv import functional
from fastconv.errors import InvalidValueError
from fastconv.functional.call import as_computed, finish
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.types import GeluForm

_SIXTH = float(np.float32(1 / 6))

operator("HardSwish", since=14)(functional.hardswish)
operator("Sigmoid")(functional.sigmoid)
operator("Softsign")(functional.softsign)
operator("Tanh")(functional.tanh)


@operator("Softplus")
def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``."""
    return functional.softplus(x, threshold=40)  # from where on it is x, in float64 too


@operator("Relu")
def relu(x: Array) -> Array:
    """``max(x, 0)``, of integers too."""
    return functional.relu(x) if x.dtype.kind == "f" else np.maximum(x, 0)


@operator("LeakyRelu")
def leaky_relu(x: Array, *, alpha: float = 0.01) -> Array:
    """``x``, or ``alpha * x`` below 0."""
    return functional.leaky_relu(x, alpha)


@operator("PRelu", since=7)
@np.errstate(all="ignore")
def prelu(x: Array, slope: Array) -> Array:
    """``x``, or ``slope * x`` below 0; the slopes are broadcast."""
    sizes = (1,) * (x.ndim - slope.ndim) + slope.shape
    if len(sizes) > x.ndim or any(size not in (1, cells) for size, cells in zip(sizes, x.shape)):
        raise InvalidValueError(f"PRelu: slope must broadcast to the shape of X, {x.shape}, but got {slope.shape}.")
    if x.dtype.kind == "f" and x.ndim > 1 and slope.size == sizes[1]:
        return functional.prelu(x, slope.reshape(-1))
    return np.where(x < 0, slope * x, x)


@operator("Elu")
def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """``x``, or ``alpha * (exp(x) - 1)`` below 0."""
    return functional.elu(x, alpha)


@operator("Selu")
@np.errstate(all="ignore")
def selu(x: Array, *, alpha: float, gamma: float) -> Array:
    """``gamma`` times `elu`."""
    return finish(gamma * functional.elu(as_computed(x, x.dtype), alpha), x.dtype)


@operator("Celu", since=12)
@np.errstate(all="ignore")
def celu(x: Array, *, alpha: float = 1.0) -> Array:
    """``x``, or ``alpha * (exp(x / alpha) - 1)`` below 0 (Barron 2017)."""
    numbers = as_computed(x, x.dtype)
    return finish(np.where(numbers < 0, alpha * functional.elu(numbers / alpha), numbers), x.dtype)


@operator("HardSigmoid")
@np.errstate(all="ignore")
def hard_sigmoid(x: Array, *, alpha: float = 0.2, beta: float = 0.5) -> Array:
    """``alpha * x + beta``, between 0 and 1."""
    if (alpha, beta) == (_SIXTH, 0.5):
        return functional.hardsigmoid(x)
    return np.clip(alpha * x + beta, 0, 1)


@operator("ThresholdedRelu", since=10)
def thresholded_relu(x: Array, *, alpha: float = 1.0) -> Array:
    """``x`` where it is more than ``alpha``, else 0."""
    return np.where(x > alpha, x, x.dtype.type(0))


@operator("Mish", since=18)
@np.errstate(all="ignore")
def mish(x: Array) -> Array:
    """``x * tanh(softplus(x))`` (Misra 2019)."""
    numbers = as_computed(x, x.dtype)
    return finish(numbers * functional.tanh(softplus(numbers)), x.dtype)


@operator("Gelu", since=20)
def gelu(x: Array, *, approximate: GeluForm = "none") -> Array:
    """``x`` times the probability that a normal number is less."""
    return functional.gelu(x, approximate)


@operator("Swish", since=24)
@np.errstate(all="ignore")
def swish(x: Array, *, alpha: float = 1.0) -> Array:
    """``x * sigmoid(alpha * x)``."""
    if alpha == 1:
        return functional.silu(x)
    numbers = as_computed(x, x.dtype)
    return finish(numbers * functional.sigmoid(alpha * numbers), x.dtype)


@operator("Clip", since=6)
def clip_to_attributes(x: Array, *, min: float, max: float) -> Array:
    """Numbers no less than ``min`` and no more than ``max``."""
    return _clipped(x, x.dtype.type(min), x.dtype.type(max))


@operator("Clip", since=11)
def clip(x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    """Numbers no less than ``low`` and no more than ``high``; ``high`` where that is less than ``low``."""
    return _clipped(x, low, high)


def _clipped(x: Array, low: Array | np.generic | None, high: Array | np.generic | None) -> Array:
    if x.dtype.kind == "f" and low == 0:
        if high is None:
            return functional.relu(x)
        if high == 6:
            return functional.relu6(x)
    y = x if low is None else np.maximum(x, low)
    return y if high is None else np.minimum(y, high)


@operator("SwiGLU", since=28)
@np.errstate(all="ignore")
def swiglu(a: Array, b: Array, *, alpha: float = 1.0) -> Array:
    """`swish` of one half, times the other (Shazeer 2020)."""
    return finish(swish(as_computed(a, a.dtype), alpha=alpha) * b, a.dtype)


@operator("Shrink", since=9)
@np.errstate(all="ignore")
def shrink(x: Array, *, bias: float = 0.0, lambd: float = 0.5) -> Array:
    """``x - bias`` above ``lambd``, ``x + bias`` below ``-lambd``, and 0 between them."""
    kept = np.where(x > lambd, x - bias, np.where(x < -lambd, x + bias, 0))
    return kept.astype(x.dtype, copy=False)


@operator("Softmax", since=13)
def softmax(x: Array, *, axis: int = -1) -> Array:
    """Probabilities along an axis."""
    return functional.softmax(x, axis)


@operator("LogSoftmax", since=13)
def log_softmax(x: Array, *, axis: int = -1) -> Array:
    """Logarithms of `softmax`."""
    return functional.log_softmax(x, axis)


@operator("Hardmax", since=13)
def hardmax(x: Array, *, axis: int = -1) -> Array:
    """1 at the first maximum along an axis, and 0 elsewhere."""
    y = np.zeros_like(x)
    if not x.size:
        return y
    np.put_along_axis(y, np.expand_dims(np.argmax(x, axis), axis), 1, axis)
    return y


def _of_rows(function: Callable[..., Array]) -> Callable[..., Array]:
    """What an operator meant up to opset 12: all axes from `axis` on are one."""

    def of_rows(x: Array, *, axis: int = 1) -> Array:
        first = axis % x.ndim if x.ndim else 0
        rows = x.reshape(prod(x.shape[:first]), prod(x.shape[first:]))
        return function(rows, axis=1).reshape(x.shape)

    return of_rows


operator("Softmax")(_of_rows(softmax))
operator("LogSoftmax")(_of_rows(log_softmax))
operator("Hardmax")(_of_rows(hardmax))
