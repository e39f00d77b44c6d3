"""Values as Python source that can be pasted."""

from __future__ import annotations

import re
from textwrap import indent
from typing import Any

import numpy as np

from fastconv.validation.arrays import Array

_LINE = 88  # letters of an array that may stand on one line
_SHORT = 1e6


def array_literal(array: Array) -> str:
    """Return the call of `numpy.array` that makes an array.

    Examples
    --------
    >>> import numpy as np
    >>> print(array_literal(np.float32([[1, -2.5], [np.nan, 0]])), array_literal(np.array([1.0, 2.0])))
    np.array([[1.0, -2.5], [np.nan, 0.0]], np.float32) np.array([1, 2], float)
    """
    kind = "" if array.dtype.name in ("float64", "int64") else f", np.{array.dtype.name}"
    if array.dtype == np.float64 and (np.abs(array) < _SHORT).all() and (array == np.rint(array)).all():
        array, kind = array.astype(np.int64), ", float"
    if array.size == 0:
        return f"np.empty({array.shape}{kind})"
    return f"np.array({_nested(array)}{kind})"


def _nested(array: Array) -> str:
    """Nested lists; planes of several rows stand under each other."""
    if array.ndim == 0:
        return _number(array.item())
    if array.ndim == 1:
        return "[" + ", ".join(_number(value) for value in array.tolist()) + "]"
    rows = [_nested(row) for row in array]
    together = "[" + ", ".join(rows) + "]"
    if (len(together) <= _LINE and "\n" not in together) or len(rows) == 1:
        return together
    return "[\n" + "".join(f"{indent(row, '    ')},\n" for row in rows) + "]"


def _number(value: Any) -> str:
    return repr(value) if isinstance(value, complex) else re.sub("nan|inf", r"np.\g<0>", repr(value))


def stored_literal(name: str, array: Array, memory: str) -> list[str]:
    """Return the statements that make a variable of an array in the memory of a problem.

    Parameters
    ----------
    name : str
        The variable.
    array : ndarray
        Its numbers.
    memory : {"C", "F", "sliced", "read-only"}
        See `fastconv.dropin.conventions.problem.stored`.
    """
    plain = array_literal(array)
    if memory == "F":
        return [f"{name} = np.asfortranarray({plain})"]
    if memory == "sliced":
        shape, steps = tuple(2 * size for size in array.shape), ", ".join(["::2"] * array.ndim)
        return [f"{name} = np.zeros({shape}, np.{array.dtype.name})[{steps}]", f"{name}[...] = {plain}"]
    if memory == "read-only":
        return [f"{name} = {plain}", f"{name}.flags.writeable = False"]
    return [f"{name} = {plain}"]
