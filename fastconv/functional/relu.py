"""ReLU, which has kernels of its own, the sum in front of it, and its kin: leaky ReLU and ReLU6."""

from __future__ import annotations

from fastconv.backends.base import Backend
from fastconv.functional.call import Call
from fastconv.functional.elementwise import forward, gradient
from fastconv.validation.arrays import Array, check_shape
from fastconv.validation.sizes import check_flag, check_number
from fastconv.validation.types import ArrayLike, BackendName


def relu(x: ArrayLike, *, backend: BackendName | None = None) -> Array:
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
    call = Call("relu", backend)
    (x,) = call.arrays(x=x).values()
    return call.finish(call.compute(Backend.relu, call.computed(x)))


def relu_backward(dy: ArrayLike, y: ArrayLike, *, backend: BackendName | None = None) -> Array:
    """Gradient of `relu`, from its output: `dy` where the output is positive, and 0 elsewhere.

    Parameters
    ----------
    dy : array_like, shaped like y
        Gradient of the loss with respect to the output.
    y : array_like
        The output; the input does as well.
    backend
        As in the forward call.

    Returns
    -------
    ndarray, shaped like y
        The gradient at 0 is 0; where `y` is NaN it is `dy`, as in PyTorch.

    Examples
    --------
    >>> relu_backward([[1.0, 2.0, 3.0]], [[0.0, 0.0, 2.5]])
    array([[0., 0., 3.]])
    """
    call = Call("relu_backward", backend)
    dy, y = call.gradient_pair("y", dy, y)
    return call.finish(call.compute(Backend.relu_backward, dy, y))


def add(a: ArrayLike, b: ArrayLike, *, relu: bool = False, backend: BackendName | None = None) -> Array:
    """Add two arrays of one shape, and apply ReLU to the sum if wanted: the end of a residual block in one pass.

    Parameters
    ----------
    a, b : array_like
        Arrays of the same shape; nothing is broadcast.
    relu : bool
        Whether to return ``max(a + b, 0)``. The gradient with respect to both is then `relu_backward` from the output.
    backend
        As for `relu`.

    Returns
    -------
    ndarray, shaped like a
        The sum.

    Examples
    --------
    >>> add([1.0, -2.0], [0.5, 0.5]), add([1.0, -2.0], [0.5, 0.5], relu=True)
    (array([ 1.5, -1.5]), array([1.5, 0. ]))
    """
    call = Call("add", backend)
    a, b = call.arrays(a=a, b=b).values()
    check_shape("add", "b", b.shape, a.shape, "that of a")
    with_relu = check_flag("add", "relu", relu)
    return call.finish(call.compute(Backend.add, call.computed(a), call.computed(b), with_relu))


def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Array:
    """Compute `x` where it is positive and ``negative_slope * x`` elsewhere.

    Parameters
    ----------
    x : array_like
        Input of any shape.
    negative_slope : float
        At least 0, so that the sign of the output is that of the input.

    Returns
    -------
    ndarray, shaped like x
        The output.

    Raises
    ------
    ValueError
        If the slope is negative or not finite.

    Notes
    -----
    Maas, Hannun and Ng (2013), "Rectifier Nonlinearities Improve Neural Network Acoustic Models", section 2.

    Examples
    --------
    >>> leaky_relu([-2.0, 3.0], 0.1)
    array([-0.2,  3. ])
    """
    slope = check_number("leaky_relu", "negative_slope", negative_slope, least=0)
    return forward("leaky_relu", x, slope)


def leaky_relu_backward(dy: ArrayLike, y: ArrayLike, negative_slope: float = 0.01) -> Array:
    """Gradient of `leaky_relu`, from its output; at 0 it is that of the negative side.

    Arguments as for `relu_backward`, but for the backend; `negative_slope` as in the forward call.

    Examples
    --------
    >>> leaky_relu_backward([1.0, 1.0], [-0.2, 3.0], 0.1)
    array([0.1, 1. ])
    """
    slope = check_number("leaky_relu_backward", "negative_slope", negative_slope, least=0)
    return gradient("leaky_relu", dy, y, "y", slope)


def relu6(x: ArrayLike) -> Array:
    """Compute ``min(max(x, 0), 6)``.

    Arguments as for `leaky_relu`, but for the slope.

    Notes
    -----
    Krizhevsky (2010), "Convolutional Deep Belief Networks on CIFAR-10", section 2.1.

    Examples
    --------
    >>> relu6([-1.0, 3.0, 8.0])
    array([0., 3., 6.])
    """
    return forward("relu6", x)


def relu6_backward(dy: ArrayLike, y: ArrayLike) -> Array:
    """Gradient of `relu6`, from its output: `dy` strictly between 0 and 6, and 0 elsewhere.

    Arguments as for `relu_backward`, but for the backend. Where `y` is NaN the gradient is `dy`.

    Examples
    --------
    >>> relu6_backward([1.0, 1.0, 1.0], [0.0, 3.0, 6.0])
    array([0., 1., 0.])
    """
    return gradient("relu6", dy, y, "y")
