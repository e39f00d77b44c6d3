"""Initial values of weights.

An initializer is any function ``(shape, rng, dtype) -> ndarray`` over the shape of a weight, ``(outputs, inputs,
*kernel)``. The *fan in* is the number of inputs of one output, ``inputs * taps``; the *fan out* is ``outputs * taps``.
Numbers are drawn in float32 for float16 and float32 parameters, in float64 for float64 ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from math import prod, sqrt
from typing import Any

import numpy as np

from fastconv.errors import InvalidTypeError, InvalidValueError, shown, unknown_name
from fastconv.validation.arrays import Array, check_dtype, compute_dtype
from fastconv.validation.memory import check_fits
from fastconv.validation.registry import Registry
from fastconv.validation.sizes import check_any_shape, check_number
from fastconv.validation.types import Shape

__all__ = [
    "INITIALIZERS",
    "Initializer",
    "by_name",
    "constant",
    "fans",
    "he_normal",
    "he_uniform",
    "normal",
    "pytorch_uniform",
    "undrawn",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
]

_OPERATION = "initializer"

_SPARE = 2**20  # numbers that may be missing, so that it can be said of which weights

Initializer = Callable[[Shape, np.random.Generator, "np.dtype[Any]"], Array]


def _checked(shape: object, rng: object, dtype: object) -> tuple[Shape, np.random.Generator, np.dtype[Any]]:
    """Arguments of any initializer."""
    sizes = check_any_shape(_OPERATION, "shape", shape)
    check_fits(_OPERATION, "a weight", sizes, 8)
    if not isinstance(rng, np.random.Generator):
        raise InvalidTypeError(f"{_OPERATION}: rng must be a numpy.random.Generator, but got {shown(rng)}.")
    return sizes, rng, check_dtype(_OPERATION, dtype)


def _draw_normal(std: float, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    shape, rng, dtype = _checked(shape, rng, dtype)
    drawn: Array = rng.standard_normal(shape, dtype=compute_dtype(dtype).type)
    drawn *= std
    return drawn.astype(dtype, copy=False)


def _draw_uniform(low: float, high: float, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    shape, rng, dtype = _checked(shape, rng, dtype)
    drawn: Array = rng.random(shape, dtype=compute_dtype(dtype).type)
    drawn *= high - low
    drawn += low
    return drawn.astype(dtype, copy=False)


def _fill(value: float, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    shape, _, dtype = _checked(shape, rng, dtype)
    return np.full(shape, value, dtype)


def fans(shape: Shape) -> tuple[int, int]:
    """Fan in and fan out of a weight.

    Parameters
    ----------
    shape : tuple of int
        ``(outputs, inputs, *kernel)``; a vector counts as one output per entry.

    Returns
    -------
    (int, int)
        Fan in, fan out.

    Examples
    --------
    >>> fans((32, 3, 5, 5))
    (75, 800)
    """
    sizes = check_any_shape("fans", "shape", shape, 1)
    if not sizes:
        raise InvalidValueError("fans: shape must have an axis, but got ().")
    outputs, inputs, *kernel = sizes if len(sizes) > 1 else (*sizes, 1)
    return inputs * prod(kernel), outputs * prod(kernel)


def normal(std: float) -> Initializer:
    """Draw from a normal distribution of mean 0; CS231n's ``weight_scale`` is `std`."""
    return partial(_draw_normal, check_number("normal", "std", std, least=0))


def uniform(low: float, high: float) -> Initializer:
    """Draw evenly from [low, high); the hand-written ``ConvLayer`` of the tutorials takes ±1e-4."""
    return partial(_draw_uniform, check_number("uniform", "low", low), check_number("uniform", "high", high))


def constant(value: float) -> Initializer:
    """Fill with one value."""
    return partial(_fill, check_number("constant", "value", value))


def he_normal(shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Normal with variance 2 / fan in, for layers before a ReLU.

    He, Zhang, Ren and Sun (2015), "Delving Deep into Rectifiers", section 2.2. Paddle's ``initial_smart`` is the same.
    """
    return _draw_normal(sqrt(2 / fans(shape)[0]), shape, rng, dtype)


def he_uniform(shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Uniform with variance 2 / fan in (He et al., 2015, section 2.2)."""
    bound = sqrt(6 / fans(shape)[0])
    return _draw_uniform(-bound, bound, shape, rng, dtype)


def xavier_normal(shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Normal with variance 2 / (fan in + fan out), for tanh and linear units.

    Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks", section 4.2.
    """
    return _draw_normal(sqrt(2 / sum(fans(shape))), shape, rng, dtype)


def xavier_uniform(shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Uniform with variance 2 / (fan in + fan out) (Glorot and Bengio, 2010, section 4.2)."""
    bound = sqrt(6 / sum(fans(shape)))
    return _draw_uniform(-bound, bound, shape, rng, dtype)


def pytorch_uniform(shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Uniform between ±1 / sqrt(fan in): the default of PyTorch's layers, and LeCun's (1998, section 4.6) in spirit."""
    bound = 1 / sqrt(fans(shape)[0])
    return _draw_uniform(-bound, bound, shape, rng, dtype)


_DRAWN = (he_normal, he_uniform, xavier_normal, xavier_uniform, pytorch_uniform)
INITIALIZERS: dict[str, Initializer] = Registry("INITIALIZERS", {draw.__name__: draw for draw in _DRAWN})
INITIALIZERS |= {"zeros": constant(0.0), "ones": constant(1.0)}


class _Zeros:
    """In place of any initializer: zeros, not many more than there are numbers to replace them."""

    def __init__(self, numbers: int | None) -> None:
        self._most = None if numbers is None else 2 * numbers + _SPARE
        self._made = 0

    def __call__(self, shape: Shape, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
        if self._most is not None:
            self._made += prod(check_any_shape(_OPERATION, "shape", shape))
            if self._made > self._most:
                raise InvalidValueError(
                    f"{_OPERATION}: all weights together must have at most {self._most} numbers, but got "
                    f"{shown(self._made)} with a weight of shape {shown(shape)}."
                )
        return _fill(0.0, shape, rng, dtype)


_undrawn: ContextVar[_Zeros | None] = ContextVar("undrawn", default=None)


@contextmanager
def undrawn(numbers: int | None = None) -> Iterator[None]:
    """Leave weights of layers at zero inside the block: nothing is drawn for a network whose weights will be loaded.

    Parameters
    ----------
    numbers : int, optional
        How many numbers there are for them, where a file says what the network is like: one that has many more is a
        ``ValueError``, before they take memory.

    Examples
    --------
    >>> from fastconv.layers import Linear
    >>> with undrawn():
    ...     layer = Linear(3, 2)
    >>> float(abs(layer.weight.data).max())
    0.0
    """
    token = _undrawn.set(_Zeros(numbers))
    try:
        yield
    finally:
        _undrawn.reset(token)


def by_name(operation: str, value: str | Initializer) -> Initializer:
    """Return an initializer given by its name or as a function.

    Parameters
    ----------
    operation : str
        Who asks, for the message.
    value : str or callable
        A name of `INITIALIZERS`, or a function ``(shape, rng, dtype) -> ndarray``.

    Returns
    -------
    callable
        The initializer; inside of `undrawn`, that of zeros.

    Raises
    ------
    ValueError
        If there is no such name.
    TypeError
        If `value` is neither a name nor callable.
    """
    if isinstance(value, str):
        if value in INITIALIZERS:
            return _undrawn.get() or INITIALIZERS[value]
        raise unknown_name(operation, "weight_init", value, INITIALIZERS, others=" or a function")
    if not callable(value):
        raise InvalidTypeError(f"{operation}: weight_init must be a name or a function, but got {shown(value)}.")
    return _undrawn.get() or value
