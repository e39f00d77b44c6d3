"""Problems and arrays in the messages between the examiner and the process of somebody's code.

Messages are JSON (`fastconv.evidence.process`), arrays the base64 of their bytes. Nothing is pickled: what comes
back from a process that runs unknown code can be wrong or damaged, but it is never run here.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from fastconv.dropin.conventions.problem import ARRAYS, SIZES, Problem
from fastconv.validation.arrays import Array

Packed = dict[str, Any]

_NUMBERS = "biufc"  # kinds of dtypes


def pack(value: Any) -> Packed | None:
    """Return a result as plain data: an array or a number whole, of anything else the name of its type.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(6.0).reshape(2, 3).T
    >>> np.array_equal(unpack(pack(x)), x), type(unpack(pack([1, 2]))).__name__
    (True, 'list')
    """
    if value is None:
        return None
    if not isinstance(value, (np.ndarray, np.generic, int, float)):
        return {"type": type(value).__name__}
    array: Array = np.asarray(value)
    if array.dtype.kind not in _NUMBERS:
        return {"type": f"NumPy array of {array.dtype}"}
    data = base64.b64encode(array.tobytes()).decode("ascii")
    return {"shape": array.shape, "dtype": array.dtype.str, "data": data}


def unpack(packed: Packed | None) -> Any:
    """Return the array of `pack`; for what was none, an object whose type has the same name."""
    if packed is None:
        return None
    if "type" in packed:
        return type(packed["type"], (), {})()
    data = base64.b64decode(packed["data"])
    return np.frombuffer(data, np.dtype(packed["dtype"])).reshape(tuple(packed["shape"])).copy()


def pack_problem(problem: Problem) -> Packed:
    """Return a problem as plain data."""
    return {**vars(problem), **{name: pack(getattr(problem, name)) for name in ARRAYS}}


def unpack_problem(packed: Packed) -> Problem:
    """Return the problem of `pack_problem`."""
    arrays = {name: unpack(packed[name]) for name in ARRAYS}
    pairs = {name: tuple(packed[name]) for name in ("kernel", *SIZES)}
    return Problem(**{**packed, **arrays, **pairs})
