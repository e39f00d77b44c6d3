"""Values that nobody should pass, and valid ones in forms that few think of."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

Array = np.ndarray[Any, Any]


class RaisesAsArray:
    """What cannot be made an array, for a reason of its own."""

    def __array__(self, *args: Any, **options: Any) -> Array:
        raise RuntimeError("no array today")


class RaisesAlways:
    """An object none of whose methods work."""

    def _raise(self, *args: Any) -> Any:
        raise RuntimeError("not today")

    __array__ = __index__ = __float__ = __iter__ = __len__ = __eq__ = __bool__ = __repr__ = __str__ = _raise
    __hash__ = object.__hash__


class LongRepr:
    """What says of itself more than anybody reads."""

    def __repr__(self) -> str:
        return "long " * 20_000


class ArrayLike:
    """An array of another library."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self._array.copy()


class Subclass(np.ndarray[Any, Any]):
    """A subclass whose operators are others."""

    def __add__(self, other: Any) -> Any:
        raise RuntimeError("an operator of a subclass was used")

    __mul__ = __matmul__ = __getitem__ = __add__


def _texts() -> Array:
    kind = getattr(getattr(np, "dtypes", None), "StringDType", None)
    return np.array(["a", "b"]) if kind is None else np.array(["a", "b"], kind())


# What no argument is, or hardly any.
ANYTHING: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "zero": lambda: 0,
    "minus one": lambda: -1,
    "seven": lambda: 7,
    "2**31 - 1": lambda: 2**31 - 1,
    "2**31": lambda: 2**31,
    "2**62": lambda: 2**62,
    "2**63 - 1": lambda: 2**63 - 1,
    "2**63": lambda: 2**63,
    "-2**63 - 1": lambda: -(2**63) - 1,
    "10**5000": lambda: 10**5000,
    "half": lambda: 0.5,
    "huge float": lambda: 1e300,
    "tiny float": lambda: 5e-324,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("-inf"),
    "complex": lambda: 1j,
    "NumPy integer": lambda: np.uint8(255),
    "NumPy NaN": lambda: np.float16("nan"),
    "NaT": lambda: np.datetime64("NaT"),
    "text": lambda: "some text",
    "long text": lambda: "x" * 100_000,
    "NUL": lambda: "a\0b",
    "surrogate": lambda: "a\ud800b",
    "bytes": lambda: b"\xff\x00",
    "empty tuple": lambda: (),
    "pair of texts": lambda: ("a", "b"),
    "nested": lambda: [[[[[]]]]],
    "ragged": lambda: [[1.0] * 2000, [2.0, 3.0]],
    "long list": lambda: [1] * 100_000,
    "list in itself": lambda: (loop := [1], loop.append(loop), loop)[-1],
    "dict": lambda: {"a": 1},
    "set": lambda: {1, 2},
    "endless iterator": lambda: itertools.count(),
    "generator": lambda: (one for one in (1, 1)),
    "a type": lambda: Subclass,
    "a function": lambda: lambda *arguments, **options: None,
    "an exception": lambda: ValueError("x"),
    "a module": lambda: np,
    "Ellipsis": lambda: ...,
    "raises as an array": RaisesAsArray,
    "raises always": RaisesAlways,
    "long repr": LongRepr,
    "array": lambda: np.ones((2, 3)),
    "one number": lambda: np.array(2),
    "no number": lambda: np.ones(0),
    "many axes": lambda: np.ones((1,) * 32),
    "broadcast": lambda: np.broadcast_to(np.float32(1), (2**20, 2**20, 2**10)),
    "structured": lambda: np.zeros(3, [("a", "f4"), ("b", "i8")]),
    "objects": lambda: np.array([None, {}], object),
    "strings": lambda: np.array(["a", "b"]),
    "StringDType": _texts,
    "dates": lambda: np.array(["2020-01-01"], "M8[D]"),
    "complex array": lambda: np.ones((2, 3), complex),
    "longdouble": lambda: np.ones((2, 3), np.longdouble),
    "masked": lambda: np.ma.ones((2, 3)),
    "a path": lambda: Path("/nonexistent/file.npz"),
    "a folder": lambda: Path(tempfile.gettempdir()),
}


def _mapped(x: Array) -> Array:
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, x.dtype, "w+", shape=x.shape)
    mapped[...] = x
    return mapped


def _read_only(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x


def _unaligned(x: Array) -> Array:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    out = memory[1:].view(x.dtype).reshape(x.shape)
    out[...] = x
    return out


def _strided(x: Array) -> Array:
    wide = np.zeros((*x.shape[:-1], x.shape[-1] * 3), x.dtype)
    wide[..., ::3] = x
    return wide[..., ::3]


# The same numbers in other forms: the result is that of the plain array.
SAME_NUMBERS: dict[str, Callable[[Array], Any]] = {
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "Fortran order": np.asfortranarray,
    "strided": _strided,
    "backwards": lambda x: x[..., ::-1].copy()[..., ::-1],
    "read-only": _read_only,
    "memory-mapped": _mapped,
    "unaligned": _unaligned,
    "subclass": lambda x: x.copy().view(Subclass),
    "matrix of its own": lambda x: ArrayLike(x),
    "nested lists": lambda x: x.astype(np.float64).tolist(),
    "a field": lambda x: np.rec.fromarrays([x, x], names="a,b").a,
}

# Other numbers, which NumPy's rung computes with as well.
OTHER_NUMBERS: dict[str, Callable[[Array], Any]] = {
    "overlapping": lambda x: as_strided(x, x.shape, (0,) * (x.ndim - 1) + (x.itemsize,)),
    "NaNs": lambda x: np.where(x > 0, np.nan, x).astype(x.dtype),
    "infinities": lambda x: np.where(x > 0, np.inf, -x).astype(x.dtype),
    "denormals": lambda x: x * np.finfo(x.dtype).smallest_subnormal,
    "large": lambda x: x * x.dtype.type(1e6),
    "float16": lambda x: x.astype(np.float16),
    "float64": lambda x: x.astype(np.float64),
    "booleans": lambda x: x > 0,
    "uint64": lambda x: np.where(x > 0, np.uint64(2**64 - 1), np.uint64(0)),
    "int8": lambda x: (x * 50).astype(np.int8),
    "empty batch": lambda x: x[:0],
    "one axis less": lambda x: x[0],
    "one axis more": lambda x: x[None],
    "one cell less": lambda x: x[..., :-1],
    "no cells": lambda x: x[..., :0],
}
