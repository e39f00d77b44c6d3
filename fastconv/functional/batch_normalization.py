"""Batch normalisation: the public functions."""

from __future__ import annotations

from collections.abc import Iterable

from fastconv.errors import InvalidValueError
from fastconv.functional.call import ConvGradients
from fastconv.functional.normalization import NormCall, Statistics, rounded
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import GRADIENTS, check_flag
from fastconv.validation.types import ArrayLike, BackendName, Layout


def batch_norm_statistics(
    x: ArrayLike, *, layout: Layout | None = None, backend: BackendName | None = None
) -> Statistics:
    """Mean and biased variance of every channel, over batch and positions.

    ``(N, C, ...) -> (C,), (C,)``

    Parameters
    ----------
    x, layout, backend
        As for `batch_norm`.

    Returns
    -------
    mean, variance : ndarray, shape (C,)
        In the dtype of the computation: that of `x`, float32 for float16, float64 for integers. NaN for an empty batch.
        A variance that is too large for it is infinite here, and `batch_norm` uses what it is.

    Raises
    ------
    ValueError, TypeError
        If `x` has a shape or dtype that is not taken.

    Notes
    -----
    The variance is the mean of the squared deviations from the mean, block by block (Chan, Golub and LeVeque 1983), so
    that nothing cancels where the mean is far from zero.

    Examples
    --------
    >>> import numpy as np
    >>> batch_norm_statistics(np.array([[[1.0, 3.0], [5.0, 5.0]]]))
    (array([2., 5.]), array([1., 0.]))
    """
    return rounded(batch_norm_moments(x, layout=layout, backend=backend))


def batch_norm_moments(x: ArrayLike, *, layout: Layout | None = None, backend: BackendName | None = None) -> Statistics:
    """Those of `batch_norm_statistics` as the layers use them, with the variance in float64."""
    call = NormCall("batch_norm_statistics", x, layout, backend)
    mean, variance = call.moments(per_image=False)
    return mean[0], variance[0]


def batch_norm(
    x: ArrayLike,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    statistics: tuple[ArrayLike, ArrayLike] | None = None,
    eps: float = 1e-5,
    layout: Layout | None = None,
    backend: BackendName | None = None,
) -> Array:
    """Give every channel mean `bias` and standard deviation `weight`.

    ``(N, C, ...) * (C,) + (C,) -> (N, C, ...)``

    Parameters
    ----------
    x : array_like, shape (N, C), (N, C, W), (N, C, H, W) or (N, C, D, H, W)
        Input, of any strides; its memory order is kept.
    weight, bias : array_like, shape (C,), optional
        Factor and term of every channel; by default 1 and 0.
    statistics : pair of array_like, shape (C,), optional
        Mean and variance to normalise with, such as running ones; by default those of this batch.
    eps : float
        Added to the variance.
    layout : str, optional
        Order of the axes where there are spatial ones, such as "NHWC"; by default channels first.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    ndarray, shaped like `x`
        Its dtype is `np.result_type` of x, weight and bias, or float64 if that is an integer type. Statistics are
        converted to the dtype of the computation, but for a variance in float64.

    Raises
    ------
    ValueError
        If the shapes do not fit together or `eps` is negative.
    TypeError
        If a dtype is not taken.

    Notes
    -----
    ``y = (x - mean) / sqrt(variance + eps) * weight + bias`` with the biased variance (Ioffe and Szegedy 2015,
    algorithm 1).

    Examples
    --------
    >>> import numpy as np
    >>> batch_norm(np.array([[1.0, 10.0], [3.0, 14.0]]), [2.0, 1.0], [0.0, 5.0], eps=0.0)
    array([[-2.,  4.],
           [ 2.,  6.]])
    """
    call = NormCall("batch_norm", x, layout, backend, weight=weight, bias=bias)
    return call.normalized(call.pair(statistics, per_image=False), eps)


def batch_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    statistics: tuple[ArrayLike, ArrayLike] | None = None,
    training: bool = True,
    eps: float = 1e-5,
    needs: Iterable[str] = GRADIENTS,
    layout: Layout | None = None,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `batch_norm` with respect to its input, weight and bias.

    ``(N, C, ...), (N, C, ...), (C,) -> dx (N, C, ...), dweight (C,), dbias (C,)``

    Parameters
    ----------
    dy : array_like, shaped like the output
        Gradient of the loss with respect to the output.
    x, weight
        As in the forward call.
    statistics : pair of array_like, shape (C,), optional
        Mean and variance of the forward call; with ``training=True`` those of the batch, computed again if not given.
    training : bool
        Whether the statistics are those of the batch, so that they depend on `x`; False takes them for constants.
    eps, layout, backend
        As in the forward call.
    needs : iterable of {"x", "weight", "bias"}
        Gradients to compute; the others are None.

    Returns
    -------
    ConvGradients
        ``(dx, dweight, dbias)``.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or constants are not given.
    TypeError
        If a dtype is not taken.

    Notes
    -----
    With ``x̂ = (x - mean) / sqrt(variance + eps)`` over M numbers: ``dweight = sum dy x̂``, ``dbias = sum dy``,
    ``dx = weight / sqrt(variance + eps) * (dy - dbias / M - x̂ dweight / M)``; the last two terms are those of the
    statistics. x̂ is computed again from `x`, so that nobody has to keep it.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [2.0], [4.0]])
    >>> batch_norm_backward(np.ones((3, 1)), x).dx.round(9) + 0.0
    array([[0.],
           [0.],
           [0.]])
    """
    call = NormCall("batch_norm_backward", x, layout, backend, dy=dy, weight=weight)
    constant = not check_flag(call.operation, "training", training)
    if constant and statistics is None:
        raise InvalidValueError("batch_norm_backward: statistics must be given with training=False, but got None.")
    return call.gradients(call.pair(statistics, per_image=False), eps, needs, constant=constant)
