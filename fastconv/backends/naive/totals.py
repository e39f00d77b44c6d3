"""Running sums that keep what each addition rounds off."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends.base import Array

__all__ = ["Totals"]


class Totals:
    """Sums in float64, and beside them the sums of what was rounded off (Knuth 1969, volume 2, 4.2.2, theorem B).

    So they are right to an eps or two, however many terms there are.
    """

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        self.sums, self.lost = np.zeros(shape), np.zeros(shape)

    def add(self, place: Any, term: Any) -> None:
        """Add a term at a place: ``sums[place] += term``."""
        before = np.array(self.sums[place])
        after = before + term
        taken = after - before
        rounded_off = (before - (after - taken)) + (term - taken)
        self.lost[place] += np.where(np.isfinite(after), rounded_off, 0.0)
        self.sums[place] = after

    def rounded(self, dtype: np.dtype[Any]) -> Array:
        """Return the sums in a dtype."""
        return (self.sums + self.lost).astype(dtype)
