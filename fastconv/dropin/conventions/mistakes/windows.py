"""Windows in other places than the right ones: what is read there, and what is written there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastconv.dropin.conventions.problem import Problem
from fastconv.validation.arrays import Array


class Places(NamedTuple):
    """Where the windows lie in the padded planes.

    Attributes
    ----------
    rows : ndarray, shape (OH, KH)
        Rows of each window.
    columns : ndarray, shape (OW, KW)
        Columns of each window.
    """

    rows: Array
    columns: Array


def places(problem: Problem) -> Places:
    """Return the right places."""
    return Places(*(_along(problem, axis, problem.stride[axis], problem.dilation[axis]) for axis in (0, 1)))


def _along(problem: Problem, axis: int, stride: int, dilation: int) -> Array:
    taps: Array = np.arange(problem.out[axis])[:, None] * stride + np.arange(problem.kernel[axis]) * dilation
    return taps


def moved(problem: Problem) -> Iterator[tuple[str, str, Places]]:
    """Give the wrong places, each with the name of the mistake and the axis along which it is made."""
    steps: dict[str, Callable[[int], tuple[int, int]]] = {
        "stride forgotten": lambda axis: (1, problem.dilation[axis]),
        "dilation ignored": lambda axis: (problem.stride[axis], 1),
        "other stride": lambda axis: (problem.stride[1 - axis], problem.dilation[axis]),
    }
    if problem.operation in ("max_pool2d", "avg_pool2d"):
        steps["window for stride"] = lambda axis: (problem.kernel[axis], problem.dilation[axis])
    right = places(problem)
    for name, step in steps.items():
        wrong = [_along(problem, axis, *step(axis)) for axis in (0, 1)]
        for where, found in (
            ("", Places(*wrong)),
            (" along the height", right._replace(rows=wrong[0])),
            (" along the width", right._replace(columns=wrong[1])),
        ):
            if _inside(problem, found):
                yield name, where, found


def _inside(problem: Problem, found: Places) -> bool:
    sizes = zip(found, problem.x.shape[2:], problem.padding)
    return all(taps.max() < size + 2 * pad for taps, size, pad in sizes)


def padded(problem: Problem, sides: Any = None, **how: Any) -> Array:
    """Return the input in float64, padded as the operation needs it, or in another way.

    Parameters
    ----------
    problem : Problem
        The problem.
    sides : pair of (int, int), optional
        Padding before and after, per axis; by default that of the problem.
    how : dict
        Arguments of `numpy.pad`.
    """
    if not how:
        how = {"constant_values": -np.inf if problem.operation == "max_pool2d" else 0.0}
    sides = sides or [(pad, pad) for pad in problem.padding]
    array: Array = np.pad(problem.x.astype(np.float64), [(0, 0), (0, 0), *sides], **how)
    return array


def side_by_side(problem: Problem, found: Places, planes: Array | None = None) -> Problem:
    """Return the problem in which the windows stand beside each other: they neither overlap nor leave gaps.

    Parameters
    ----------
    problem : Problem
        The problem.
    found : Places
        From where each window is read.
    planes : ndarray, optional
        What it is read from; by default the padded input.
    """
    planes = padded(problem) if planes is None else planes
    x = planes[:, :, found.rows.reshape(-1, 1), found.columns.reshape(-1)]
    return replace(problem, x=x, stride=problem.kernel, padding=(0, 0), dilation=(1, 1))


def written(problem: Problem, given: Array, found: Places, *, add: bool = True, cut: bool = True) -> Array:
    """Return the gradient of the input from that of each window.

    Parameters
    ----------
    problem : Problem
        The problem.
    given : ndarray, shape (N, C, OH * KH, OW * KW)
        Gradients of the windows, side by side; NaN where nothing is written.
    found : Places
        Where each window is written to.
    add : bool
        Add, and do not assign.
    cut : bool
        Cut off the padding.
    """
    (N, C, H, W), (ph, pw), (KH, KW) = problem.x.shape, problem.padding, problem.kernel
    dx = np.zeros((N, C, H + 2 * ph, W + 2 * pw))
    for i, j in np.ndindex(*problem.out):
        cells = (..., found.rows[i][:, None], found.columns[j])
        window, before = given[:, :, i * KH : (i + 1) * KH, j * KW : (j + 1) * KW], dx[cells]
        dx[cells] = before + np.nan_to_num(window) if add else np.where(np.isnan(window), before, window)
    return dx[:, :, ph : ph + H, pw : pw + W] if cut else dx
