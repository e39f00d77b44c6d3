"""The error function, which is not in NumPy."""

from __future__ import annotations

from math import factorial, pi, sqrt

import numpy as np

from fastconv.backends.elementwise import elementwise, select
from fastconv.backends.gaussian import upper_tail
from fastconv.onnx.operators.arguments import widened
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array

_LARGEST = 40 / sqrt(2)  # erf is 1 long before
_SERIES = [2 / sqrt(pi) * (-1) ** n / (factorial(n) * (2 * n + 1)) for n in range(18)]


@operator("Erf", since=9)
def erf(x: Array) -> Array:
    """``2/√π ∫ exp(-t²) dt`` from 0 to x, to rounding error.

    Notes
    -----
    Up to 1 by its Maclaurin series (Abramowitz and Stegun 1964, 7.1.5), whose terms do not cancel there; beyond it is 1
    less the tails of the normal distribution.
    """
    return elementwise(_erf, widened(x)).astype(x.dtype, copy=False)


def _erf(x: Array, y: Array) -> None:
    size = np.minimum(np.abs(x), _LARGEST)
    upper_tail(size * sqrt(2), y)
    np.subtract(1, 2 * y, out=y)
    square = np.square(np.minimum(size, 1))
    series = np.full_like(y, _SERIES[-1])
    for coefficient in _SERIES[-2::-1]:
        series *= square
        series += coefficient
    select(size < 1, series * size, y)
    np.copysign(y, x, out=y)
