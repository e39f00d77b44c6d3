"""What should come out of a problem: by the naive backend, in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.conventions.ties import FIRST
from fastconv.functional.avg_pool import avg_pool2d, avg_pool2d_backward
from fastconv.functional.columns import col2im, im2col
from fastconv.functional.conv import conv2d, conv2d_backward
from fastconv.functional.max_pool import max_pool2d, max_pool2d_backward
from fastconv.functional.max_pool_ties import max_pool2d_ties_backward
from fastconv.testing.closeness import magnitude
from fastconv.validation.arrays import Array

CONV_ROLES = {"forward": ("y",), "backward": ("dx", "dweight", "dbias")}
POOL_ROLES = {"forward": ("y",), "backward": ("dx",)}


class Results(NamedTuple):
    """Output and gradients, as (N, C, H, W); None for what there is not.

    Attributes
    ----------
    y : ndarray or None
        Output.
    dx, dweight, dbias : ndarray or None
        Gradients of the input, the filters and the bias.
    """

    y: Any = None
    dx: Any = None
    dweight: Any = None
    dbias: Any = None


@lru_cache(maxsize=1024)
def expected(problem: Problem, backend: str = "naive", ties: str = FIRST) -> Results:
    """Return output and gradients of a problem, by the loops of the naive backend in float64.

    Parameters
    ----------
    problem : Problem
        Its arrays are read as float64.
    backend : {"naive", "numpy"}
        Who computes; the loops would take minutes for more than a few thousand outputs.
    ties : {"first", "all", "split"}
        Which maxima of a window get its gradient: the first, each the whole, or each a part.

    Returns
    -------
    Results
        Without gradients where the problem has no `dy`.

    Examples
    --------
    >>> from fastconv.dropin.conventions.problem import draw
    >>> expected(draw("max_pool2d", size=(5, 7), kernel=(2, 3))).y.shape
    (2, 3, 4, 5)
    """

    def exactly(operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return operation(*arguments, **options, backend=backend)

    return _results(problem, exactly, backend, ties)


@lru_cache(maxsize=1024)
def rounding(problem: Problem, backend: str = "naive", ties: str = FIRST) -> Results:
    """Return what the rounding errors of every result are proportional to (see `fastconv.testing.magnitude`)."""
    found = _results(problem, magnitude, backend, ties)
    return found._replace(**({"y": 0.0} if problem.operation == "max_pool2d" else {}))


def _results(problem: Problem, run: Callable[..., Any], backend: str, ties: Any) -> Results:
    exact = {name: array.astype(np.float64) for name, array in problem.arrays.items()}
    x, dy, kernel, shape, windows = exact["x"], exact.get("dy"), problem.kernel, problem.x.shape, problem.options
    if problem.operation == "conv2d":
        y = run(conv2d, x, exact["weight"], exact.get("bias"), **windows)
        return Results(y) if dy is None else Results(y, *run(conv2d_backward, dy, x, exact["weight"], **windows))

    def of_ties(dy: Array, *, backend: str) -> Array:  # linear in dy alone
        return max_pool2d_ties_backward(dy, x, kernel, ties=ties, **windows, backend=backend)

    if problem.operation == "max_pool2d":
        y, indices = max_pool2d(x, kernel, return_indices=True, backend=backend, **windows)
        if dy is None or ties != FIRST:
            return Results(y, None if dy is None else run(of_ties, dy))
        return Results(y, run(max_pool2d_backward, dy, indices, shape))
    if problem.operation == "avg_pool2d":
        y = run(avg_pool2d, x, kernel, **windows)
        return Results(y, None if dy is None else run(avg_pool2d_backward, dy, shape, kernel, **windows))
    y = run(im2col, x, kernel, **windows)
    return Results(y, None if dy is None else run(col2im, dy, shape[2:], kernel, **windows))
