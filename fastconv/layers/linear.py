"""Linear layers, and the flattening before them."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from fastconv import initializers
from fastconv.errors import InvalidValueError
from fastconv.functional.copies import in_memory_order, memory_order
from fastconv.functional.linear import linear, linear_backward
from fastconv.layers.base import Layer, Shape
from fastconv.layers.parameter import Parameter
from fastconv.layers.weighted import WeightedLayer
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_any_shape, check_integer
from fastconv.validation.types import ArrayLike, BackendName, Rng


class Linear(WeightedLayer):
    """Fully connected layer: ``y = x weightᵀ + bias``.

    ``(N, in_features) -> (N, out_features)``

    Parameters
    ----------
    in_features, out_features : int
        Columns of the input and of the output.
    bias : bool
        Whether to add a bias, zero at first.
    dtype, rng, weight_init, backend
        As for `Conv2d`.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
        The matrix.
    bias : Parameter, shape (out_features,), or None
        The bias.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Linear(3, 2, rng=0)
    >>> layer.weight = [[1, 0, 0], [0, 1, 1]]
    >>> layer(np.array([[1, 2, 3]], np.float32))
    array([[1., 5.]], dtype=float32)
    >>> layer.backward(np.ones((1, 2), np.float32))
    array([[1., 1., 1.]], dtype=float32)
    """

    weight: Parameter

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
        weight_init: str | initializers.Initializer = "he_normal",
        backend: BackendName | None = None,
    ) -> None:
        super().__init__(backend)
        self.in_features = check_integer("Linear", "in_features", in_features, 1)
        self.out_features = check_integer("Linear", "out_features", out_features, 1)
        self._draw((self.out_features, self.in_features), self.out_features, bias, dtype, rng, weight_init)

    def forward(self, x: ArrayLike) -> Array:
        """Return ``x weightᵀ + bias``; see `Layer.forward`."""
        x = check_array("Linear", "x", x)
        self.output_shape(x.shape)
        y = linear(x, self.weight.data, self._bias_data, backend=self.backend)
        self._keep(x)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Add the gradients of weight and bias, return that of the input; see `Layer.backward`."""
        (x,) = self._kept()
        dy = self._check_dy(dy, self.output_shape(x.shape))
        return self._accumulate(linear_backward(dy, x, self.weight.data, **self._gradient_options(input_gradient)))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, out_features); see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        if len(shape) != 2 or shape[1] != self.in_features:
            hint = " Put a Flatten layer before it." if len(shape) > 2 else ""
            raise InvalidValueError(
                f"Linear: the input must have shape (N, {self.in_features}), but got {shape}.{hint}"
            )
        return (shape[0], self.out_features)

    def multiply_adds(self, input_shape: Shape) -> int:
        """N * in_features * out_features."""
        return prod((*input_shape, self.out_features))

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Flatten(Layer):
    """Put all axes but the batch into one, in (C, H, W) order: ``(N, C, H, W) -> (N, C*H*W)``; or some of them.

    Parameters
    ----------
    start_dim, end_dim : int
        First and last axis that become one; negative ones count from the end, as in `torch.nn.Flatten`.

    Examples
    --------
    >>> Flatten().output_shape((8, 16, 5, 7))
    (8, 560)
    >>> Flatten(2).output_shape((8, 16, 5, 7))
    (8, 16, 35)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = check_integer("Flatten", "start_dim", start_dim, -(2**63))
        self.end_dim = check_integer("Flatten", "end_dim", end_dim, -(2**63))

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        whole = (self.start_dim, self.end_dim) == (1, -1)
        return "" if whole else f"start_dim={self.start_dim}, end_dim={self.end_dim}"

    def forward(self, x: ArrayLike) -> Array:
        """Return `x` with some axes in one; see `Layer.forward`."""
        image = check_array("Flatten", "x", x)
        shape, order = self.output_shape(image.shape), memory_order(image)
        if not self._is_run(image):
            image = in_memory_order("Flatten", image, range(image.ndim))
        self._keep(image.shape, order)
        return image.reshape(shape)

    def _is_run(self, image: Array) -> bool:
        """Whether the axes that become one are one in memory already."""
        axes = [*zip(image.shape, image.strides)][self.start_dim : self.end_dim % image.ndim + 1]
        axes = [axis for axis in axes if axis[0] != 1]
        return not image.size or all(outer == size * inner for (_, outer), (size, inner) in pairwise(axes))

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return `dy` in the shape and the memory order of the input; see `Layer.backward`."""
        shape, order = self._kept()
        image = self._check_dy(dy, self.output_shape(shape)).reshape(shape)
        if not input_gradient:
            return None
        # channels last as the input was, once: every layer before this one would have to convert a larger array
        return in_memory_order("Flatten", image, order)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape with one axis in the place of some; see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        if len(shape) < 2:
            raise InvalidValueError(f"Flatten: the input must have at least 2 axes, (N, ...), but got shape {shape}.")
        first, last = (dim + len(shape) if dim < 0 else dim for dim in (self.start_dim, self.end_dim))
        if not 0 <= first <= last < len(shape):
            raise InvalidValueError(
                f"Flatten: start_dim and end_dim must be axes of the input, the first not after the last, but got "
                f"{self.start_dim} and {self.end_dim} for shape {shape}."
            )
        return (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :])


class Identity(Layer):
    """Return the input as it is.

    Examples
    --------
    >>> Identity()([1.0, 2.0])
    array([1., 2.])
    """

    returns_view = True

    def forward(self, x: ArrayLike) -> Array:
        """Return `x`; see `Layer.forward`."""
        y = check_array("Identity", "x", x)
        self._keep(y.shape)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return `dy`; see `Layer.backward`."""
        (shape,) = self._kept()
        dy = self._check_dy(dy, shape)
        return dy if input_gradient else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        return check_any_shape(type(self).__name__, "input_shape", input_shape)
