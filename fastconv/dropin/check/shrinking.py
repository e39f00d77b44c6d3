"""The smallest problem that is still wrong: everything about it made smaller, one thing at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.conventions.problem import Problem
from fastconv.validation.arrays import Array

StillWrong = Callable[[Problem], bool]

_FEW = 150  # problems that are tried at most


def shrink(problem: Problem, still_wrong: StillWrong, seconds: float = 10.0) -> Problem:
    """Return a problem that is still wrong while nothing about it can be made smaller.

    Parameters
    ----------
    problem : Problem
        One that is wrong.
    still_wrong : callable
        Whether a smaller problem is wrong too; False where it cannot be expressed.
    seconds : float
        How long to try; one problem is tried in any case.

    Returns
    -------
    Problem
        With fewer images, channels and filters, smaller planes and kernels, less padding, stride and dilation, and
        small integers for numbers, as far as the result stays wrong. Equal numbers stay equal, and the order and the
        signs of the input stay what they are.

    Examples
    --------
    >>> from fastconv.dropin.conventions.problem import draw
    >>> wrong_with_overlap = lambda problem: problem.stride[0] < problem.kernel[0]
    >>> print(shrink(draw("max_pool2d", images=2, channels=3, size=(6, 7)), wrong_with_overlap))
    x (1, 1, 2, 1), 2x1 windows, stride 1
    """
    end, tried = time.monotonic() + seconds, 0
    smaller: Problem | None = problem
    while smaller is not None:
        problem, smaller = smaller, None
        for candidate in _smaller(problem):
            if tried >= _FEW or (tried and time.monotonic() > end):
                return problem
            tried += 1
            if still_wrong(candidate):
                smaller = candidate
                break
    return problem


def _smaller(problem: Problem) -> Iterator[Problem]:
    """Give problems that have one thing less, the most telling first."""
    for change in (_leap, _plain_memory, _fewer, _windows, _planes, _values):
        yield from change(problem)


def _leap(problem: Problem) -> Iterator[Problem]:
    """Drop everything at once that few failures need."""
    part = problem.only(images=1, channels=1, filters=1)
    simple: dict[str, Any] = {name: _ranks(array) for name, array in part.arrays.items()}
    if not all(np.array_equal(array, getattr(problem, name)) for name, array in simple.items()):
        yield replace(part, **simple)


def _plain_memory(problem: Problem) -> Iterator[Problem]:
    if problem.memory != "C":
        yield replace(problem, memory="C")
    if problem.x.dtype != np.float64:
        arrays: dict[str, Any] = {name: array.astype(np.float64) for name, array in problem.arrays.items()}
        yield replace(problem, **arrays)


def _fewer(problem: Problem) -> Iterator[Problem]:
    """Drop images, channels, filters."""
    filters = 0 if problem.weight is None else len(problem.weight)
    for name, count in zip(("images", "channels", "filters"), (*problem.x.shape[:2], filters)):
        for part in _parts(count):
            yield problem.only(**{name: part})


def _parts(count: int) -> Iterator[slice]:
    """Give parts of an axis: one of its ends, a half, all but one, all but two for who counts in pairs."""
    if count > 1:
        yield from (slice(0, 1), slice(count - 1, count))
    if count > 3:
        yield from (slice(0, count // 2), slice(count // 2, count))
    if count > 2:
        yield from (slice(0, count - 1), slice(1, count))
    if count > 4:
        yield slice(0, count - 2)


def _windows(problem: Problem) -> Iterator[Problem]:
    """Make dilation, padding, stride and kernel smaller, along both axes at once or along one."""
    for name, least in (("dilation", 1), ("padding", 0), ("stride", 1)):
        height, width = getattr(problem, name)
        halves = (least, least), (least, width), (height, least)
        for pair in dict.fromkeys((*halves, (height - 1, width - 1), (height - 1, width), (height, width - 1))):
            if pair != (height, width) and min(pair) >= least and sum(pair) < height + width:
                yield from _legal(problem, **{name: pair})
    KH, KW = problem.kernel
    for kernel in ((KH - 1, KW - 1), (KH - 1, KW), (KH, KW - 1)):
        if min(kernel) >= 1:
            weight = None if problem.weight is None else problem.weight[:, :, : kernel[0], : kernel[1]]
            yield from _legal(problem, kernel=kernel, weight=weight)


def _planes(problem: Problem) -> Iterator[Problem]:
    """Drop rows and columns."""
    H, W = problem.x.shape[2:]
    for rows in _parts(H):
        yield from _legal(problem, x=problem.x[:, :, rows])
    for columns in _parts(W):
        yield from _legal(problem, x=problem.x[:, :, :, columns])


def _values(problem: Problem) -> Iterator[Problem]:
    """Put simple numbers in place of what was drawn."""
    for name, array in reversed(problem.arrays.items()):
        for simple in (np.full_like(array, 0 if name == "bias" else 1), _ranks(array)):
            if not np.array_equal(simple, array):
                changes: dict[str, Any] = {name: simple}
                yield replace(problem, **changes)


def _ranks(array: Array) -> Array:
    """Return small integers in the same order, with the same signs.

    Examples
    --------
    >>> _ranks(np.array([0.3, -7.5, 0.3, 99.0, -0.1]))
    array([ 1., -2.,  1.,  2., -1.])
    """
    values, places = np.unique(array, return_inverse=True)
    ranks: Array = places.reshape(array.shape) - int(np.count_nonzero(values < 0))
    if not (values == 0).any():
        ranks = np.where(ranks >= 0, ranks + 1, ranks)
    return ranks.astype(array.dtype)


def _legal(problem: Problem, **changes: Any) -> Iterator[Problem]:
    """Give the changed problem, if its windows fit and are not all padding."""
    made = replace(problem, **changes)
    inside = all(p < extent for p, extent in zip(made.padding, made.extent))
    if min(made.out) >= 1 and (inside or made.operation == "conv2d"):
        # a gradient of the output that has its size; the numbers repeat themselves
        yield made if made.dy is None else replace(made, dy=np.resize(made.dy, made.output_shape))
