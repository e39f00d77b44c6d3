"""What only pooling takes: output sizes of adaptive windows, the exponent of a norm, positions in a plane."""

from __future__ import annotations

from functools import lru_cache
from math import inf, isfinite, prod
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.backends.geometry import AdaptiveGeometry
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_integer, check_sizes
from fastconv.validation.types import Shape


@lru_cache(maxsize=1024)
def adaptive_geometry(operation: str, x_shape: Shape, output_size: Shape, itemsize: int) -> AdaptiveGeometry:
    """Geometry of an adaptive pooling of (N, C, *size)."""
    geometry = AdaptiveGeometry(x_shape[0], x_shape[1], x_shape[2:], output_size)
    check_fits(operation, "the output", geometry.output_shape, itemsize)
    return geometry


def check_adaptive_size(operation: str, value: object, size: Shape) -> Shape:
    """Return one output size per spatial axis; None, alone or for an axis, keeps the size of the input."""
    if value is None:
        return size
    if isinstance(value, (list, tuple)) and any(one is None for one in value) and len(value) == len(size):
        rule = "an integer, None, or a sequence of them"
        return tuple(
            kept if one is None else check_integer(operation, "output_size", one, 1, rule)
            for one, kept in zip(value, size)
        )
    return check_sizes(operation, "output_size", value, len(size), 1)


def check_norm_type(operation: str, value: object) -> float:
    """Return the exponent of a norm, a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidTypeError(
            f"{operation}: norm_type must be a positive number, but got {shown(value)} ({type(value).__name__})."
        )
    try:
        exponent = float(value)
    except OverflowError:
        exponent = inf
    if not (exponent > 0 and isfinite(exponent)):
        advice = " The limit is the max_pool of the absolute values." if exponent == inf else ""
        raise InvalidValueError(f"{operation}: norm_type must be a positive finite number, but got {exponent}.{advice}")
    return exponent


def check_positions(operation: str, indices: NDArray[Any], plane: Shape, name: str, least: int) -> None:
    """Refuse positions outside a flattened plane; with `least` -1, that stands for none."""
    cells = prod(plane)
    if indices.size and indices.dtype == np.int64 and int(indices.view(np.uint64).max()) < cells:
        return  # one pass, in which negative numbers are large ones
    if indices.size and not (int(indices.min()) >= least and int(indices.max()) < cells):
        none = " (or be -1 for none)" if least < 0 else ""
        raise InvalidValueError(
            f"{operation}: indices must lie inside the {name} plane, 0 to {cells - 1}{none}, but got "
            f"{int(indices.min())} to {int(indices.max())} (plane {plane})."
        )
