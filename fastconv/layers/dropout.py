"""Dropout: of single numbers, and of whole channels."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv.backends import get_backend
from fastconv.backends.base import Backend
from fastconv.backends.dropout import shifted
from fastconv.backends.geometry import CHANNELS_LAST
from fastconv.functional.call import as_computed, compute, finish
from fastconv.layers.arguments import check_input_shape
from fastconv.layers.base import Layer, Shape
from fastconv.layers.operation import SpatialLayer
from fastconv.validation.arrays import Array, check_array, common_dtype, logical_shape
from fastconv.validation.sizes import check_any_shape, check_number, check_rng
from fastconv.validation.types import ArrayLike, Layout, Rng


class Dropout(Layer):
    """Zero numbers at random in training, and scale the others up, so that the expectation stays.

    ``(...) -> (...)``

    Parameters
    ----------
    p : float
        Probability of zeroing a number; the others are divided by ``1 - p``.
    rng : Generator, int or None
        Where the numbers to zero are drawn from; a seed draws the same again.

    Attributes
    ----------
    rng : numpy.random.Generator
        The generator; its state belongs to a checkpoint.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.

    Notes
    -----
    Srivastava et al. 2014, inverted: nothing happens in evaluation. Each pass draws one 64-bit seed from the generator.
    What is dropped is a function of that seed and of the position in the order of the axes alone (SplitMix64, counted:
    Steele, Lea and Flood 2014), on every backend, in any memory order, on any number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.5, rng=0)
    >>> layer(np.ones(6, np.float32))
    array([2., 2., 2., 0., 2., 0.], dtype=float32)
    >>> layer.eval()(np.ones(2, np.float32))
    array([1., 1.], dtype=float32)
    """

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        super().__init__()
        name = type(self).__name__
        self.p = check_number(name, "p", p, least=0, most=1)
        self.rng = check_rng(name, rng)
        self._seed = np.zeros(1, np.uint64)  # the same array always, which a recorded step reads
        self.first_image = 0  # of the input, in the batch that it is a part of
        self._numbers = 0  # that are kept or dropped, of an image

    @property
    def drops(self) -> bool:
        """Whether the next forward pass drops anything."""
        return self.training and self.p > 0

    def forward(self, x: ArrayLike) -> Array:
        """Drop, or return `x` as it is; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        shape = self.output_shape(x.shape)
        if not self.drops:
            self._keep(shape, None)
            return finish(x, common_dtype(type(self).__name__, x))
        backend = get_backend()
        self._numbers = prod(self._mask_shape(shape)[1:])
        self.draw()
        mask = self._mask(backend, x)
        self._keep(shape, mask)
        return self._masked(backend, x, mask)

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Return `dy` where numbers were kept, scaled as they were; see `Layer.backward`."""
        shape, mask = self._kept()
        dy = self._check_dy(dy, shape)
        if not input_gradient:
            return None
        return dy if mask is None else self._masked(self._kept_backend(), dy, mask)

    def draw(self) -> None:
        """Draw the seed of the next mask, into the array that it is read from."""
        drawn = int(self.rng.integers(2**64 - 1, dtype=np.uint64, endpoint=True))
        self._seed[0] = shifted(drawn, self.first_image * self._numbers)

    def _mask(self, backend: str, x: Array) -> Array:
        """What is kept: a byte per number, stored as `x` is."""
        return compute(type(self).__name__, backend, Backend.dropout_mask, self._seed, self.p, x)

    def _mask_shape(self, shape: Shape) -> Shape:
        """Shape of the mask for an input."""
        return shape

    def _masked(self, backend: str, x: Array, mask: Array) -> Array:
        dtype = common_dtype(type(self).__name__, x)
        return finish(self._applied(backend, as_computed(x, dtype), mask), dtype)

    def _applied(self, backend: str, x: Array, mask: Array) -> Array:
        return compute(type(self).__name__, backend, Backend.dropout, x, mask, self.p)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        return check_any_shape(type(self).__name__, "input_shape", input_shape)

    def flops(self, input_shape: Shape) -> int:
        """Two per number in training, none in evaluation."""
        return 2 * prod(input_shape) if self.drops else 0

    def kept_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """One byte per number."""
        return prod(input_shape) if self.drops else 0

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """None: a mask is drawn into the memory in which it is kept."""
        return 0

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return f"p={self.p}"


class _ChannelDropout(SpatialLayer, Dropout):
    """Dropout of whole channels."""

    def __init__(self, p: float = 0.5, *, layout: Layout | None = None, rng: Rng = None) -> None:
        super().__init__(p, rng=rng)
        self._set_layout(layout)

    def _mask(self, backend: str, x: Array) -> Array:
        """What is kept: a byte per channel of every image, (N, C, 1, …)."""
        cells = np.empty(self._mask_shape(x.shape), np.bool_)
        return super()._mask(backend, cells)

    def _mask_shape(self, shape: Shape) -> Shape:
        batch, channels, *sizes = logical_shape(shape, channels_last=self._channels_last)
        return (batch, channels, *(1,) * len(sizes))

    def _applied(self, backend: str, x: Array, mask: Array) -> Array:
        if not self._channels_last:
            return super()._applied(backend, x, mask)
        return super()._applied(backend, np.moveaxis(x, -1, 1), mask).transpose(CHANNELS_LAST[x.ndim])

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        return check_input_shape(type(self).__name__, input_shape, self.layout)

    def kept_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """One byte per channel of every image."""
        return input_shape[0] * input_shape[self.layout.index("C")] if self.drops else 0

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """None, as of `Dropout`."""
        return 0

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return f"p={self.p}{self._layout_repr()}"


class Dropout1d(_ChannelDropout):
    """Zero whole lines at random in training, see `Dropout2d`.

    ``(N, C, W) -> (N, C, W)``

    Arguments as for `Dropout2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> Dropout1d(0.2).output_shape((2, 3, 7))
    (2, 3, 7)
    """

    rank = 1


class Dropout2d(_ChannelDropout):
    """Zero whole planes at random in training, and scale the others up.

    ``(N, C, H, W) -> (N, C, H, W)``

    Parameters
    ----------
    p : float
        Probability of zeroing a channel of an image; the others are divided by ``1 - p``.
    layout : {"NCHW", "NHWC"}
        Order of the axes of input and output.
    rng
        As for `Dropout`.

    Notes
    -----
    Tompson et al. 2015, section 3.2: neighbouring cells of a plane are too much alike for `Dropout` to matter.

    Examples
    --------
    >>> import numpy as np
    >>> Dropout2d(0.5, rng=1)(np.ones((1, 3, 1, 2), np.float32))[0, :, 0]
    array([[2., 2.],
           [0., 0.],
           [0., 0.]], dtype=float32)
    """

    rank = 2


class Dropout3d(_ChannelDropout):
    """Zero whole volumes at random in training, see `Dropout2d`.

    ``(N, C, D, H, W) -> (N, C, D, H, W)``

    Arguments as for `Dropout2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> Dropout3d(0.2, layout="NDHWC")
    Dropout3d(p=0.2, layout='NDHWC')
    """

    rank = 3
