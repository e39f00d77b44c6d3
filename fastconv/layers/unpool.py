"""Layers of max unpooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.layers.base import Layer, Shape
from fastconv.layers.operation import OperationLayer
from fastconv.layers.planes import MaximaLayer
from fastconv.validation.arrays import Array, check_array, layout_shape, logical_shape
from fastconv.validation.sizes import check_any_shape
from fastconv.validation.types import ArrayLike


class _MaxUnpool(OperationLayer):
    """The way back of a max pooling of any rank."""

    _operation = "max_unpool{rank}d"
    _backward: ClassVar[Callable[..., Array]]

    def __init__(self, pool: Layer) -> None:
        super().__init__()
        name = type(self).__name__
        if not isinstance(pool, MaximaLayer) or pool.rank != self.rank:
            raise InvalidTypeError(
                f"{name}: pool must be a max-pooling layer over {self.rank} spatial axes, but got {shown(pool)}."
            )
        self._pool = (pool,)  # in a tuple, so that it does not count as a layer inside this one

    @property
    def pool(self) -> MaximaLayer:
        """The pooling whose maxima are put back."""
        return self._pool[0]

    def forward(self, x: ArrayLike) -> Array:
        """Put `x` where the maxima of the last forward pass of the pooling were; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        maxima, input_shape = self.pool._recall().values
        indices = maxima.indices()
        if x.shape != indices.shape:
            raise InvalidValueError(
                f"{type(self).__name__}: x must have the shape that the pooling gave, {indices.shape}, but got "
                f"{x.shape}."
            )
        size = logical_shape(input_shape, channels_last=self.pool._channels_last)[2:]
        y = self._forward(x, indices, size, layout=self.pool.layout, backend=self.pool.backend)
        self._keep(indices, y.shape)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return the gradients at the places of the maxima; see `Layer.backward`."""
        indices, shape = self._kept()
        dy = self._check_dy(dy, shape)
        if not input_gradient:
            return None
        backend = self.pool.backend or self._kept_backend()
        return self._backward(dy, indices, layout=self.pool.layout, backend=backend)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Batch and channels of the input, with the planes that the pooling last had; see `Layer.output_shape`."""
        _, pooled = self.pool._recall().values
        last = self.pool._channels_last
        batch = logical_shape(check_any_shape(type(self).__name__, "input_shape", input_shape), channels_last=last)[:2]
        return layout_shape((*batch, *logical_shape(pooled, channels_last=last)[2:]), channels_last=last)

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return repr(self.pool)


class MaxUnpool2d(_MaxUnpool):
    """Put every element where the maximum of a pooling was, zeros elsewhere, see `fastconv.max_unpool2d`.

    ``(N, C, OH, OW) -> (N, C, H, W)``

    Parameters
    ----------
    pool : MaxPool2d, AdaptiveMaxPool2d or GlobalMaxPool2d
        The pooling that is undone. It stands earlier in the same network; its last forward pass says where the maxima
        were and how large the planes are, so that odd sizes come back right.

    Notes
    -----
    Zeiler and Fergus (2014), "Visualizing and Understanding Convolutional Networks", section 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import MaxPool2d, Sequential
    >>> pool = MaxPool2d(2)
    >>> model = Sequential(pool, MaxUnpool2d(pool))
    >>> model(np.array([[[[1.0, 5, 2], [3, 4, 8]]]]))
    array([[[[0., 5., 0.],
             [0., 0., 0.]]]])
    """

    rank = 2


class MaxUnpool1d(_MaxUnpool):
    """Put every element where the maximum of a pooling was, see `MaxUnpool2d`.

    ``(N, C, OW) -> (N, C, W)``
    """

    rank = 1


class MaxUnpool3d(_MaxUnpool):
    """Put every element where the maximum of a pooling was, see `MaxUnpool2d`.

    ``(N, C, OD, OH, OW) -> (N, C, D, H, W)``
    """

    rank = 3
