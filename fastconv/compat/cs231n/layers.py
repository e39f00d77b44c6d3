"""The layers of the assignments: affine, ReLU, normalisation, dropout, convolution, pooling, and two losses.

Names that end in ``_naive`` run the plain loops of the naive backend; the others run the current backend.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat.cs231n import normalization, windows
from fastconv.compat.cs231n.affine import affine_backward, affine_forward
from fastconv.compat.cs231n.arguments import OldNames, PoolCache, parameters, seed_global, unpacked
from fastconv.compat.cs231n.normalization import *  # noqa: F403 - what it lists
from fastconv.compat.cs231n.windows import ConvCache, Gradients
from fastconv.errors import InvalidValueError, shown
from fastconv.functional.call import finish
from fastconv.functional.relu import relu
from fastconv.functional.relu import relu_backward as _relu_backward
from fastconv.losses import multiclass_svm, softmax_cross_entropy
from fastconv.validation.arrays import Array, check_array, check_shape, common_dtype
from fastconv.validation.sizes import check_choice, check_number

__all__ = [
    "ReLU",
    "affine_backward",
    "affine_forward",
    "avg_pool_backward_naive",
    "avg_pool_forward_naive",
    "conv_backward_naive",
    "conv_forward_naive",
    "dropout_backward",
    "dropout_forward",
    "max_pool_backward_naive",
    "max_pool_forward_naive",
    "np",
    "relu_backward",
    "relu_forward",
    "softmax_loss",
    "svm_loss",
]
__all__ += normalization.__all__


def relu_forward(x: Any) -> tuple[Array, Any]:
    """Compute ``max(x, 0)``; the cache is x.

    Examples
    --------
    >>> relu_forward([-1.0, 2.0])[0]
    array([0., 2.])
    """
    return ReLU(x), x


def relu_backward(dout: Any, cache: Any) -> Array:
    """Return `dout` where x (the cache) is positive, and 0 elsewhere; `dout` stays as it is, and gives the dtype.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> relu_backward([1.0, 2.0, 3.0], [-1.0, 0.0, 2.0])
    array([0., 0., 3.])
    """
    operation = "relu_backward"
    dtype = common_dtype(operation, check_array(operation, "dout", dout))
    with OldNames(operation, {"y": "x", "dy": "dout"}):
        return finish(_relu_backward(dout, cache), dtype)


def ReLU(x: Any) -> Array:
    """Compute ``max(x, 0)``."""
    return relu(x)


def dropout_forward(x: Any, dropout_param: Any) -> tuple[Array, tuple[Any, Array | None]]:
    """Keep every number with probability p and divide it by p, or set it to zero.

    Parameters
    ----------
    x : array_like
        Input of any shape.
    dropout_param : dict
        'p', the probability of *keeping* a number (in the courses of 2016 and 2017 that of dropping it); 'mode',
        "train" or "test", where nothing happens; 'seed', for which `np.random.seed` is called, if there is one.

    Returns
    -------
    out : ndarray, shaped like x
        In the dtype of x, or float64 if that is an integer type.
    cache : tuple
        ``(dropout_param, mask)``; the mask holds 0 and 1/p, and is None in test mode.

    Raises
    ------
    ValueError
        If a key is missing or its value is not one of these; or p is 0 in training.

    Examples
    --------
    >>> out, cache = dropout_forward(np.ones(6), {"p": 0.5, "mode": "train", "seed": 1})
    >>> out
    array([2., 0., 2., 2., 2., 2.])
    """
    operation = "dropout_forward"
    p, mode = parameters(operation, "dropout_param", dropout_param, "p", "mode")
    keep = check_number(operation, "dropout_param['p']", p, least=0, most=1)
    training = check_choice(operation, "dropout_param['mode']", mode, ("train", "test")) == "train"
    x = check_array(operation, "x", x)
    dtype = common_dtype(operation, x)
    if "seed" in dropout_param:
        seed_global(operation, "dropout_param['seed']", dropout_param["seed"])
    if not training:
        return x.astype(dtype, copy=False), (dropout_param, None)
    if keep == 0:
        raise InvalidValueError(
            f"{operation}: dropout_param['p'] must be more than 0 to train, but got {shown(p)}. It is the "
            "probability of "
            "keeping a number; in the courses of 2016 and 2017 it was that of dropping it, for which 1 - p is right "
            "here."
        )
    mask = np.asarray((np.random.rand(*x.shape) < keep) / keep, dtype)
    out: Array = x * mask
    return out, (dropout_param, mask)


def dropout_backward(dout: Any, cache: Any) -> Array:
    """Return `dout` times the mask of `dropout_forward`, or as it is in test mode.

    Raises
    ------
    TypeError
        If `cache` is not ``(dropout_param, mask)``.
    """
    operation = "dropout_backward"
    _, mask = unpacked(operation, cache, ("dropout_param", "mask"))
    gradient = check_array(operation, "dout", dout)
    if mask is None:
        return gradient
    mask = check_array(operation, "mask", mask)
    check_shape(operation, "dout", gradient.shape, mask.shape, "the shape of x")
    dx: Array = gradient * mask
    return dx


def conv_forward_naive(x: Any, w: Any, b: Any, conv_param: Any) -> tuple[Array, ConvCache]:
    """Convolve with plain loops; arguments and results are those of `fast_layers.conv_forward_fast`.

    Examples
    --------
    >>> out, cache = conv_forward_naive([[[[1.0, 2.0, 4.0]]]], [[[[1.0, -1.0]]]], [0.5], {"stride": 1, "pad": 0})
    >>> out
    array([[[[-0.5, -1.5]]]])
    """
    return windows.conv_forward("conv_forward_naive", "naive", x, w, b, conv_param)


def conv_backward_naive(dout: Any, cache: Any) -> Gradients:
    """Gradients of a convolution with plain loops; see `fast_layers.conv_backward_fast`."""
    return windows.conv_backward("conv_backward_naive", "naive", dout, cache)


def max_pool_forward_naive(x: Any, pool_param: Any) -> tuple[Array, PoolCache]:
    """Max pooling with plain loops; arguments and results are those of `fast_layers.max_pool_forward_fast`.

    Examples
    --------
    >>> out, cache = max_pool_forward_naive([[[[1.0, 2.0, 0.0]]]], {"pool_height": 1, "pool_width": 2, "stride": 1})
    >>> out, max_pool_backward_naive([[[[3.0, 4.0]]]], cache)
    (array([[[[2., 2.]]]]), array([[[[0., 7., 0.]]]]))
    """
    return windows.max_pool_forward("max_pool_forward_naive", "naive", x, pool_param)


def max_pool_backward_naive(dout: Any, cache: Any) -> Array:
    """Gradient of a max pooling with plain loops; see `fast_layers.max_pool_backward_fast`."""
    return windows.max_pool_backward("max_pool_backward_naive", "naive", dout, cache)


def avg_pool_forward_naive(x: Any, pool_param: Any) -> tuple[Array, tuple[Any, Any]]:
    """Mean of every window with plain loops; see `fast_layers.avg_pool_forward_fast`."""
    return windows.avg_pool_forward("avg_pool_forward_naive", "naive", x, pool_param)


def avg_pool_backward_naive(dout: Any, cache: Any) -> Array:
    """Gradient of an average pooling with plain loops; see `fast_layers.avg_pool_backward_fast`."""
    return windows.avg_pool_backward("avg_pool_backward_naive", "naive", dout, cache)


def svm_loss(x: Any, y: Any) -> tuple[float, Array]:
    """Multiclass hinge loss with margin 1, and its gradient; both are divided by N.

    Parameters
    ----------
    x : array_like, shape (N, C)
        Scores.
    y : array_like of int, shape (N,)
        The right classes.

    Returns
    -------
    loss : float
        Mean over the batch.
    dx : ndarray, shape (N, C)
        Gradient with respect to x, in its dtype.

    Raises
    ------
    ValueError, TypeError
        If the shapes do not fit together, or a label is no class.

    See Also
    --------
    fastconv.losses.multiclass_svm : What it calls.

    Examples
    --------
    >>> svm_loss([[3.0, 2.5, 0.0]], [0])
    (0.5, array([[-1.,  1.,  0.]]))
    """
    with OldNames("svm_loss"):
        return multiclass_svm(x, y)


def softmax_loss(x: Any, y: Any) -> tuple[float, Array]:
    """Cross-entropy of the softmax of scores, and its gradient, as `svm_loss` takes and returns them.

    See Also
    --------
    fastconv.losses.softmax_cross_entropy : What it calls.

    Examples
    --------
    >>> loss, dx = softmax_loss([[2.0, 2.0]], [0])
    >>> round(loss, 6), dx
    (0.693147, array([[-0.5,  0.5]]))
    """
    with OldNames("softmax_loss"):
        return softmax_cross_entropy(x, y)
