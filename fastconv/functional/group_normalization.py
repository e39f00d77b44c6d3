"""Group normalisation: the public functions."""

from __future__ import annotations

from collections.abc import Iterable

from fastconv.functional.call import ConvGradients
from fastconv.functional.normalization import NormCall, Statistics, rounded
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import GRADIENTS
from fastconv.validation.types import ArrayLike, BackendName, Layout


def group_norm_statistics(
    x: ArrayLike, num_groups: int, *, layout: Layout | None = None, backend: BackendName | None = None
) -> Statistics:
    """Mean and biased variance of every group of channels of every image.

    ``(N, C, ...) -> (N, num_groups), (N, num_groups)``

    Parameters
    ----------
    x, layout, backend
        As for `batch_norm`.
    num_groups : int
        Groups of neighbouring channels; divides C.

    Returns
    -------
    mean, variance : ndarray, shape (N, num_groups)
        As of `batch_norm_statistics`.

    Examples
    --------
    >>> import numpy as np
    >>> group_norm_statistics(np.array([[1.0, 3.0, 4.0, 4.0]]), 2)
    (array([[2., 4.]]), array([[1., 0.]]))
    """
    return rounded(group_norm_moments(x, num_groups, layout=layout, backend=backend))


def group_norm_moments(
    x: ArrayLike, num_groups: int, *, layout: Layout | None = None, backend: BackendName | None = None
) -> Statistics:
    """Those of `group_norm_statistics` as the layers use them, with the variance in float64."""
    call = NormCall("group_norm_statistics", x, layout, backend)
    return call.group_moments(call.groups(num_groups))


def group_norm(
    x: ArrayLike,
    num_groups: int,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    statistics: tuple[ArrayLike, ArrayLike] | None = None,
    eps: float = 1e-5,
    layout: Layout | None = None,
    backend: BackendName | None = None,
) -> Array:
    """Normalise every group of channels of every image, then scale and shift every channel.

    ``(N, C, ...) * (C,) + (C,) -> (N, C, ...)``

    Parameters
    ----------
    x, weight, bias, eps, layout, backend
        As for `batch_norm`.
    num_groups : int
        Groups of neighbouring channels; divides C.
    statistics : pair of array_like, shape (N, num_groups), optional
        Those of `group_norm_statistics`, if they are known already.

    Returns
    -------
    ndarray, shaped like `x`
        As of `batch_norm`.

    Notes
    -----
    Wu and He 2018, equation 7. One group normalises an image as a whole; C groups are `instance_norm`.

    Examples
    --------
    >>> import numpy as np
    >>> group_norm(np.array([[1.0, 3.0, 40.0, 80.0]]), 2).round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    call = NormCall("group_norm", x, layout, backend, weight=weight, bias=bias)
    return call.normalized(call.group_pair(statistics, call.groups(num_groups)), eps)


def group_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    num_groups: int,
    weight: ArrayLike | None = None,
    *,
    statistics: tuple[ArrayLike, ArrayLike] | None = None,
    eps: float = 1e-5,
    needs: Iterable[str] = GRADIENTS,
    layout: Layout | None = None,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `group_norm` with respect to its input, weight and bias.

    ``(N, C, ...), (N, C, ...), (C,) -> dx (N, C, ...), dweight (C,), dbias (C,)``

    Arguments as for `batch_norm_backward`; `num_groups` and `statistics` as in the forward call.

    Examples
    --------
    >>> import numpy as np
    >>> group_norm_backward(np.ones((2, 4)), np.arange(8.0).reshape(2, 4), 2).dbias
    array([2., 2., 2., 2.])
    """
    call = NormCall("group_norm_backward", x, layout, backend, dy=dy, weight=weight)
    return call.gradients(call.group_pair(statistics, call.groups(num_groups)), eps, needs)
