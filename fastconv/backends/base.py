"""The contract of a backend.

Below the friendly door nothing is checked again: arrays arrive as (N, C, *spatial) views of any strides, in the native
float32 or float64 that the whole computation uses, with a frozen geometry of integers. A backend never modifies its
inputs, and returns fresh arrays of the same dtype in whatever memory order suits it. What optimisers need is another
matter: see `ParameterOperations`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.backends import activations
from fastconv.backends.dropout import DropoutMasks
from fastconv.backends.geometry import AdaptiveGeometry, ConvGeometry, WindowGeometry, conv_axis
from fastconv.backends.losses import Losses
from fastconv.backends.padding import Pair, pad, pad_backward
from fastconv.backends.parameters import ParameterOperations
from fastconv.backends.resampling import Resampled, Resampling, gathered, resample_backward
from fastconv.backends.softmax import SoftmaxAlongAxis

Array = NDArray[Any]
Gradients = tuple[Array | None, Array | None, Array | None]
PoolGeometry = WindowGeometry | AdaptiveGeometry


class Backend(Losses, SoftmaxAlongAxis, DropoutMasks, ParameterOperations, ABC):
    """One way to compute every operation, for any number of spatial axes."""

    name: str

    @abstractmethod
    def conv(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv2d and its kin."""

    @abstractmethod
    def conv_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients (dx, dweight, dbias) of conv2d and its kin; None for those not in `needs`."""

    def conv_transpose(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv_transpose2d and its kin; `geometry` is that of the convolution from y to x."""
        unused = np.broadcast_to(np.zeros((), x.dtype), geometry.input_shape)
        y, _, _ = self.conv_backward(x, unused, weight, geometry, frozenset({"x"}))
        assert y is not None
        if bias is not None:
            with np.errstate(all="ignore"):
                y += bias.reshape(-1, *(1,) * geometry.rank)
        return y

    def conv_transpose_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients (dx, dweight, dbias) of conv_transpose2d and its kin; None for those not in `needs`."""
        dx = self.conv(dy, weight, None, geometry) if "x" in needs else None
        dweight = dbias = None
        if "weight" in needs:
            _, dweight, _ = self.conv_backward(x, dy, weight, geometry, frozenset({"weight"}))
        if "bias" in needs:
            with np.errstate(all="ignore"):
                dbias = dy.sum(axis=(0, *range(2, dy.ndim)), dtype=np.float64).astype(dy.dtype)
        return dx, dweight, dbias

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Forward pass of linear, (N, I) and (O, I) to (N, O): by default a 1×1 convolution of rows as pixels."""
        y = self.conv(_as_image(x), weight[:, :, None], bias, _linear_geometry(x, weight))
        return _as_rows(y)

    def linear_backward(self, dy: Array, x: Array, weight: Array, needs: frozenset[str]) -> Gradients:
        """Gradients (dx, dweight, dbias) of linear; None for those not in `needs`."""
        dx, dweight, dbias = self.conv_backward(
            _as_image(dy), _as_image(x), weight[:, :, None], _linear_geometry(x, weight), needs
        )
        return None if dx is None else _as_rows(dx), None if dweight is None else dweight[:, :, 0], dbias

    @abstractmethod
    def max_pool(self, x: Array, geometry: WindowGeometry, return_indices: bool) -> tuple[Array, Array | None]:
        """Maxima, and (if asked for) their int64 positions in the flattened input plane."""

    @abstractmethod
    def max_pool_backward(self, dy: Array, indices: Array, input_shape: tuple[int, ...]) -> Array:
        """Gradient of max pooling, by scattering `dy` to `indices`."""

    @abstractmethod
    def max_pool_ties_backward(self, dy: Array, x: Array, geometry: WindowGeometry, ties: str) -> Array:
        """Gradient of max pooling for every cell that is the maximum of its window; with "split" they share it."""

    def max_pool_places(self, x: Array, geometry: PoolGeometry) -> tuple[Array, Array]:
        """Maxima and where they were, for the next two methods; by default as the int64 positions of `max_pool`."""
        pool: Any = self.adaptive_max_pool if isinstance(geometry, AdaptiveGeometry) else self.max_pool
        y, places = pool(x, geometry, True)
        return y, places

    def max_pool_places_backward(self, dy: Array, places: Array, geometry: PoolGeometry) -> Array:
        """Gradient of max pooling, from the places of its maxima."""
        return self.max_pool_backward(dy, places, geometry.input_shape)

    def max_pool_indices(self, places: Array, geometry: PoolGeometry) -> Array:
        """Positions in the flattened input plane that the places of maxima mean."""
        return places

    @abstractmethod
    def avg_pool(self, x: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Means of the windows."""

    @abstractmethod
    def avg_pool_backward(self, dy: Array, geometry: WindowGeometry, count_include_pad: bool) -> Array:
        """Gradient of average pooling."""

    @abstractmethod
    def lp_pool(self, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Norms of the windows, ``(sum |x|^p)^(1/p)``."""

    @abstractmethod
    def lp_pool_backward(self, dy: Array, x: Array, geometry: WindowGeometry, norm_type: float) -> Array:
        """Gradient of Lp pooling; a window of zeros has none."""

    @abstractmethod
    def adaptive_avg_pool(self, x: Array, geometry: AdaptiveGeometry) -> Array:
        """Means of the windows of adaptive pooling; global pooling has one of them."""

    @abstractmethod
    def adaptive_avg_pool_backward(self, dy: Array, geometry: AdaptiveGeometry) -> Array:
        """Gradient of adaptive average pooling."""

    @abstractmethod
    def adaptive_max_pool(
        self, x: Array, geometry: AdaptiveGeometry, return_indices: bool
    ) -> tuple[Array, Array | None]:
        """Maxima of the windows of adaptive pooling, and (if asked for) their int64 positions, as in `max_pool`."""

    @abstractmethod
    def max_unpool(self, y: Array, indices: Array, size: tuple[int, ...]) -> Array:
        """Planes of `size`, zero but for `y` at `indices`; of equal indices the last in row-major order wins."""

    @abstractmethod
    def max_unpool_backward(self, dy: Array, indices: Array) -> Array:
        """Gradient of `max_unpool`: what `dy` has at `indices`."""

    @abstractmethod
    def relu(self, x: Array) -> Array:
        """Return max(x, 0) for an array of any shape; NaN stays."""

    @abstractmethod
    def relu_backward(self, dy: Array, y: Array) -> Array:
        """Gradient of `relu` from its output: dy where y is positive or NaN, else 0."""

    @abstractmethod
    def add(self, a: Array, b: Array, relu: bool) -> Array:
        """Return a + b, or the ReLU of that, for arrays of any and equal shape."""

    def multiply(self, a: Array, b: Array) -> Array:
        """Return a * b, for arrays of any and equal shape."""
        with np.errstate(all="ignore"):
            return np.multiply(a, b, out=np.empty_like(a))

    def concatenate(self, parts: Sequence[Array], axis: int) -> Array:
        """Arrays of one dtype, one after the other along an axis."""
        return np.concatenate(parts, axis)

    def resample(self, x: Array, axes: Mapping[int, Resampled]) -> Array:
        """Give some axes of an array another size, one after the other."""
        return gathered(x, {axis: each.taps() for axis, each in axes.items()})

    def resample_backward(self, dy: Array, axis: int, resampling: Resampling) -> Array:
        """Gradient of resampling along an axis of an array of any shape: each cell sums what the results say of it."""
        return resample_backward(dy, axis, resampling)

    def pad(self, x: Array, pairs: Sequence[Pair], mode: str) -> Array:
        """Put cells around an array, (before, after) along each axis; always a copy."""
        return pad(x, pairs, mode)

    def pad_backward(self, dy: Array, pairs: Sequence[Pair], mode: str) -> Array:
        """Gradient of `pad`: every cell gets back what its copies got; always a copy."""
        return pad_backward(dy, pairs, mode)

    def in_memory_order(self, x: Array, order: Sequence[int]) -> Array:
        """Return an array whose axes have that order in memory, without gaps: itself where it is so, or a copy."""
        return np.asarray(x.transpose(order), order="C").transpose(np.argsort(order))

    def placed(self, x: Array, shape: tuple[int, ...], cells: tuple[slice, ...], order: Sequence[int]) -> Array:
        """Zeros of a shape, but for `x` at some cells; the axes have that order in memory."""
        y: Array = np.zeros([shape[axis] for axis in order], x.dtype).transpose(np.argsort(order))
        y[cells] = x
        return y

    def activation(self, name: str, x: Array, *numbers: float) -> Array:
        """Apply the function `name` of `activations.FORWARD`, with these numbers, to an array of any shape."""
        return activations.forward(name, x, *numbers)

    def activation_backward(self, name: str, dy: Array, value: Array, *numbers: float) -> Array:
        """Gradient of `activation`, from its output or its input: `activations.BACKWARD` says which."""
        return activations.backward(name, dy, value, *numbers)

    def prelu(self, x: Array, slopes: Array) -> Array:
        """Return x where it is positive, ``x * slopes`` elsewhere; one slope, or one for each index of one axis."""
        return activations.prelu(x, slopes)

    def prelu_backward(self, dy: Array, x: Array, slopes: Array) -> tuple[Array, Array]:
        """Gradients of `prelu` with respect to x and the slopes, in their shapes."""
        return activations.prelu_backward(dy, x, slopes)

    @abstractmethod
    def moments(self, x: Array, per_image: bool) -> tuple[Array, Array]:
        """Mean and biased variance of every channel, (1, C), or of every channel of every image, (N, C).

        The variance is in float64: that of float32 numbers may be too large or too small for float32.
        """

    @abstractmethod
    def normalize(self, x: Array, mean: Array, scale: Array, shift: Array) -> Array:
        """Return ``(x - mean) * scale + shift``, with factors of shape (1, C) or (N, C)."""

    def normalize_elements(self, x: Array, mean: Array, scale: Array, weight: Array, bias: Array) -> Array:
        """Return ``(x - mean) * scale * weight + bias`` of (R, 1, M) rows.

        The mean and the scale are those of the rows, (R, 1), the weight and the bias those of their elements, (1, M).
        """
        zeros, rows = np.zeros_like(weight), len(x)
        y = self.normalize(x, mean, scale, np.zeros((1, 1), x.dtype)).reshape(rows, -1, 1)
        return self.normalize(y, zeros, weight, bias).reshape(x.shape)

    @abstractmethod
    def normalize_sums(self, dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
        """Sums of dy and of ``dy * (x - mean)`` over what each `mean`, (1, C) or (N, C), is the mean of."""

    @abstractmethod
    def normalize_backward(
        self, dy: Array, x: Array, mean: Array, scale: Array, slope: Array, shift: Array, inverse: Array
    ) -> Array:
        """Return ``dy * scale + ((x - mean) * slope + shift) * inverse``, with factors of shape (1, C) or (N, C)."""

    # Tables between the passes of a normalisation, from (rows, groups) statistics: 1 or N rows, groups of channels. A
    # variance is in float64, or in the dtype of the mean, as a user's may be.

    def merge_moments(self, mean: Array, variance: Array) -> tuple[Array, Array]:
        """Mean and variance over the last axis, of parts of equal size."""
        with np.errstate(all="ignore"):
            center = mean.mean(axis=-1, dtype=np.float64, keepdims=True)
            spread = (variance + np.square(mean - center)).mean(axis=-1)
        return center[..., 0].astype(mean.dtype), spread

    def normalize_factors(
        self, mean: Array, variance: Array, eps: float, weight: Array | None, bias: Array | None, channels: int
    ) -> tuple[Array, Array, Array]:
        """Mean, scale and shift that `normalize` takes, (1, C) or (N, C)."""
        mean, inverse = (_of_channels(table, channels) for table in (mean, _inverse_deviation(variance, eps)))
        with np.errstate(all="ignore"):
            scale = (inverse if weight is None else inverse * weight).astype(mean.dtype)
        return mean, scale, np.zeros((1, channels), mean.dtype) if bias is None else bias[None]

    def normalize_flow(
        self, first: Array, second: Array, variance: Array, eps: float, weight: Array | None, count: int, channels: int
    ) -> tuple[Array, Array, Array]:
        """Slope, shift and inverse deviation that `normalize_backward` takes, from the `count` of their numbers.

        The sums are those of `normalize_sums`, (rows, groups * parts), and the results (rows, channels).
        """
        rows, groups = variance.shape
        inverse = _inverse_deviation(variance, eps)
        with np.errstate(all="ignore"):
            factor = 1.0 if weight is None else weight
            totals = [  # of two large numbers, or two small ones: in float64
                np.multiply(table, factor, dtype=np.float64).reshape(rows, groups, -1).sum(axis=2)
                for table in (first, second)
            ]
            tables = (-totals[1] * inverse * inverse / count, -totals[0] / count, inverse)
            slope, shift, inverse = (_of_channels(table.astype(first.dtype), channels) for table in tables)
        return slope, shift, inverse

    def normalize_gradients(self, first: Array, second: Array, variance: Array, eps: float) -> tuple[Array, Array]:
        """Gradients of weight and bias, (C,), from the sums of `normalize_sums`."""
        spread = _of_channels(_inverse_deviation(variance, eps), first.shape[1])
        with np.errstate(all="ignore"):
            dweight = np.add.reduce(second * spread, axis=0, dtype=np.float64).astype(first.dtype)
            dbias = np.add.reduce(first, axis=0, dtype=np.float64).astype(first.dtype)
        return dweight, dbias

    def track(
        self, running_mean: Array, running_var: Array, mean: Array, variance: Array, numbers: int,
        momentum: float | None, batches: Array | None,
    ) -> None:  # fmt: skip
        """Count a batch in `batches`, and move running statistics, (C,), towards the means over its rows, in place.

        The variance, which is over so many `numbers`, is made unbiased. Without a momentum it is ``1 / batches``.
        """
        if batches is not None:
            batches[...] += 1
        factor = momentum if momentum is not None else 0.0 if batches is None else 1 / int(batches)
        with np.errstate(all="ignore"):
            mean, variance = (
                table[0] if len(table) == 1 else table.mean(axis=0, dtype=np.float64).astype(table.dtype)
                for table in (mean, variance)
            )
            unbiased = (variance * variance.dtype.type(numbers / (numbers - 1))).astype(mean.dtype)
            for running, value in ((running_mean, mean), (running_var, unbiased)):
                running[...] = running * value.dtype.type(1 - factor) + value * value.dtype.type(factor)

    def in_order(self, x: Array) -> Array:
        """Return an array in C order: itself where it is, or a copy."""
        return np.ascontiguousarray(x)

    def release(self) -> None:
        """Let go of the memory that is kept between calls."""

    @abstractmethod
    def im2col(self, x: Array, geometry: WindowGeometry) -> Array:
        """(N, C, *size) -> (N, C*taps, windows)."""

    @abstractmethod
    def col2im(self, cols: Array, geometry: WindowGeometry) -> Array:
        """(N, C*taps, windows) -> (N, C, *size), adding where windows overlap."""


def _inverse_deviation(variance: Array, eps: float) -> Array:
    """1 / sqrt(variance + eps), in float64."""
    with np.errstate(all="ignore"):
        inverse: Array = 1 / np.sqrt(np.add(variance, eps, dtype=np.float64))
    return inverse


def _of_channels(table: Array, channels: int) -> Array:
    """(rows, groups) -> (rows, C)."""
    size = channels // table.shape[1]
    return table if size == 1 else np.repeat(table, size, axis=1)


def _linear_geometry(x: Array, weight: Array) -> ConvGeometry:
    """One image whose pixels are the rows of x, or none."""
    rows, inputs = x.shape
    return ConvGeometry((conv_axis(max(rows, 1), 1, 1, 1, 0, 0),), min(rows, 1), inputs, len(weight), 1)


def _as_image(rows: Array) -> Array:
    """(N, I) -> (1, I, N): rows as the pixels of one image with the channels last in memory."""
    return rows.T[None] if len(rows) else rows[:, :, None]


def _as_rows(image: Array) -> Array:
    """(1, O, N) -> (N, O)."""
    return image[0].T if len(image) else image[:, :, 0]
