"""Arithmetic, element by element, with broadcasting."""

from __future__ import annotations

from functools import partial, reduce

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.functional.arithmetic import affine, of_channels, product
from fastconv.functional.relu import add as same_shape_add
from fastconv.onnx.operators.elementwise import computed, register
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_choice

register(
    {
        "Abs": np.abs,
        "Ceil": np.ceil,
        "Exp": np.exp,
        "Floor": np.floor,
        "Log": np.log,
        "Neg": np.negative,
        "Reciprocal": np.reciprocal,
        "Sqrt": np.sqrt,
    },
    since=6,
)
register(
    {"Acos": np.arccos, "Asin": np.arcsin, "Atan": np.arctan, "Cos": np.cos, "Sin": np.sin, "Tan": np.tan}, since=7
)
register(
    {
        "Acosh": np.arccosh,
        "Asinh": np.arcsinh,
        "Atanh": np.arctanh,
        "Cosh": np.cosh,
        "Sign": np.sign,
        "Sinh": np.sinh,
    },
    since=9,
)
register({"Round": np.rint}, since=11)
register(
    {
        "BitwiseAnd": np.bitwise_and,
        "BitwiseNot": np.invert,
        "BitwiseOr": np.bitwise_or,
        "BitwiseXor": np.bitwise_xor,
    },
    since=18,
)


@operator("Add", since=7)
def add(a: Array, b: Array) -> Array:
    """``a + b``: by the backend, if the shapes are the same, or one has a number for every channel of the other."""
    if _are_alike(a, b):
        return same_shape_add(a, b)
    if (table := of_channels(a, b)) is not None:
        return affine("Add", a, plus=table)
    if (table := of_channels(b, a)) is not None:
        return affine("Add", b, plus=table)
    return computed("Add", np.add, a, b)


def _are_alike(a: Array, b: Array) -> bool:
    """Whether two arrays are of one shape and one dtype that the backends have."""
    return a.shape == b.shape and a.dtype == b.dtype and a.dtype in (np.float32, np.float64)


@operator("Sub", since=7)
def sub(a: Array, b: Array) -> Array:
    """``a - b``: by the backend, if `b` has a number for every channel of `a`."""
    if (table := of_channels(a, b)) is not None:
        return affine("Sub", a, less=table)
    return computed("Sub", np.subtract, a, b)


@operator("Mul", since=7)
def mul(a: Array, b: Array) -> Array:
    """``a * b``: by the backend, if the shapes are the same, or one has a number for every channel of the other."""
    if _are_alike(a, b):
        return product("Mul", a, b)
    if (table := of_channels(a, b)) is not None:
        return affine("Mul", a, times=table)
    if (table := of_channels(b, a)) is not None:
        return affine("Mul", b, times=table)
    return computed("Mul", np.multiply, a, b)


@operator("Div", since=7)
def div(a: Array, b: Array) -> Array:
    """``a / b``; of integers, rounded towards zero."""
    return computed("Div", _truncated if a.dtype.kind in "iu" else np.divide, a, b)


def _truncated(a: Array, b: Array) -> Array:
    quotient, rest = np.divmod(a, b)
    return np.asarray(np.add(quotient, (rest != 0) & ((a < 0) != (b < 0)), dtype=a.dtype))


@operator("Mod", since=10)
def mod(a: Array, b: Array, *, fmod: int = 0) -> Array:
    """Remainder with the sign of the divisor, or with `fmod` of the dividend."""
    return computed("Mod", np.fmod if fmod else np.mod, a, b)


@operator("Pow", since=7)
def power(x: Array, y: Array) -> Array:
    """``x ** y``, in the dtype of x whatever that of y."""
    return computed("Pow", _power, x, y)


def _power(x: Array, y: Array) -> Array:
    if x.dtype.kind in "iu":
        exact = y.dtype.kind in "iu" and (not y.size or y.min() >= 0)
        return np.asarray(np.power(x, y if exact else y.astype(np.float64))).astype(x.dtype, copy=False)
    if y.size == 1 and y.ndim <= x.ndim:
        y = y.item()  # so that squares and roots are not left to the general power
        return np.asarray(x**y).astype(x.dtype, copy=False)
    return np.asarray(np.power(x, y.astype(x.dtype)))


@operator("BitShift", since=11)
def bit_shift(x: Array, y: Array, *, direction: str) -> Array:
    """Shift bits to the ``"LEFT"`` or ``"RIGHT"``."""
    left = check_choice("BitShift", "direction", direction, ("LEFT", "RIGHT")) == "LEFT"
    return computed("BitShift", np.left_shift if left else np.right_shift, x, y)


# of any number of arrays


@operator("Sum", since=6)
def total(*arrays: Array) -> Array:
    """Sum of all arrays."""
    return reduce(add, _some("Sum", arrays))


@operator("Mean", since=6)
def mean(*arrays: Array) -> Array:
    """Mean of all arrays."""
    result = reduce(add, _some("Mean", arrays))
    return computed("Mean", np.divide, result, np.asarray(len(arrays), result.dtype))


@operator("Max", since=6)
def maximum(*arrays: Array) -> Array:
    """Largest of all arrays; NaN where one is NaN."""
    return reduce(partial(computed, "Max", np.maximum), _some("Max", arrays))


@operator("Min", since=6)
def minimum(*arrays: Array) -> Array:
    """Smallest of all arrays; NaN where one is NaN."""
    return reduce(partial(computed, "Min", np.minimum), _some("Min", arrays))


def _some(operation: str, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    if not arrays:
        raise InvalidValueError(f"{operation}: the inputs must be at least one, but got none.")
    return arrays
