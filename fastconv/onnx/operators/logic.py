"""Comparisons, and what is made of truth values."""

from __future__ import annotations

import numpy as np

from fastconv.onnx.operators.elementwise import computed, register
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array

register({"Not": np.logical_not})
register(
    {
        "And": np.logical_and,
        "Equal": np.equal,
        "Greater": np.greater,
        "Less": np.less,
        "Or": np.logical_or,
        "Xor": np.logical_xor,
    },
    since=7,
)
register({"IsNaN": np.isnan, "Where": np.where}, since=9)
register({"GreaterOrEqual": np.greater_equal, "LessOrEqual": np.less_equal}, since=12)


@operator("IsInf", since=10)
def is_inf(x: Array, *, detect_negative: int = 1, detect_positive: int = 1) -> Array:
    """Whether a number is infinite, of the signs that are asked for."""
    infinite = computed("IsInf", np.isinf, x)
    if detect_negative and detect_positive:
        return infinite
    wanted = x > 0 if detect_positive else x < 0 if detect_negative else False
    return np.asarray(infinite & wanted)
