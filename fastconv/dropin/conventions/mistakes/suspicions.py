"""Which mistakes may have been made in an array, the most telling first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fastconv.dropin.conventions.expected import expected
from fastconv.dropin.conventions.mistakes.convolution import of_convolution
from fastconv.dropin.conventions.mistakes.mistake import Suspicion
from fastconv.dropin.conventions.mistakes.pooling import of_maximum, of_mean, shares
from fastconv.dropin.conventions.mistakes.sizes import of_shape
from fastconv.dropin.conventions.mistakes.windows import moved, places, side_by_side, written
from fastconv.dropin.conventions.problem import Problem
from fastconv.validation.arrays import Array


def suspicions(name: str, problem: Problem) -> Iterator[Suspicion]:
    """Give what may be wrong with an array.

    Parameters
    ----------
    name : {"y", "dx", "dweight", "dbias"}
        Which array.
    problem : Problem
        The problem.

    Yields
    ------
    Suspicion
        A mistake with what it would give.
    """
    right = getattr(expected(problem, "numpy"), name)
    if name != "y":
        yield Suspicion("divided by images", lambda: right / len(problem.x))
    if name == "dx" and problem.operation in ("conv2d", "avg_pool2d", "im2col"):
        yield Suspicion("assigned", lambda: written(problem, _given(problem), places(problem), add=False))
    if problem.operation == "conv2d":
        yield from of_convolution(name, problem)
    elif problem.operation == "max_pool2d":
        yield from of_maximum(name, problem)
    elif problem.operation == "avg_pool2d":
        yield from of_mean(name, problem)
    if name != "dbias":
        yield from _of_places(name, problem)
    yield from _of_images(name, right, problem)
    yield from of_shape(name, right, problem)
    yield Suspicion("sign", lambda: -right)
    yield Suspicion("twice", lambda: 2 * right)
    yield Suspicion("all zeros", lambda: np.zeros_like(right))


def _of_places(name: str, problem: Problem) -> Iterator[Suspicion]:
    """Windows that are read or written somewhere else."""
    here = places(problem)
    if name == "dx":
        given = _given(problem)
        if max(problem.padding):
            yield Suspicion("cut at the wrong place", lambda: _cut_at_zero(problem, given))
            yield Suspicion("cut at the wrong place", lambda: _cut_at_end(problem, given))
    for mistake, where, there in moved(problem):
        if name != "dx":
            moved_there = side_by_side(problem, there)
            yield Suspicion(mistake, lambda there=moved_there: getattr(expected(there, "numpy"), name), where)  # type: ignore[misc]
            continue
        yield Suspicion(mistake, lambda there=there: written(problem, given, there), where)  # type: ignore[misc]
        if problem.operation == "max_pool2d":
            elsewhere = shares(problem, there)
            for target in (there, here):
                yield Suspicion(mistake, lambda g=elsewhere, t=target: written(problem, g, t), where)  # type: ignore[misc]


def _given(problem: Problem) -> Array:
    """What each window gives to the gradient of the input, side by side."""
    if problem.operation == "max_pool2d":
        return shares(problem, places(problem))
    given: Array = expected(side_by_side(problem, places(problem)), "numpy").dx
    return given


def _cut_at_zero(problem: Problem, given: Array) -> Array:
    H, W = problem.x.shape[2:]
    return written(problem, given, places(problem), cut=False)[:, :, :H, :W]


def _cut_at_end(problem: Problem, given: Array) -> Array:
    ph, pw = problem.padding
    return written(problem, given, places(problem), cut=False)[:, :, 2 * ph :, 2 * pw :]


def _of_images(name: str, right: Array, problem: Problem) -> Iterator[Suspicion]:
    if len(problem.x) == 1:
        return
    first = replace(problem, x=np.broadcast_to(problem.x[:1], problem.x.shape))
    yield Suspicion("first image for all", lambda: getattr(expected(first, "numpy"), name))
    if problem.dy is not None and name != "y":
        dy = np.broadcast_to(problem.gradient[:1], problem.gradient.shape)
        for given in (replace(problem, dy=dy), replace(first, dy=dy)):
            yield Suspicion("first image for all", lambda p=given: getattr(expected(p, "numpy"), name))  # type: ignore[misc]
    if name in ("y", "dx"):
        alone = np.zeros_like(right)
        alone[0] = right[0]
        yield Suspicion("first image alone", lambda: alone)
    else:
        one = replace(problem, x=problem.x[:1], dy=problem.gradient[:1])
        yield Suspicion("first image alone", lambda: getattr(expected(one, "numpy"), name))
