"""What batch, instance, group and layer normalisation share.

All are built from four passes of a backend: mean and variance of channels, an elementwise pass, the sums that its
gradient needs, and the elementwise pass backward. The factors in between are one number per channel, or fewer.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from fastconv.backends import resolve_backend
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.functional.conv import ConvGradients
from fastconv.functional.views import as_computed, channels_first, finish
from fastconv.validation.arrays import LAYOUTS, Array, check_array, check_layout, check_rank, check_shape, common_dtype
from fastconv.validation.sizes import check_integer, check_needs, check_number

__all__ = ["NormCall", "Statistics", "check_pair", "inverse_deviation", "merged"]

Statistics = tuple[Array, Array]


def check_pair(operation: str, value: object, shape: tuple[int, ...], letters: str) -> Statistics:
    """Return the mean and the variance that a user passed."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InvalidTypeError(f"{operation}: statistics must be a pair (mean, variance), but got {value!r}.")
    pair = []
    for name, one in zip(("the mean", "the variance"), value):
        array = check_array(operation, name, one)
        check_shape(operation, name, array.shape, shape, letters)
        pair.append(array)
    return pair[0], pair[1]


def inverse_deviation(operation: str, variance: Array, eps: object) -> Array:
    """1 / sqrt(variance + eps), in the dtype of the variance."""
    amount = check_number(operation, "eps", eps, least=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse: Array = 1 / np.sqrt(variance + variance.dtype.type(amount))
    return inverse


def merged(mean: Array, variance: Array) -> Statistics:
    """Mean and variance over the last axis, of parts of equal size."""
    with np.errstate(invalid="ignore", over="ignore"):
        center = mean.mean(axis=-1, dtype=np.float64, keepdims=True)
        spread = (variance + np.square(mean - center)).mean(axis=-1)
    return center[..., 0].astype(mean.dtype), spread.astype(mean.dtype)


class NormCall:
    """One call of a normalisation of (N, C, ...): arrays and layout checked, viewed as (N, C, *spatial)."""

    def __init__(
        self,
        operation: str,
        x: object,
        layout: object,
        backend: str | None,
        *,
        spatial: bool = False,
        dy: object = None,
        weight: object = None,
        bias: object = None,
    ) -> None:
        self.operation, self._backend = operation, backend
        array = check_array(operation, "x", x)
        self.rank = array.ndim - 2
        self.channels_last = self._checked_layout(array.shape, layout, 1 if spatial else 0)
        named = {"dy": dy, "weight": weight, "bias": bias}
        arrays = {name: check_array(operation, name, one) for name, one in named.items() if one is not None}
        self.dtype = common_dtype(operation, array, *arrays.values())
        self.x = self._view(array)
        if "dy" in arrays:
            check_shape(operation, "dy", arrays["dy"].shape, array.shape, "the shape of x")
        for name in ("weight", "bias"):
            if name in arrays:
                check_shape(operation, name, arrays[name].shape, self.x.shape[1:2], "one value per channel")
        self.dy = self._view(arrays["dy"]) if "dy" in arrays else self.x
        self.weight, self.bias = (
            as_computed(arrays[name], self.dtype) if name in arrays else None for name in ("weight", "bias")
        )

    def _checked_layout(self, shape: tuple[int, ...], layout: object, least: int) -> bool:
        if not least <= self.rank <= 3:
            axes = "3, 4 or 5 axes (N, C, *spatial)" if least else "2 to 5 axes, (N, C) or (N, C, *spatial)"
            raise InvalidValueError(f"{self.operation}: x must have {axes}, but got {len(shape)} (shape {shape}).")
        if self.rank == 0:
            if layout not in (None, "NC"):
                raise InvalidValueError(
                    f"{self.operation}: layout must be 'NC' for an x without spatial axes, but got {layout!r}."
                )
            if shape[1] == 0:
                raise InvalidValueError(f"{self.operation}: axis C of x must not be empty, but got shape {shape}.")
            return False
        last = check_layout(self.operation, LAYOUTS[self.rank][0] if layout is None else layout, self.rank)
        check_rank(self.operation, "x", shape, self.rank, channels_last=last)
        return last

    def _view(self, array: Array) -> Array:
        """(N, C, *spatial), with a spatial axis of one where there is none."""
        view = channels_first(as_computed(array, self.dtype), channels_last=self.channels_last)
        return view if self.rank else view[:, :, None]

    def finish(self, array: Array) -> Array:
        """Give a result its dtype and its layout."""
        return finish(array if self.rank else array[:, :, 0], self.dtype, channels_last=self.channels_last)

    def groups(self, num_groups: object) -> int:
        """Return the number of groups, which divides the channels."""
        number, channels = check_integer(self.operation, "num_groups", num_groups, 1), self.x.shape[1]
        if channels % number:
            raise InvalidValueError(
                f"{self.operation}: num_groups must divide the channels of x, but got {number} with {channels} "
                f"channels."
            )
        return number

    def moments(self, *, per_image: bool) -> Statistics:
        """Mean and variance, (1, C) or (N, C); NaN where there is no image."""
        if len(self.x) == 0:
            nothing = np.full((0 if per_image else 1, self.x.shape[1]), np.nan, self.x.dtype)
            return nothing, nothing
        return resolve_backend(self._backend, self.operation).moments(self.x, per_image)

    def group_moments(self, groups: int) -> Statistics:
        """Mean and variance, (N, groups)."""
        batch = len(self.x)
        if batch == 0:
            nothing = np.empty((0, groups), self.x.dtype)
            return nothing, nothing
        mean, variance = self.moments(per_image=True)
        return merged(mean.reshape(batch, groups, -1), variance.reshape(batch, groups, -1))

    def pair(self, statistics: object, *, per_image: bool) -> Statistics:
        """Return what a user passed as (1, C) or (N, C), or the moments."""
        if statistics is None:
            return self.moments(per_image=per_image)
        shape = self.x.shape[:2] if per_image else self.x.shape[1:2]
        return self._given(statistics, shape, "one value per channel" + " of every image" * per_image)

    def group_pair(self, statistics: object, groups: int) -> Statistics:
        """Return what a user passed as (N, groups), or the moments."""
        if statistics is None:
            return self.group_moments(groups)
        return self._given(statistics, (len(self.x), groups), "one value per group of every image")

    def _given(self, statistics: object, shape: tuple[int, ...], letters: str) -> Statistics:
        mean, variance = check_pair(self.operation, statistics, shape, letters)
        mean, variance = (as_computed(array, self.dtype).reshape(-1, shape[-1]) for array in (mean, variance))
        return mean, variance

    def normalized(self, pair: Statistics, eps: object) -> Array:
        """The result of a forward call."""
        mean, inverse = pair[0], inverse_deviation(self.operation, pair[1], eps)
        if len(self.x) == 0:
            return self.finish(np.empty_like(self.x))
        mean, inverse = (self._of_channels(table) for table in (mean, inverse))
        scale = inverse if self.weight is None else inverse * self.weight
        shift = np.zeros((1, mean.shape[1]), mean.dtype) if self.bias is None else self.bias[None]
        return self.finish(resolve_backend(self._backend, self.operation).normalize(self.x, mean, scale, shift))

    def _of_channels(self, table: Array) -> Array:
        """(rows, groups) -> (rows, C)."""
        size = self.x.shape[1] // table.shape[1]
        return table if size == 1 else np.repeat(table, size, axis=1)

    def gradients(
        self, pair: Statistics, eps: object, needs: Iterable[str], *, constant: bool = False
    ) -> ConvGradients:
        """Gradients of a forward call; `constant` says that the statistics do not depend on x."""
        wanted = check_needs(self.operation, needs)
        dy, inverse = self.dy, inverse_deviation(self.operation, pair[1], eps)
        channels, backend = self.x.shape[1], resolve_backend(self._backend, self.operation)
        if len(self.x) == 0:
            nothing = np.zeros(channels, self.x.dtype)
            return self._finished(wanted, np.empty_like(self.x), nothing, nothing)
        mean, spread = self._of_channels(pair[0]), self._of_channels(inverse)
        scale = spread if self.weight is None else spread * self.weight
        first = second = dx = None
        zeros = np.zeros((1, channels), dy.dtype)
        if not constant or wanted - {"x"}:
            first, second = backend.normalize_sums(dy, self.x, mean)
        if "x" in wanted and first is not None and second is not None and not constant:
            slope, shift = self._flow(first, second, inverse)
            dx = backend.normalize_backward(dy, self.x, mean, scale, slope, shift)
        elif "x" in wanted:
            dx = backend.normalize(dy, zeros, scale, zeros)
        dweight = dbias = None
        if first is not None and second is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                dweight = np.add.reduce(second * spread, axis=0, dtype=np.float64).astype(dy.dtype)
                dbias = np.add.reduce(first, axis=0, dtype=np.float64).astype(dy.dtype)
        return self._finished(wanted, dx, dweight, dbias)

    def _flow(self, first: Array, second: Array, inverse: Array) -> Statistics:
        """What the statistics add to dx, as factors of ``x - mean`` and of 1: their gradients over their numbers."""
        rows, groups = inverse.shape
        with np.errstate(invalid="ignore", over="ignore"):
            totals = [
                (table if self.weight is None else table * self.weight).reshape(rows, groups, -1).sum(axis=2)
                for table in (first, second)
            ]
            count = prod(self.x.shape) // (rows * groups)
            slope, shift = -totals[1] * inverse**3 / count, -totals[0] * inverse / count
        return self._of_channels(slope), self._of_channels(shift)

    def _finished(
        self, wanted: frozenset[str], dx: Array | None, dweight: Array | None, dbias: Array | None
    ) -> ConvGradients:
        return ConvGradients(
            self.finish(dx) if "x" in wanted and dx is not None else None,
            *(
                finish(table, self.dtype, channels_last=False) if name in wanted and table is not None else None
                for name, table in (("weight", dweight), ("bias", dbias))
            ),
        )
