"""Mistakes in the sums of a convolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.conventions.expected import expected
from fastconv.dropin.conventions.mistakes.mistake import Suspicion
from fastconv.dropin.conventions.mistakes.windows import padded, places, side_by_side, written
from fastconv.dropin.conventions.problem import Problem
from fastconv.validation.arrays import Array


def of_convolution(name: str, problem: Problem) -> Iterator[Suspicion]:
    """Give the mistakes in an array of a convolution."""
    if name in ("y", "dx", "dweight"):
        mistake = "kernel flipped" if name == "y" else "kernel flipped in the gradient"
        yield Suspicion(mistake, lambda: _flipped(name, problem))
    if name == "y":
        yield from _of_bias(problem)
        yield from _of_sums(problem)
    elif name == "dx" and len(problem.filters[0]) > 1:
        yield Suspicion("last filter alone", lambda: _last_filter(problem, add=True))
        yield Suspicion("last filter alone", lambda: _last_filter(problem, add=False))
    elif name == "dbias":
        yield from _of_bias_gradient(problem)
    if name in ("dweight", "dbias"):
        yield from _last_alone(name, problem)


def _changed(problem: Problem, name: str = "y", **arrays: Any) -> Any:
    return getattr(expected(replace(problem, **arrays), "numpy"), name)


def _flipped(name: str, problem: Problem) -> Any:
    weight, _ = problem.filters
    found = _changed(problem, name, weight=weight[:, :, ::-1, ::-1])
    return found[:, :, ::-1, ::-1] if name == "dweight" else found


def _of_bias(problem: Problem) -> Iterator[Suspicion]:
    bias, channels, taps = problem.filters[1], problem.x.shape[1], int(np.prod(problem.kernel))
    for mistake, factor in (
        ("bias forgotten", 0),
        ("bias in every cell", channels * taps),
        ("bias in every cell", taps),
        ("bias in every channel", channels),
        ("bias twice", 2),
        ("bias subtracted", -1),
    ):
        yield Suspicion(mistake, lambda factor=factor: _changed(problem, bias=factor * bias))  # type: ignore[misc]
    yield Suspicion("bias of one filter", lambda: _changed(problem, bias=np.full_like(bias, bias[0])))


def _of_sums(problem: Problem) -> Iterator[Suspicion]:
    weight = problem.filters[0]
    count = weight[0].size
    yield Suspicion("mean of products", lambda: _changed(problem, weight=weight / count))
    yield Suspicion("mean of products", lambda: _changed(problem) / count)
    yield Suspicion("first filter for all", lambda: _changed(problem, weight=np.broadcast_to(weight[:1], weight.shape)))
    if problem.x.shape[1] > 1:
        yield from _of_one_channel(problem)
    if problem.kernel[0] == problem.kernel[1]:
        yield Suspicion("kernel transposed", lambda: _changed(problem, weight=weight.transpose(0, 1, 3, 2)))
    if max(problem.padding):
        for sides in ([(2 * pad, 0) for pad in problem.padding], [(0, 2 * pad) for pad in problem.padding]):
            yield Suspicion("padding on one side", lambda sides=sides: _padded(problem, sides))  # type: ignore[misc]
        yield Suspicion("padding repeats", lambda: _padded(problem, mode="edge"))
    yield Suspicion("negative results lost", lambda: np.maximum(_changed(problem), 0))


def _of_one_channel(problem: Problem) -> Iterator[Suspicion]:
    weight, bias = problem.filters
    for mistake, part in (("first channel alone", slice(1)), ("last channel alone", slice(-1, None))):
        for added in (bias, np.zeros_like(bias)):
            one = {"x": problem.x[:, part], "weight": weight[:, part], "bias": added}
            yield Suspicion(mistake, lambda one=one: _changed(problem, **one))  # type: ignore[misc]


def _padded(problem: Problem, sides: Any = None, **how: Any) -> Any:
    return expected(side_by_side(problem, places(problem), padded(problem, sides, **how)), "numpy").y


def _last_filter(problem: Problem, *, add: bool) -> Array:
    """Gradient of the input where only the last filter is left, of each window or of each cell."""
    weight, bias = problem.filters
    last = replace(problem, weight=weight[-1:], bias=bias[-1:], dy=problem.gradient[:, -1:])
    given = expected(side_by_side(last, places(last)), "numpy").dx
    return written(last, given, places(last), add=add)


def _of_bias_gradient(problem: Problem) -> Iterator[Suspicion]:
    right = expected(problem, "numpy").dbias
    positions = len(problem.x) * problem.out[0] * problem.out[1]
    yield Suspicion("mean over positions", lambda: right / positions)
    yield Suspicion("mean over positions", lambda: right / (problem.out[0] * problem.out[1]))
    yield Suspicion("sum over filters", lambda: np.full_like(right, right.sum()))


def _last_alone(name: str, problem: Problem) -> Iterator[Suspicion]:
    """Where the gradient of the filters or of the bias is assigned in a loop over images or positions."""
    dy, ends = problem.gradient, np.zeros(problem.gradient.shape)
    ends[:, :, -1, -1] = dy[:, :, -1, -1]
    yield Suspicion("last image alone", lambda: _changed(_last_image(problem), name))
    yield Suspicion("last position alone", lambda: _changed(problem, name, dy=ends))
    yield Suspicion("last position alone", lambda: _changed(_last_image(replace(problem, dy=ends)), name))


def _last_image(problem: Problem) -> Problem:
    return replace(problem, x=problem.x[-1:], dy=problem.gradient[-1:])
