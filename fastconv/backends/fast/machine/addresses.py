"""Addresses of arrays, cheaply.

``array.ctypes.data`` builds three objects, 0.9 µs each time, and a call of the engine needs five or six addresses. The
data pointer is the first field of an array object after its header, a part of NumPy's stable binary interface; reading
it takes 0.2 µs. Where a probe says otherwise, the ordinary way is used.
"""

from __future__ import annotations

from ctypes import c_size_t
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["address"]

_HEADER = object.__basicsize__


def _read(array: NDArray[Any]) -> int:
    return c_size_t.from_address(id(array) + _HEADER).value


def _ask(array: NDArray[Any]) -> int:
    return int(array.ctypes.data)


_probe = np.zeros(8)[3:]
address = _read if _read(_probe) == _probe.ctypes.data else _ask
