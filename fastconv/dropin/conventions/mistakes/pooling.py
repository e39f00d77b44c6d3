"""Mistakes in maxima and means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from fastconv.dropin.conventions.expected import expected
from fastconv.dropin.conventions.mistakes.mistake import Suspicion
from fastconv.dropin.conventions.mistakes.windows import Places, padded, places, side_by_side, written
from fastconv.dropin.conventions.problem import Problem
from fastconv.functional.avg_pool import avg_pool2d
from fastconv.validation.arrays import Array

_Share = Callable[[Array], Array]


def of_maximum(name: str, problem: Problem) -> Iterator[Suspicion]:
    """Give the mistakes in an array of max pooling."""
    if name == "dx":
        for mistake, share, add in _SHARES:
            yield Suspicion(mistake, lambda share=share, add=add: _spread(problem, share, add))  # type: ignore[misc]
        return
    if max(problem.padding):
        yield Suspicion("zero padding of maxima", lambda: _over_zeros(problem))
    yield Suspicion("maximum from zero", lambda: np.maximum(0, expected(problem, "numpy").y))
    yield Suspicion("minimum", lambda: -expected(replace(problem, x=-problem.x.astype(np.float64)), "numpy").y)
    yield Suspicion("mean for maximum", lambda: expected(replace(problem, operation="avg_pool2d"), "numpy").y)


def of_mean(name: str, problem: Problem) -> Iterator[Suspicion]:
    """Give the mistakes in an array of average pooling."""
    right, (KH, KW) = getattr(expected(problem, "numpy"), name), problem.kernel
    yield Suspicion("sum for mean", lambda: right * KH * KW)
    for divisor in (KH**2, KW**2, problem.stride[0] ** 2, problem.stride[0] * problem.stride[1], KH, KW):
        yield Suspicion("divided by a square", lambda by=divisor: right * KH * KW / by)  # type: ignore[misc]
    if name == "y":
        yield Suspicion("padding not in the mean", lambda: _uncounted(problem))
        yield Suspicion("maximum for mean", lambda: expected(replace(problem, operation="max_pool2d"), "numpy").y)


def _over_zeros(problem: Problem) -> Array:
    planes = padded(problem, constant_values=0)
    found: Array = expected(side_by_side(problem, places(problem), planes), "numpy").y
    return found


def _uncounted(problem: Problem) -> Array | None:
    if not max(problem.padding):
        return None
    options = {**problem.options, "count_include_pad": False, "backend": "numpy"}
    return avg_pool2d(problem.x.astype(np.float64), problem.kernel, **options)


# By window, flattened: which share of the gradient each cell gets, NaN where nothing is written.


def _first(hits: Array) -> Array:
    taken = np.full(hits.shape, np.nan)
    np.put_along_axis(taken, hits.argmax(-1)[..., None], 1.0, -1)
    return taken


def _last(hits: Array) -> Array:
    return _first(hits[..., ::-1])[..., ::-1]


def _whole(hits: Array) -> Array:
    return np.nan_to_num(_first(hits))


def _every(hits: Array) -> Array:
    return np.where(hits, 1.0, np.nan)


def _every_whole(hits: Array) -> Array:
    return hits.astype(np.float64)


def _shared(hits: Array) -> Array:
    return hits / np.count_nonzero(hits, axis=-1, keepdims=True)


_SHARES: tuple[tuple[str, _Share, bool], ...] = (
    ("assigned", _first, False),
    ("assigned", _whole, False),
    ("ties to all", _every, True),
    ("assigned", _every_whole, False),
    ("assigned", _every, False),
    ("ties shared", _shared, True),
    ("assigned", _shared, False),
    ("ties to the last", _last, True),
)


def _spread(problem: Problem, share: _Share, add: bool) -> Array:
    found = places(problem)
    return written(problem, shares(problem, found, share), found, add=add)


def shares(problem: Problem, found: Places, share: _Share = _first) -> Array:
    """Return what each cell of each window gets, side by side: (N, C, OH * KH, OW * KW), NaN where it gets nothing."""
    (N, C), (OH, OW), (KH, KW) = problem.x.shape[:2], problem.out, problem.kernel
    cells = side_by_side(problem, found).x.reshape(N, C, OH, KH, OW, KW).transpose(0, 1, 2, 4, 3, 5)
    windows = cells.reshape(N, C, OH, OW, KH * KW)
    given = share(windows == windows.max(-1, keepdims=True)) * problem.gradient[..., None]
    back = given.reshape(N, C, OH, OW, KH, KW).transpose(0, 1, 2, 4, 3, 5)
    return np.ascontiguousarray(back).reshape(N, C, OH * KH, OW * KW)
