"""What a user may pass, for editors and type checkers; at run time, the checks beside this file decide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, SupportsIndex

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

Layout = Literal["NC", "NCW", "NWC", "NCHW", "NHWC", "NCDHW", "NDHWC"]
"""Order of the axes: batch, channels, depth, height, width."""

BackendName = Literal["fast", "numpy", "naive"] | str
"""Backends of the package, or the name of one that somebody has registered."""

FloatName = Literal["float16", "float32", "float64"]
"""Dtypes of parameters."""

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
"""What is in the cells around a plane, as PyTorch names it."""

ResampleMode = Literal["nearest", "bilinear"]
"""What the cells between the old ones are."""

GeluForm = Literal["none", "tanh"]
"""Whether GELU is exact, or approximated."""

Ties = Literal["split", "all"]
"""Who gets the gradient of equal maxima."""
