"""Local response normalisation, across neighbouring channels: the public functions."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.backends.base import Backend
from fastconv.backends.geometry import WindowGeometry, conv_axis
from fastconv.functional.normalization import NormCall
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_integer, check_number
from fastconv.validation.types import ArrayLike, BackendName, Layout


def local_response_norm(
    x: ArrayLike,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    layout: Layout | None = None,
    backend: BackendName | None = None,
) -> Array:
    """Divide every element by a power of the mean square of its neighbours in other channels.

    ``(N, C, ...) -> (N, C, ...)``

    Parameters
    ----------
    x : array_like, shape (N, C, W), (N, C, H, W) or (N, C, D, H, W)
        Input, of any strides; its memory order is kept.
    layout, backend
        As for `batch_norm`.
    size : int
        Channels of a window: ``size // 2`` before an element, ``(size - 1) // 2`` after it.
    alpha, beta, k : float
        Not negative.

    Returns
    -------
    ndarray, shaped like `x`
        In the dtype of `x`, or float64 if that is an integer type.

    Notes
    -----
    ``y = x / (k + alpha * mean of x² over the window)^beta``, as in PyTorch; missing channels count as zeros.
    Krizhevsky, Sutskever and Hinton (2012, section 3.3) have the sum in place of the mean, so that their alpha is
    this one over `size`.

    Examples
    --------
    >>> import numpy as np
    >>> local_response_norm(np.array([[[2.0], [4.0]]]), 2, alpha=1.0, beta=1.0, k=0.0)
    array([[[1. ],
            [0.4]]])
    """
    call = NormCall("local_response_norm", x, layout, backend, spatial=True)
    response = _Response(call, size, alpha, beta, k)
    return call.finish(response.divided(call.x)) if call.x.size else call.finish(np.empty_like(call.x))


def local_response_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    layout: Layout | None = None,
    backend: BackendName | None = None,
) -> Array:
    """Gradient of `local_response_norm` with respect to its input.

    ``(N, C, ...), (N, C, ...) -> (N, C, ...)``

    Parameters
    ----------
    dy : array_like, shaped like `x`
        Gradient of the loss with respect to the output.
    x, size, alpha, beta, k, layout, backend
        As in the forward call.

    Returns
    -------
    ndarray, shaped like `x`
        In the common dtype of `dy` and `x`.

    Notes
    -----
    With the divisor ``d = k + alpha * mean of x²``: ``dx = dy d^-beta - 2 alpha beta / size * x * sum of
    dy x d^(-beta - 1)`` over the windows that an element is in.

    Examples
    --------
    >>> import numpy as np
    >>> local_response_norm_backward(np.ones((1, 1, 2)), np.array([[[1.0, 2.0]]]), 1, alpha=0.0)
    array([[[1., 1.]]])
    """
    call = NormCall("local_response_norm_backward", x, layout, backend, spatial=True, dy=dy)
    response = _Response(call, size, alpha, beta, k)
    return call.finish(response.gradient(call.dy, call.x) if call.x.size else np.empty_like(call.x))


class _Response:
    """The computation in memory order: channels-last as rows of channels, else planes whose rows are channels."""

    def __init__(self, call: NormCall, size: object, alpha: object, beta: object, k: object) -> None:
        operation = call.operation
        self.size = check_integer(operation, "size", size, 1)
        self.alpha, self.beta, self.k = (
            check_number(operation, name, value, least=0)
            for name, value in (("alpha", alpha), ("beta", beta), ("k", k))
        )
        self._call = call
        moved = np.moveaxis(call.x, 1, -1)
        self._last = moved.flags.c_contiguous and not call.x.flags.c_contiguous
        channels, pixels = call.x.shape[1], prod(call.x.shape[2:])
        self._shape = moved.shape if self._last else call.x.shape
        batch, width = (prod(moved.shape[:-1]), 1) if self._last else (len(call.x), pixels)
        taps = min(self.size, 2 * channels - 1)  # of a longer window no more ever lies on a channel
        self._share = taps / self.size
        across = conv_axis(channels, taps, 1, 1, taps // 2, (taps - 1) // 2)
        along = conv_axis(width, 1, 1, 1, 0, 0)
        self._geometry = WindowGeometry((along, across) if self._last else (across, along), batch, 1)

    def _planes(self, array: Array) -> Array:
        """(N, C, *spatial) -> (rows, 1, 1, C) or (N, 1, C, pixels)."""
        stored = np.moveaxis(array, 1, -1) if self._last else array
        return stored.reshape(self._geometry.input_shape)

    def _back(self, planes: Array) -> Array:
        array = planes.reshape(self._shape)
        return np.moveaxis(array, -1, 1) if self._last else array

    def _divisor(self, x: Array) -> Array:
        divisor = self._call.compute(Backend.avg_pool, np.square(x), self._geometry, True)
        divisor *= divisor.dtype.type(self.alpha * self._share)
        divisor += divisor.dtype.type(self.k)
        return divisor

    @np.errstate(all="ignore")
    def divided(self, x: Array) -> Array:
        """The result of a forward call."""
        planes = self._planes(x)
        return self._back(planes * self._divisor(planes) ** planes.dtype.type(-self.beta))

    @np.errstate(all="ignore")
    def gradient(self, dy: Array, x: Array) -> Array:
        """Its gradient."""
        planes, gradient = self._planes(x), self._planes(dy)
        divisor, kind = self._divisor(planes), planes.dtype.type
        dx = gradient * divisor ** kind(-self.beta)
        shares = self._call.compute(Backend.avg_pool_backward, dx * planes / divisor, self._geometry, True)
        shares *= planes
        shares *= kind(2 * self.alpha * self._share * self.beta)
        dx -= shares
        return self._back(dx)
