"""Arithmetic, element by element, with broadcasting."""

from __future__ import annotations

import numpy as np

from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array


@operator("Add", since=7)
def add(a: Array, b: Array) -> Array:
    """``a + b``."""
    return np.add(a, b)
