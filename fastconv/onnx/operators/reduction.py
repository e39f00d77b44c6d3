"""Reductions over axes, which are an attribute in old versions and an input in new ones."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from fastconv.functional.global_pool import global_avg_pool1d, global_avg_pool2d, global_avg_pool3d
from fastconv.onnx.operators.arguments import checked_axes, integers, widened
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array

Axes = tuple[int, ...]
Function = Callable[[Array, Axes], Any]  # of an array and its axes, which are kept

_GLOBAL_POOLS = {3: global_avg_pool1d, 4: global_avg_pool2d, 5: global_avg_pool3d}


def _register(name: str, function: Function, *, input_since: int = 18) -> None:
    """Register both forms of a reduction, of which that with the axes as an input came with a version."""

    @operator(name)
    def with_attribute(data: Array, *, axes: Axes = (), keepdims: int = 1) -> Array:
        return _reduced(name, function, data, axes or range(data.ndim), keepdims)

    @operator(name, since=input_since)
    def with_input(
        data: Array, axes: Array | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Array:
        chosen = () if axes is None else integers(name, "axes", axes)
        return _reduced(name, function, data, chosen or range(0 if noop_with_empty_axes else data.ndim), keepdims)


def _reduced(name: str, function: Function, data: Array, axes: Any, keepdims: int) -> Array:
    """Call a function, in float32 for float16; its result has the dtype of the data."""
    chosen = tuple(sorted(checked_axes(name, axes, data.shape)))
    with np.errstate(all="ignore"):
        result = np.asarray(function(widened(data), chosen)).astype(data.dtype, copy=False)
    return result if keepdims else result.squeeze(chosen)


def _sum(x: Array, axes: Axes) -> Any:
    return np.sum(x, axes, x.dtype, keepdims=True)


def _sum_square(x: Array, axes: Axes) -> Any:
    return _sum(np.square(x), axes)


def _mean(x: Array, axes: Axes) -> Any:
    """Mean; over all positions of planes, by the backend."""
    pool = _GLOBAL_POOLS.get(x.ndim)
    if pool is not None and x.size and axes == (*range(2, x.ndim),) and x.dtype.kind == "f":
        return pool(x)
    return np.divide(np.sum(x, axes, keepdims=True), prod(x.shape[axis] for axis in axes))


def _max(x: Array, axes: Axes) -> Any:
    return np.max(x, axes, keepdims=True, initial=_extreme(x.dtype, largest=False))


def _min(x: Array, axes: Axes) -> Any:
    return np.min(x, axes, keepdims=True, initial=_extreme(x.dtype, largest=True))


def _extreme(dtype: np.dtype[Any], *, largest: bool) -> Any:
    """The largest or smallest number of a dtype: what an empty set is reduced to."""
    if dtype.kind == "b":
        return largest
    if dtype.kind in "iu":
        return np.iinfo(dtype).max if largest else np.iinfo(dtype).min
    return np.inf if largest else -np.inf


def _log_sum_exp(x: Array, axes: Axes) -> Any:
    """``log(sum(exp(x)))``, less the largest number in between, so that nothing overflows."""
    largest = _max(x, axes)
    shift = np.where(np.isfinite(largest), largest, 0).astype(x.dtype)
    return np.log(_sum(np.exp(x - shift), axes)) + shift


_register("ReduceSum", _sum, input_since=13)
_register("ReduceMean", _mean)
_register("ReduceMax", _max)
_register("ReduceMin", _min)
_register("ReduceProd", lambda x, axes: np.prod(x, axes, x.dtype, keepdims=True))
_register("ReduceL1", lambda x, axes: _sum(np.abs(x), axes))
_register("ReduceL2", lambda x, axes: np.sqrt(_sum_square(x, axes)))
_register("ReduceSumSquare", _sum_square)
_register("ReduceLogSum", lambda x, axes: np.log(_sum(x, axes)))
_register("ReduceLogSumExp", _log_sum_exp)
