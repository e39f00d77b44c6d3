"""The specification: explicit Python loops over batch, filter and output position, written to be believed.

Padding is never stored: each window is clipped to the cells that exist. Where a convolution multiplies padding, that
is a zero like any other number, so that an infinite or NaN factor makes NaN. Sums are taken in float64, rounded once.
Nothing is shared with the other backends but the integers of the geometry.
"""

from __future__ import annotations

from fastconv.backends.naive.conv import ConvLoops
from fastconv.backends.naive.normalization import NormalizationLoops, PointwiseLoops
from fastconv.backends.naive.pool import PoolLoops
from fastconv.backends.naive.windows import ColumnLoops

__all__ = ["BACKEND", "NaiveBackend"]


class NaiveBackend(ConvLoops, PoolLoops, ColumnLoops, PointwiseLoops, NormalizationLoops):
    """Loops in plain Python; slow, and right by inspection."""

    name = "naive"


BACKEND = NaiveBackend()
