"""Batch normalisation, and the running statistics that it shares with instance normalisation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidValueError
from fastconv.functional.batch_normalization import batch_norm, batch_norm_backward, batch_norm_moments
from fastconv.functional.call import ConvGradients
from fastconv.functional.normalization import Statistics, track
from fastconv.layers.base import Shape
from fastconv.layers.normalization import Normalization
from fastconv.layers.operation import OperationLayer, SpatialLayer
from fastconv.layers.parameter import note_change
from fastconv.validation.arrays import Array, check_array, check_dtype
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_any_shape, check_flag, check_integer, check_number
from fastconv.validation.types import ArrayLike, BackendName, Layout


class Running(SpatialLayer, OperationLayer, Normalization):
    """Normalisation of channels, with running statistics; the subclasses name the operation on those of an input."""

    _backward: ClassVar[Callable[..., ConvGradients]]
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    optional_buffers = ("num_batches_tracked",)  # states of PyTorch before 0.4.1 have none
    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Array | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        layout: Layout | None = None,
        dtype: DTypeLike = np.float32,
        backend: BackendName | None = None,
    ) -> None:
        super().__init__(eps, backend)
        name = type(self).__name__
        self.num_features = check_integer(name, "num_features", num_features, 1)
        self.momentum = None if momentum is None else check_number(name, "momentum", momentum, least=0, most=1)
        self.affine = check_flag(name, "affine", affine)
        self.track_running_stats = check_flag(name, "track_running_stats", track_running_stats)
        self._set_layout(layout)
        kind = check_dtype(name, dtype)
        self._make((self.num_features,), kind, weight=self.affine, bias=self.affine)
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if self.track_running_stats:
            check_fits(name, "the running statistics", (self.num_features,), kind.itemsize)
            self.running_mean = np.zeros(self.num_features, kind)
            self.running_var = np.ones(self.num_features, kind)
            self.num_batches_tracked = np.zeros((), np.int64)

    def reset_running_stats(self) -> None:
        """Start again: mean 0, variance 1, no batch seen."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean[...], self.running_var[...], self.num_batches_tracked[...] = 0, 1, 0
            note_change()

    @property
    def uses_batch(self) -> bool:
        """Whether the next forward pass takes the statistics of its own input."""
        return self.training or self.running_mean is None

    def forward(self, x: ArrayLike) -> Array:
        """Normalise `x`, and in training move the running statistics; see `Layer.forward`."""
        x = self._promoted(check_array(type(self).__name__, "x", x))
        self.output_shape(x.shape)
        options: dict[str, Any] = {"layout": self._layout_of(x.shape), "backend": self.backend}
        uses_batch = self.uses_batch
        operation = type(self)._forward if uses_batch else batch_norm
        statistics = self._statistics(x, options) if uses_batch else self._running()
        y = operation(x, self._weight_data, self._bias_data, statistics=statistics, eps=self.eps, **options)
        self._keep(x, *(table if uses_batch else table.copy() for table in statistics), uses_batch)
        return y

    def _gradients(self, dy: ArrayLike, input_gradient: bool) -> ConvGradients:
        x, mean, variance, uses_batch = self._kept()
        operation = type(self)._backward if uses_batch else partial(batch_norm_backward, training=False)
        dy, tables = self._check_dy(dy, x.shape), {"statistics": (mean, variance), "eps": self.eps}
        options = {**tables, "layout": self._layout_of(x.shape), **self._gradient_options(input_gradient)}
        return operation(dy, x, self._weight_data, **options)

    @abstractmethod
    def _statistics(self, x: Array, options: dict[str, Any]) -> Statistics:
        """Statistics of an input, which in training move the running ones."""

    def flops(self, input_shape: Shape) -> int:
        """Per number: one for the mean, three for the variance, three to normalise with them."""
        return (7 if self.uses_batch else 3) * prod(input_shape)

    def _running(self) -> Statistics:
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, self.running_var

    def _track(
        self, statistics: Statistics, numbers: int, momentum: float | None, batches: Array | None = None
    ) -> None:
        """Move the running statistics towards those of a batch, over so many numbers, and count it in `batches`."""
        note_change()
        track(type(self).__name__, self.backend, self._running(), statistics, numbers, momentum, batches)

    def _layout_of(self, shape: Shape) -> str:
        return "NC" if len(shape) == 2 else self.layout

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        return self._with_channels(input_shape, self.layout, self.num_features, "num_features")

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}" + self._layout_repr()
        )


class _BatchNorm(Running):
    """Batch normalisation of any rank."""

    _operation = "batch_norm"

    def check_batch(self, input_shape: Shape) -> None:
        """Refuse an input with one value per channel; see `Layer.check_batch`."""
        if prod(input_shape) == self.num_features:
            raise InvalidValueError(
                f"{type(self).__name__}: the input must have more than 1 value per channel in training, but got shape "
                f"{tuple(input_shape)}. Use a larger batch, or eval()."
            )

    def _statistics(self, x: Array, options: dict[str, Any]) -> Statistics:
        self.check_batch(x.shape)
        numbers = prod(x.shape) // self.num_features
        statistics = batch_norm_moments(x, **options)
        if self.training and self.num_batches_tracked is not None:
            if numbers:
                self._track(statistics, numbers, self.momentum, self.num_batches_tracked)
            else:
                self.num_batches_tracked[...] += 1
        return statistics

    def kept_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Mean and variance of every channel, the variance in float64."""
        return self.num_features * (max(itemsize, 4) + 8)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of rows or of lines, see `BatchNorm2d`.

    ``(N, num_features) -> (N, num_features)`` or ``(N, num_features, W) -> (N, num_features, W)``

    Arguments as for `BatchNorm2d`, with one axis; `layout` is "NCW" or "NWC", and does not matter without a W.

    Examples
    --------
    >>> import numpy as np
    >>> BatchNorm1d(1, eps=0.0)(np.array([[1.0], [3.0]], np.float32))
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    rank = 1

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        return self._with_channels(shape, self._layout_of(shape), self.num_features, "num_features")


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of planes: every channel gets mean `bias` and standard deviation `weight`.

    ``(N, num_features, H, W) -> (N, num_features, H, W)``

    In training the statistics are those of the batch; in evaluation the running ones, which are constants in the
    backward pass too.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float
        Added to the variance.
    momentum : float or None
        How far a batch moves the running statistics towards its own; None takes the mean over all batches.
    affine : bool
        Whether there are a weight (ones at first) and a bias (zeros).
    track_running_stats : bool
        False takes the statistics of the batch in evaluation too.
    layout : {"NCHW", "NHWC"}
        Order of the axes of input and output.
    dtype : dtype
        Of parameters and running statistics: float16, float32 or float64.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this layer; by default the one that is current when `forward` runs.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
        Standard deviation and mean of the output.
    running_mean, running_var : ndarray, shape (num_features,), or None
        Running statistics; arrays can be assigned. The variance is unbiased.
    num_batches_tracked : ndarray of int64, shape (), or None
        Batches seen in training.

    Raises
    ------
    ValueError
        If a size is not positive, a number out of range; in `forward`, if there is but one value per channel.
    TypeError
        If an argument has the wrong type.

    Notes
    -----
    Ioffe and Szegedy 2015, with the conventions of PyTorch: ``running = (1 - momentum) * running + momentum * batch``,
    the biased variance to normalise with and the unbiased one to remember.

    Examples
    --------
    >>> import numpy as np
    >>> layer = BatchNorm2d(1)
    >>> y = layer(np.array([[[[1.0, 3.0]]]], np.float32))
    >>> y.round(2), layer.running_mean, layer.running_var
    (array([[[[-1.,  1.]]]], dtype=float32), array([0.2], dtype=float32), array([1.1], dtype=float32))
    """

    rank = 2


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes, see `BatchNorm2d`.

    ``(N, num_features, D, H, W) -> (N, num_features, D, H, W)``

    Arguments as for `BatchNorm2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> BatchNorm3d(4).output_shape((2, 4, 3, 5, 6))
    (2, 4, 3, 5, 6)
    """

    rank = 3
