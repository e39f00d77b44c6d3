"""What a user may pass, for editors and type checkers; at run time, the checks beside this file decide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike as ArrayLike  # handed on with the others

Size = SupportsIndex | Iterable[SupportsIndex]
"""One integer for all spatial axes, or one for each."""

Padding = str | SupportsIndex | Iterable[SupportsIndex | Iterable[SupportsIndex]]
"""Cells on every side, cells or (before, after) for each spatial axis, or a name such as "same"."""

OutputSize = SupportsIndex | None | Iterable[SupportsIndex | None]
"""As `Size`, where None keeps the size of the input."""

Shape = tuple[int, ...]
"""Sizes of the axes of an array, or some of them, once they are checked."""

ShapeLike = Iterable[SupportsIndex]
"""A whole shape, batch included."""

Rng = np.random.Generator | int | None
"""Where random numbers come from: a generator, a seed, or fresh entropy."""
