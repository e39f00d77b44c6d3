"""Instance normalisation: the public functions."""

from __future__ import annotations

from collections.abc import Iterable

from fastconv.functional.call import ConvGradients
from fastconv.functional.normalization import NormCall, Statistics, rounded
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import GRADIENTS
from fastconv.validation.types import ArrayLike, BackendName, Layout


def instance_norm_statistics(
    x: ArrayLike, *, layout: Layout | None = None, backend: BackendName | None = None
) -> Statistics:
    """Mean and biased variance of every channel of every image.

    ``(N, C, ...) -> (N, C), (N, C)``

    Parameters
    ----------
    x, layout, backend
        As for `batch_norm`; `x` has at least one spatial axis.

    Returns
    -------
    mean, variance : ndarray, shape (N, C)
        As of `batch_norm_statistics`.

    Examples
    --------
    >>> import numpy as np
    >>> instance_norm_statistics(np.array([[[1.0, 3.0]], [[5.0, 5.0]]]))[1]
    array([[1.],
           [0.]])
    """
    return rounded(instance_norm_moments(x, layout=layout, backend=backend))


def instance_norm_moments(
    x: ArrayLike, *, layout: Layout | None = None, backend: BackendName | None = None
) -> Statistics:
    """Those of `instance_norm_statistics` as the layers use them, with the variance in float64."""
    call = NormCall("instance_norm_statistics", x, layout, backend, spatial=True)
    return call.moments(per_image=True)


def instance_norm(
    x: ArrayLike,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    statistics: tuple[ArrayLike, ArrayLike] | None = None,
    eps: float = 1e-5,
    layout: Layout | None = None,
    backend: BackendName | None = None,
) -> Array:
    """Give every channel of every image mean `bias` and standard deviation `weight`.

    ``(N, C, ...) * (C,) + (C,) -> (N, C, ...)``

    Parameters
    ----------
    x, weight, bias, eps, layout, backend
        As for `batch_norm`; `x` has at least one spatial axis.
    statistics : pair of array_like, shape (N, C), optional
        Mean and variance of every channel of every image, if they are known already.

    Returns
    -------
    ndarray, shaped like `x`
        As of `batch_norm`.

    Notes
    -----
    `batch_norm` of every image on its own (Ulyanov, Vedaldi and Lempitsky 2016).

    Examples
    --------
    >>> import numpy as np
    >>> instance_norm(np.array([[[1.0, 3.0]], [[50.0, 70.0]]])).round(3)
    array([[[-1.,  1.]],
           [[-1.,  1.]]])
    """
    call = NormCall("instance_norm", x, layout, backend, spatial=True, weight=weight, bias=bias)
    return call.normalized(call.pair(statistics, per_image=True), eps)


def instance_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    statistics: tuple[ArrayLike, ArrayLike] | None = None,
    eps: float = 1e-5,
    needs: Iterable[str] = GRADIENTS,
    layout: Layout | None = None,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `instance_norm` with respect to its input, weight and bias.

    ``(N, C, ...), (N, C, ...), (C,) -> dx (N, C, ...), dweight (C,), dbias (C,)``

    Arguments as for `batch_norm_backward`; `statistics` as in the forward call.

    Examples
    --------
    >>> import numpy as np
    >>> instance_norm_backward(np.ones((2, 1, 3)), np.array([[[1.0, 2, 4]], [[0.0, 1, 5]]])).dbias
    array([6.])
    """
    call = NormCall("instance_norm_backward", x, layout, backend, spatial=True, dy=dy, weight=weight)
    return call.gradients(call.pair(statistics, per_image=True), eps, needs)
