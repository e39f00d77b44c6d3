"""What optimisers need of a backend: operations over many arrays of any shapes at once, in place.

They are NumPy code, which a backend may override; numbers that change from step to step are in arrays of float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


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
