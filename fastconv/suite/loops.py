"""The frozen loops called as a backend would be."""

from __future__ import annotations

import numpy as np

from fastconv.comparison.problem import Problem
from fastconv.comparison.timing import Call
from fastconv.validation.arrays import Array
from fastconv.yardstick import seed_loops

__all__ = ["loops_call", "loops_fault"]


def loops_fault(problem: Problem, step: str) -> str | None:
    """Say why the loops give a wrong result here, as their original does; None where it is right."""
    overlapping = any(axis.stride < axis.extent for axis in problem.geometry.axes)
    if problem.operation == "max_pool2d" and step == "backward" and overlapping:
        return "not checked: where windows overlap, the loops of the tutorials overwrite the gradient"
    return None


def loops_call(problem: Problem, dy: Array | None) -> Call:
    """Bind the loops to the arrays of a problem with the same padding on both sides."""
    return _conv(problem, dy) if problem.weight is not None else _pool(problem, dy)


def _conv(problem: Problem, dy: Array | None) -> Call:
    loops, axes, groups = seed_loops(), problem.geometry.axes, getattr(problem.geometry, "groups", 1)
    x, weight = problem.x, problem.weight
    bias = np.zeros(problem.geometry.output_shape[1], problem.dtype) if problem.bias is None else problem.bias
    stride, pad = (axes[0].stride, axes[1].stride), (axes[0].before, axes[1].before)
    if dy is None:
        if groups == 1:
            return lambda: {"y": loops.conv_forward(x, weight, bias, stride, pad)}
        return lambda: {"y": loops.conv_forward_grouped(x, weight, bias, stride, pad, groups)}
    names = ("dx", "dweight", "dbias")
    if groups == 1:
        return lambda: dict(zip(names, loops.conv_backward(dy, x, weight, bias, stride, pad)))
    return lambda: dict(zip(names, loops.conv_backward_grouped(dy, x, weight, bias, stride, pad, groups)))


def _pool(problem: Problem, dy: Array | None) -> Call:
    """The loops do not pad, so the padding is written around the images before the clock starts."""
    loops, (rows, columns), kernel = seed_loops(), problem.geometry.axes, problem.geometry.kernel
    maximum = problem.operation == "max_pool2d"
    around = ((0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after))
    x = np.pad(problem.x, around, constant_values=-np.inf if maximum else 0)
    stride = (rows.stride, columns.stride)
    if dy is None:
        forward = loops.max_pool_forward if maximum else loops.avg_pool_forward
        return lambda: {"y": forward(x, *kernel, stride)}
    backward = loops.max_pool_backward if maximum else loops.avg_pool_backward
    inside = (..., slice(rows.before, rows.before + rows.size), slice(columns.before, columns.before + columns.size))
    return lambda: {"dx": backward(dy, x, *kernel, stride)[inside]}
