"""Numerical gradients of CS231n, ``gradient_check.py``: central differences, element by element.

The functions change their input in place and put every number back, also where `f` raises. `fastconv.gradient_check`
is the quick way: it checks along random directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import randrange
from typing import Any

import numpy as np

from fastconv.compat.cs231n.arguments import NumPyWords
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_number

__all__ = [
    "eval_numerical_gradient",
    "eval_numerical_gradient_array",
    "eval_numerical_gradient_blobs",
    "eval_numerical_gradient_net",
    "grad_check_sparse",
    "np",
    "randrange",
    "rel_error",
]

Position = tuple[int, ...]


def eval_numerical_gradient(f: Callable[[Array], Any], x: Array, verbose: bool = True, h: float = 0.00001) -> Array:
    """Compute the gradient of a function with one number as its result.

    Parameters
    ----------
    f : callable
        ``f(x) -> float``.
    x : ndarray of float
        Where; it is changed while `f` runs, and put back.
    verbose : bool
        Print the position and the slope of each element.
    h : float
        Step.

    Returns
    -------
    ndarray, shaped like x
        ``(f(x + h) - f(x - h)) / 2h`` for each element, in the dtype of `x`.

    Raises
    ------
    fastconv.errors.InvalidTypeError
        If `x` is not an array of floating-point numbers.
    fastconv.errors.InvalidValueError
        If `x` is read-only, `h` is not positive, or `h` is lost in the rounding of a float32 number.

    Notes
    -----
    In float32 a step of 1e-5 is rounded to a few digits: the slopes are taken over the step that the array has really
    made, and the noise of `f` in float32 remains. Check in float64.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 3.0])
    >>> eval_numerical_gradient(lambda x: (x**2).sum(), x, verbose=False).round(6)
    array([2., 6.])
    """
    operation = "eval_numerical_gradient"
    step = _check(operation, "x", x, h)
    f(x)  # the original evaluates once more than it needs, which random numbers in f would show
    grad = np.zeros(x.shape, x.dtype)
    for ix in _positions(x):
        plus, minus, width = _both_sides(operation, x, ix, step, lambda: f(x))
        grad[ix] = (plus - minus) / width
        if verbose:
            print(ix, grad[ix])
    return grad


def eval_numerical_gradient_array(f: Callable[[Array], Any], x: Array, df: Any, h: float = 1e-5) -> Array:
    """Compute the gradient of ``sum(df * f(x))`` for a function with an array as its result.

    Parameters
    ----------
    f : callable
        ``f(x) -> ndarray``.
    x, h
        As for `eval_numerical_gradient`.
    df : ndarray, shaped like f(x); or float
        Gradient of the loss with respect to the result.

    Returns
    -------
    ndarray, shaped like x
        In the dtype of `x`.

    Raises
    ------
    fastconv.errors.InvalidTypeError, fastconv.errors.InvalidValueError
        As `eval_numerical_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> x, df = np.array([1.0, 3.0]), np.array([1.0, 10.0])
    >>> eval_numerical_gradient_array(lambda x: x**2, x, df).round(6)
    array([ 2., 60.])
    """
    operation = "eval_numerical_gradient_array"
    return _weighted(operation, "x", x, np.zeros_like(x), h, lambda: np.array(f(x)), df)


def eval_numerical_gradient_blobs(
    f: Callable[..., Any], inputs: Sequence[Any], output: Any, h: float = 1e-5
) -> list[Array]:
    """Compute the gradients of a function that writes its result into a blob.

    Parameters
    ----------
    f : callable
        ``f(*inputs, output)``; it writes ``output.vals``.
    inputs : tuple
        Objects with arrays ``vals`` and ``diffs``.
    output : object
        With ``vals``, and in ``diffs`` the gradient of the loss.
    h : float
        Step.

    Returns
    -------
    list of ndarray
        One gradient for each input, shaped like its ``diffs``.

    Raises
    ------
    fastconv.errors.InvalidTypeError, fastconv.errors.InvalidValueError
        As `eval_numerical_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> x = SimpleNamespace(vals=np.array([1.0, 3.0]), diffs=np.zeros(2))
    >>> y = SimpleNamespace(vals=np.zeros(2), diffs=np.array([1.0, 10.0]))
    >>> def square(x, y):
    ...     y.vals[:] = x.vals**2
    >>> eval_numerical_gradient_blobs(square, (x,), y)[0].round(6)
    array([ 2., 60.])
    """
    operation = "eval_numerical_gradient_blobs"

    def result() -> Array:
        f(*inputs, output)
        return np.array(output.vals)

    return [
        _weighted(operation, "inputs", blob.vals, np.zeros_like(blob.diffs), h, result, output.diffs) for blob in inputs
    ]


def eval_numerical_gradient_net(net: Any, inputs: Sequence[Any], output: Any, h: float = 1e-5) -> list[Array]:
    """Compute the gradients of ``net.forward()``: `eval_numerical_gradient_blobs` of a net that holds its blobs."""
    return eval_numerical_gradient_blobs(lambda *blobs: net.forward(), inputs, output, h=h)


def grad_check_sparse(
    f: Callable[[Array], Any], x: Array, analytic_grad: Any, num_checks: int = 10, h: float = 1e-5
) -> None:
    """Compare a gradient with the numerical one at random positions, and print a line for each.

    Parameters
    ----------
    f, x, h
        As for `eval_numerical_gradient`.
    analytic_grad : ndarray, shaped like x
        What is checked.
    num_checks : int
        Number of positions, drawn by ``random.randrange``.

    Raises
    ------
    fastconv.errors.InvalidTypeError, fastconv.errors.InvalidValueError
        As `eval_numerical_gradient`; or if `analytic_grad` has another shape than `x`.

    Examples
    --------
    >>> import numpy as np
    >>> grad_check_sparse(lambda x: (x**2).sum(), np.array([3.0]), np.array([6.0]), num_checks=1)
    numerical: 6.000000 analytic: 6.000000, relative error: ...
    """
    operation = "grad_check_sparse"
    step, slopes = _check(operation, "x", x, h), check_array(operation, "analytic_grad", analytic_grad)
    if slopes.shape != x.shape:
        raise InvalidValueError(
            f"{operation}: analytic_grad must have the shape of x, {x.shape}, but got {slopes.shape}."
        )
    for _ in range(num_checks):
        ix = tuple(randrange(size) for size in x.shape)
        plus, minus, width = _both_sides(operation, x, ix, step, lambda: f(x))
        numerical, analytic = (plus - minus) / width, slopes[ix]
        scale = abs(numerical) + abs(analytic)
        error = abs(numerical - analytic) / scale if scale else 0.0
        print(f"numerical: {numerical:f} analytic: {analytic:f}, relative error: {error:e}")


def rel_error(x: Any, y: Any) -> float:
    """Return the largest relative error, as the notebooks of the course define it.

    ``max(|x - y| / max(1e-8, |x| + |y|))``

    Parameters
    ----------
    x, y : array_like
        Of one shape (or shapes that broadcast, which hides mistakes).

    Returns
    -------
    float
        0 for equal arrays, 1 for numbers of opposite signs.

    Examples
    --------
    >>> rel_error([1.0, 2.0], [1.0, 6.0])
    0.5
    """
    with NumPyWords("rel_error", "x and y"):
        a, b = np.asarray(x), np.asarray(y)
        return float(np.max(np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))))


def _check(operation: str, name: str, x: object, h: object) -> float:
    """Return the step; refuse what cannot be changed in place by it."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        got = f"dtype {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
        raise InvalidTypeError(
            f"{operation}: {name} must be an array of floating-point numbers, which is changed in place, but got "
            f"{got}. Convert it first, for example with np.array(x, dtype=np.float64)."
        )
    if not x.flags.writeable:
        raise InvalidValueError(
            f"{operation}: {name} must be writeable, because it is changed in place and put back, but got a read-only "
            f"array (shape {x.shape}). Pass a copy: x.copy()."
        )
    step = check_number(operation, "h", h)
    if step <= 0:
        raise InvalidValueError(f"{operation}: h must be positive, but got {step!r}.")
    return step


def _weighted(
    operation: str, name: str, x: Array, grad: Array, h: object, result: Callable[[], Array], df: Any
) -> Array:
    """Write the gradient of ``sum(df * result())`` with respect to `x` into `grad`, and return it."""
    step = _check(operation, name, x, h)
    for ix in _positions(x):
        plus, minus, width = _both_sides(operation, x, ix, step, result)
        with NumPyWords(operation, "f(x) and df"):
            grad[ix] = np.sum((plus - minus) * df) / width
    return grad


def _positions(x: Array) -> Iterator[Position]:
    """Every position, in the order of the memory, as the original goes."""
    with np.nditer(x, flags=["multi_index", "zerosize_ok"]) as elements:
        while not elements.finished:
            yield elements.multi_index
            elements.iternext()


def _both_sides(operation: str, x: Array, ix: Position, h: float, result: Callable[[], Any]) -> tuple[Any, Any, Any]:
    """Return the result after and before a step of one element, and the width of both steps together."""
    x = x.view(np.ndarray)  # a subclass may read and write in its own way
    old = x[ix]
    try:
        x[ix] = old + h
        above, plus = x[ix], result()
        x[ix] = old - h
        below, minus = x[ix], result()
    finally:
        x[ix] = old
    if x.dtype.itemsize >= 8:
        return plus, minus, 2 * h
    width = float(above) - float(below)
    if width == 0:
        raise InvalidValueError(
            f"{operation}: h must change every element of x, but got {shown(h)}, which {x.dtype} does not tell from "
            "nothing "
            f"beside {old} (position {ix}). Use float64, or a larger h."
        )
    return plus, minus, width
