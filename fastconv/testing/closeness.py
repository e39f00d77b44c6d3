"""Comparison of arrays to within the rounding error that fastconv promises."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import as_array, check_dtype, check_real

Array = NDArray[Any]

ROUNDINGS = 64
_MULTILINEAR = ("x", "weight", "bias", "dy", "cols")  # the parameters that every linear operation is linear in


def tolerance(dtype: DTypeLike, magnitude: Any) -> Any:
    """Return the largest error that a result may have.

    ``64 * eps * magnitude``, where eps is that of `dtype`

    Parameters
    ----------
    dtype : dtype_like
        A floating-point dtype: that of the stored result.
    magnitude : float or array_like of float
        What the rounding errors of a sum are proportional to: ``sum |x * w|`` of its products (see `magnitude`).

    Returns
    -------
    float or ndarray
        Shaped like `magnitude`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.testing import tolerance
    >>> tolerance(np.float32, 2.0) == 128 * 2.0**-23
    True
    """
    eps = float(np.finfo(check_dtype("tolerance", dtype)).eps)
    size = check_real("tolerance", "magnitude", magnitude).astype(np.float64)
    return ROUNDINGS * eps * (float(size) if size.ndim == 0 else size)


def magnitude(operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what the rounding errors of a convolution, average pooling, im2col or gradient are proportional to.

    Parameters
    ----------
    operation : callable
        A public function that is linear in each of its arrays, such as `fastconv.conv2d` or
        `fastconv.max_pool2d_backward`.
    *arguments, **options
        Those of the call whose result is to be compared.

    Returns
    -------
    ndarray or ConvGradients
        The result of the same call on absolute values, by the numpy backend in float64: ``sum |x * w|``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> from fastconv.testing import magnitude
    >>> x, weight = np.array([[[[1.0, -2.0, 3.0]]]]), np.array([[[[4.0, -5.0]]]])
    >>> magnitude(fc.conv2d, x, weight)
    array([[[[14., 23.]]]])
    """
    bound = inspect.signature(operation).bind(*arguments, **{**options, "backend": "numpy"})
    for name in _MULTILINEAR:
        if bound.arguments.get(name) is not None:
            bound.arguments[name] = abs(np.asarray(bound.arguments[name], np.float64))
    return operation(*bound.args, **bound.kwargs)


def assert_close(
    actual: Any, desired: Any, *, magnitude: Any = None, dtype: DTypeLike | None = None, name: str = ""
) -> None:
    """Raise an AssertionError unless `actual` is `desired` to within the rounding error that fastconv promises.

    Parameters
    ----------
    actual : array_like
        The result to be checked.
    desired : array_like
        The right result; it may have a wider dtype if `dtype` is given.
    magnitude : float or array_like, optional
        See `tolerance`; by default the largest finite ``|desired|``. Zero asks for equality. Integer results have to
        be equal in any case.
    dtype : dtype_like, optional
        The dtype that `actual` must have; by default that of `desired`, where that is an array.
    name : str
        What is compared, for the message.

    Raises
    ------
    AssertionError
        If shape, dtype, the positions of NaN, infinities or any value differs; the message names the worst position.
    ValueError
        If `magnitude` is negative, not finite, or of another shape.

    Notes
    -----
    This is the first of two promises, see `fastconv.set_options`: that of ``exact=True`` and of float64. By default a
    convolution in float32 may be computed by Winograd's algorithm, whose error is in proportion to a whole tile.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.testing import assert_close
    >>> assert_close(np.float32([1, 2]), np.array([1.0, 2.0 + 1e-7]), dtype=np.float32)
    >>> assert_close(np.float32([1, 2]), np.float32([1, 2.1]), name="y")
    Traceback (most recent call last):
        ...
    AssertionError: y: 1 of 2 elements is outside the tolerance; the worst, at (1,), is 2.0 instead of 2.0999999...
    """
    __tracebackhide__ = True
    prefix = f"{name}: " if name else ""
    expected_dtype = getattr(desired, "dtype", None) if dtype is None else check_dtype("assert_close", dtype)
    actual, desired = as_array("assert_close", "actual", actual), as_array("assert_close", "desired", desired)
    if actual.shape != desired.shape:
        raise AssertionError(f"{prefix}the shape is {actual.shape} instead of {desired.shape}")
    if expected_dtype is not None and actual.dtype != expected_dtype:
        raise AssertionError(f"{prefix}the dtype is {actual.dtype} instead of {expected_dtype}")
    allowed = _allowed(actual, desired, magnitude)
    wrong, error = _compare(actual, desired, allowed)
    if wrong.any():
        raise AssertionError(prefix + _report(actual, desired, wrong, error, allowed))


def _allowed(actual: Array, desired: Array, magnitude: Any) -> Array:
    """Tolerance of every element, shaped like `desired`."""
    if actual.dtype.kind != "f":
        return np.zeros(desired.shape)
    if magnitude is None:
        finite = np.abs(desired[np.isfinite(desired)].astype(np.float64))
        magnitude = finite.max(initial=0.0)
    magnitude = check_real("assert_close", "magnitude", magnitude).astype(np.float64)
    if magnitude.shape not in ((), desired.shape):
        raise InvalidValueError(
            f"assert_close: magnitude must be a number or have the shape of desired, {desired.shape}, but got "
            f"{magnitude.shape}."
        )
    if not (np.isfinite(magnitude) & (magnitude >= 0)).all():
        raise InvalidValueError("assert_close: magnitude must be finite and not negative.")
    return np.broadcast_to(tolerance(actual.dtype, magnitude), desired.shape)


def _compare(actual: Array, desired: Array, allowed: Array) -> tuple[Array, Array]:
    """Which elements are wrong, and by how much each differs."""
    if actual.dtype.kind != "f":  # in their own arithmetic: float64 does not hold every integer
        wrong = actual != desired
        return wrong, np.where(wrong, np.abs(actual.astype(np.float64) - desired.astype(np.float64)), 0.0)
    a, d = actual.astype(np.float64), desired.astype(np.float64)
    same = (a == d) | (np.isnan(a) & np.isnan(d))
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.where(same, 0.0, np.abs(a - d))
    within = same | (np.isfinite(a) & np.isfinite(d) & (error <= allowed))
    return ~within, np.where(np.isnan(error), np.inf, error)


def _report(actual: Array, desired: Array, wrong: Array, error: Array, allowed: Array) -> str:
    with np.errstate(divide="ignore", invalid="ignore"):
        tolerances = np.where(wrong, error / allowed, -1.0)
    tolerances = np.where(np.isnan(tolerances), np.inf, tolerances)
    worst = tuple(int(i) for i in np.unravel_index(int(tolerances.argmax()), wrong.shape))
    count = int(np.count_nonzero(wrong))
    return (
        f"{count} of {wrong.size} elements {'is' if count == 1 else 'are'} outside the tolerance; the worst, at "
        f"{worst}, is {actual[worst]} instead of {desired[worst]}, an error of {error[worst]:.3g} or "
        f"{tolerances[worst]:.3g} times the tolerance of {allowed[worst]:.3g}"
    )


def in_tolerances(error: float, allowed: float) -> float:
    """Return an error in units of its tolerance."""
    return error / allowed if allowed else (float("inf") if error else 0.0)
