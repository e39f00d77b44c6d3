"""The check of a linear operation against its transpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.testing.closeness import Array, in_tolerances, tolerance

__all__ = ["adjoint_check"]


def adjoint_check(
    forward: Callable[[Array], Any],
    adjoint: Callable[[Array], Any],
    x_shape: tuple[int, ...],
    y_shape: tuple[int, ...],
    *,
    rng: int | np.random.Generator = 0,
) -> float:
    """Check that two linear maps are each other's transpose: ``<A x, y> == <x, Aᵀ y>`` for random x and y.

    Exact to rounding, with no step size: the sharpest check that there is for linear operations.

    Parameters
    ----------
    forward, adjoint : callable
        The maps, from one float64 array to another.
    x_shape, y_shape : tuple of int
        Shapes of their inputs.
    rng : int or numpy.random.Generator
        Where x and y are drawn from.

    Returns
    -------
    float
        The error in units of the tolerance, at most one.

    Raises
    ------
    AssertionError
        If the two products differ by more than rounding, or a result has the wrong shape.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> from fastconv.testing import adjoint_check
    >>> error = adjoint_check(
    ...     lambda x: fc.im2col(x, (2, 3)), lambda c: fc.col2im(c, (4, 5), (2, 3)), (1, 2, 4, 5), (1, 12, 9)
    ... )
    """
    __tracebackhide__ = True
    generator = np.random.default_rng(rng)
    x, y = generator.standard_normal(x_shape), generator.standard_normal(y_shape)
    forth, back = np.asarray(forward(x)), np.asarray(adjoint(y))
    if forth.shape != y.shape or back.shape != x.shape:
        raise AssertionError(
            f"adjoint: the maps give shapes {forth.shape} and {back.shape} instead of {y.shape} and {x.shape}"
        )
    left, right = float((forth * y).sum()), float((x * back).sum())
    scale = float(np.abs(forth * y).sum() + np.abs(x * back).sum())
    allowed = tolerance(np.result_type(forth, back, np.float32), scale)
    error = in_tolerances(abs(left - right), allowed)
    if not error <= 1:
        raise AssertionError(
            f"adjoint: <A x, y> is {left!r}, but <x, A^T y> is {right!r}: {error:.3g} times the tolerance of "
            f"{allowed:.3g}"
        )
    return error
