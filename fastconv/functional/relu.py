"""ReLU, which has kernels of its own, and the sum in front of it."""

from __future__ import annotations

from typing import Any

from fastconv.backends import resolve_backend
from fastconv.functional.views import as_computed, finish
from fastconv.validation.arrays import Array, check_array, check_shape, common_dtype
from fastconv.validation.sizes import check_flag

__all__ = ["add", "relu", "relu_backward"]


def relu(x: Any, *, backend: str | None = None) -> Array:
    """Compute ``max(x, 0)``.

    Parameters
    ----------
    x : array_like
        Input of any shape.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shaped like x
        NaN stays NaN.

    Examples
    --------
    >>> relu([[-1.5, 0.0, 2.5]])
    array([[0. , 0. , 2.5]])
    """
    x = check_array("relu", "x", x)
    dtype = common_dtype("relu", x)
    return finish(resolve_backend(backend, "relu").relu(as_computed(x, dtype)), dtype, channels_last=False)


def relu_backward(dy: Any, y: Any, *, backend: str | None = None) -> Array:
    """Gradient of `relu`, from its output: `dy` where the output is positive, and 0 elsewhere.

    Parameters
    ----------
    dy : array_like, shaped like y
        Gradient of the loss with respect to the output.
    y : array_like
        The output; the input does as well.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shaped like y
        The gradient at 0 is 0; where `y` is NaN it is `dy`, as in PyTorch.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> relu_backward([[1.0, 2.0, 3.0]], [[0.0, 0.0, 2.5]])
    array([[0., 0., 3.]])
    """
    dy, y = check_array("relu_backward", "dy", dy), check_array("relu_backward", "y", y)
    check_shape("relu_backward", "dy", dy.shape, y.shape, "that of y")
    dtype = common_dtype("relu_backward", dy, y)
    dx = resolve_backend(backend, "relu_backward").relu_backward(as_computed(dy, dtype), as_computed(y, dtype))
    return finish(dx, dtype, channels_last=False)


def add(a: Any, b: Any, *, relu: bool = False, backend: str | None = None) -> Array:
    """Add two arrays of one shape, and apply ReLU to the sum if wanted: the end of a residual block in one pass.

    Parameters
    ----------
    a, b : array_like
        Arrays of the same shape.
    relu : bool
        Whether to return ``max(a + b, 0)``. The gradient with respect to both is then `relu_backward` from the output.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shaped like a
        The sum.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> add([1.0, -2.0], [0.5, 0.5]), add([1.0, -2.0], [0.5, 0.5], relu=True)
    (array([ 1.5, -1.5]), array([1.5, 0. ]))
    """
    a, b = check_array("add", "a", a), check_array("add", "b", b)
    check_shape("add", "b", b.shape, a.shape, "that of a")
    dtype = common_dtype("add", a, b)
    total = resolve_backend(backend, "add").add(
        as_computed(a, dtype), as_computed(b, dtype), check_flag("add", "relu", relu)
    )
    return finish(total, dtype, channels_last=False)
