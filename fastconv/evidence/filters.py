"""Filters for pictures, by the names of what their feature maps show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from fastconv.validation.arrays import Array

Filters = Mapping[str, ArrayLike]  # each one plane, by the name of what it shows

LINES: Filters = {
    "vertical lines": [[0, 0, 0, 1, 0, 0, 0]] * 7,
    "horizontal lines": [[0] * 7] * 3 + [[1] * 7] + [[0] * 7] * 3,
}
EDGES: Filters = {  # Sobel's in four directions, and four other classics
    "vertical edges": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "horizontal edges": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "rising edges": [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
    "falling edges": [[-2, -1, 0], [-1, 0, 1], [0, 1, 2]],
    "Laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "sharpened": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "box blur": np.full((3, 3), 1 / 9),
    "binomial blur": np.outer([1, 2, 1], [1, 2, 1]) / 16,
}


def filter_bank(filters: Filters, channels: int) -> Array:
    """Return filters (F, C, KH, KW), float32, each the same in all channels.

    Examples
    --------
    >>> filter_bank(LINES, channels=3).shape
    (2, 3, 7, 7)
    """
    planes = np.array([*filters.values()], np.float32)
    return np.repeat(planes[:, np.newaxis], channels, axis=1)
