"""What optimisers need of a backend: operations over many arrays of any shapes and float dtypes at once, in place.

They are NumPy code, which a backend may override; numbers that change from step to step are in arrays of float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SLACK = 1e-6  # as in PyTorch: a gradient of exactly the limit is scaled by a little less than one


class ParameterOperations:
    """Updates of parameters, norms of their gradients, and penalties."""

    def update(
        self, rule: str, arrays: Mapping[int, Sequence[Array]], numbers: Array, guard: Array | None
    ) -> list[int]:
        """Do a step of an optimiser, and return the keys of what is left to the NumPy code of the optimiser: here all.

        `arrays` are a parameter, its gradient and its slots, and the key is the row of `numbers` with what the `rule`
        needs. If a number in `guard` is not finite, nothing is changed.
        """
        return list(arrays)

    @np.errstate(all="ignore")
    def norm(self, arrays: Sequence[Array], out: Array | None = None) -> Array:
        """Euclidean norm of all arrays together, as the one float64 in `out`, or in a new array.

        Squares that overflow their dtype are computed again on scaled numbers.
        """
        total = sum(_sum_of_squares(array) for array in arrays)
        if isfinite(total):
            return _filled(out, sqrt(total))
        largest = float(np.max([np.abs(array).max(initial=0) for array in arrays]))  # NaN wins
        if not isfinite(largest):
            return _filled(out, largest)
        return _filled(out, largest * sqrt(sum(_sum_of_squares(array, 1.0 / largest) for array in arrays)))

    @np.errstate(all="ignore")
    def limit_norm(self, arrays: Sequence[Array], norm: Array, limit: Array) -> None:
        """Scale arrays whose `norm` is above a `limit`, or is NaN, so that it is the limit."""
        factor = float(limit[0]) / (float(norm[0]) + SLACK)
        if not factor >= 1.0:
            for array in arrays:
                np.multiply(array, factor, out=array)

    @np.errstate(all="ignore")
    def sum_of_squares(self, arrays: Sequence[Array], out: Array | None = None) -> Array:
        """Sum of the squares of all numbers, as the one float64 in `out`, or in a new array."""
        return _filled(out, sum(_sum_of_squares(array) for array in arrays))

    @np.errstate(all="ignore")
    def add_scaled(self, targets: Sequence[Array], sources: Sequence[Array], factor: Array) -> None:
        """Add ``factor[0] * source`` to each target."""
        for target, source in zip(targets, sources):
            target += np.multiply(source, float(factor[0]))


def _sum_of_squares(array: Array, scale: float = 1.0) -> float:
    """Not by a BLAS, whose result may depend on its number of threads; float16 in float32."""
    scaled = np.asarray(np.multiply(array, scale, dtype=np.result_type(array.dtype, np.float32)))
    np.multiply(scaled, scaled, out=scaled)
    return float(scaled.sum())


def _filled(out: Array | None, value: float) -> Array:
    if out is None:
        return np.array([value], np.float64)
    out[0] = value
    return out
