"""What batch, instance, group and layer normalisation share.

All are built from four passes of a backend: mean and variance of channels, an elementwise pass, the sums that its
gradient needs, and the elementwise pass backward. The tables in between have one number per channel, or fewer; the
backend makes them too.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from fastconv.backends.base import Backend
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.functional.call import Call, ConvGradients, PlanesCall, compute
from fastconv.validation.arrays import LAYOUTS, Array, check_array, check_shape
from fastconv.validation.sizes import check_integer, check_needs, check_number
from fastconv.validation.types import Shape

Statistics = tuple[Array, Array]
Flow = tuple[Array, Array, Array]  # slope, shift and inverse deviation, see `Backend.normalize_backward`
Factors = tuple[Array, Array, Array]  # mean, scale and shift: ``y = (x - mean) * scale + shift``


def check_pair(operation: str, value: object, shape: Shape, letters: str) -> Statistics:
    """Return the mean and the variance that a user passed."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InvalidTypeError(f"{operation}: statistics must be a pair (mean, variance), but got {shown(value)}.")
    pair = []
    for name, one in zip(("the mean", "the variance"), value):
        array = check_array(operation, name, one)
        check_shape(operation, name, array.shape, shape, letters)
        pair.append(array)
    return pair[0], pair[1]


def computed_pair(call: Call, pair: Statistics, columns: int) -> Statistics:
    """A mean and a variance as backends take them, in rows: float64, which variances of large numbers need, stays."""
    mean, variance = pair
    variance = variance if variance.dtype == np.dtype(np.float64) else call.computed(variance)
    return call.computed(mean).reshape(-1, columns), variance.reshape(-1, columns)


def rounded(statistics: Statistics) -> Statistics:
    """Statistics with a variance in the dtype of the mean."""
    mean, variance = statistics
    with np.errstate(all="ignore"):
        return mean, variance.astype(mean.dtype, copy=False)


def check_eps(operation: str, eps: object) -> float:
    """Return what is added to a variance."""
    return check_number(operation, "eps", eps, least=0)


def track(
    operation: str, backend: str | None, running: Statistics, statistics: Statistics, numbers: int,
    momentum: float | None, batches: Array | None,
) -> None:  # fmt: skip
    """Count a batch, if `batches` is given, and move running statistics in place; see `Backend.track`.

    The statistics of the batch are (C,), or (N, C), over so many `numbers` each.
    """
    mean, variance = (table.reshape(-1, table.shape[-1]) for table in statistics)
    compute(operation, backend, Backend.track, *running, mean, variance, numbers, momentum, batches)


class NormCall(PlanesCall):
    """One call of a normalisation of (N, C, ...): rows without spatial axes have one of one cell here."""

    def __init__(
        self, operation: str, x: object, layout: object, backend: str | None, spatial: bool = False, **optional: object
    ) -> None:
        array = check_array(operation, "x", x)
        self.has_planes = array.ndim != 2 or spatial
        if self.has_planes:
            rank = _checked_rank(operation, array.shape, spatial)
            super().__init__(operation, rank, LAYOUTS[rank][0] if layout is None else layout, backend)
        else:
            _check_rows(operation, array.shape, layout)
            super().__init__(operation, 1, LAYOUTS[1][0], backend)
        arrays = self.arrays(optional, x=array)
        if "dy" in arrays:
            check_shape(operation, "dy", arrays["dy"].shape, array.shape, "the shape of x")
        self.x = self.view(array)
        self.dy = self.view(arrays["dy"]) if "dy" in arrays else self.x
        for name in ("weight", "bias"):
            if name in arrays:
                check_shape(operation, name, arrays[name].shape, self.x.shape[1:2], "one value per channel")
        self.weight, self.bias = (
            self.computed(arrays[name]) if name in arrays else None for name in ("weight", "bias")
        )

    def check_planes(self, name: str, shape: Shape) -> None:
        """See `PlanesCall.check_planes`; rows are checked already, and `dy` has the shape of `x`."""
        if self.has_planes and name == "x":
            super().check_planes(name, shape)

    def view(self, array: Array) -> Array:
        """(N, C, *spatial) view of an array, in the dtype in which the result is computed."""
        return super().view(array if self.has_planes else array[:, :, None])

    def finish(self, y: Array) -> Array:
        """Give a result its dtype, its layout and its rank."""
        return super().finish(y) if self.has_planes else super().finish(y)[:, :, 0]

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
        return self.compute(Backend.moments, self.x, per_image)

    def group_moments(self, groups: int) -> Statistics:
        """Mean and variance, (N, groups)."""
        batch = len(self.x)
        if batch == 0:
            nothing = np.empty((0, groups), self.x.dtype)
            return nothing, nothing
        mean, variance = self.moments(per_image=True)
        return self.compute(Backend.merge_moments, mean.reshape(batch, groups, -1), variance.reshape(batch, groups, -1))

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

    def _given(self, statistics: object, shape: Shape, letters: str) -> Statistics:
        return computed_pair(self, check_pair(self.operation, statistics, shape, letters), shape[-1])

    def normalized(self, pair: Statistics, eps: object) -> Array:
        """The result of a forward call."""
        amount = check_eps(self.operation, eps)
        if len(self.x) == 0:
            return self.finish(np.empty_like(self.x))
        tables = self.compute(Backend.normalize_factors, *pair, amount, self.weight, self.bias, self.x.shape[1])
        return self.finish(self.normalize(*tables))

    def gradients(
        self, pair: Statistics, eps: object, needs: Iterable[str], *, constant: bool = False
    ) -> ConvGradients:
        """Gradients of a forward call; `constant` says that the statistics do not depend on x."""
        wanted, amount = check_needs(self.operation, needs), check_eps(self.operation, eps)
        channels, variance = self.x.shape[1], pair[1]
        if len(self.x) == 0:
            nothing = np.zeros(channels, self.x.dtype)
            return self.finish_gradients(wanted, np.empty_like(self.x), nothing, nothing)
        factors = self.compute(Backend.normalize_factors, *pair, amount, self.weight, self.bias, channels)
        dx = dweight = dbias = None
        sums: Statistics | None = None
        if not constant or wanted - {"x"}:
            sums = self.sums(factors)
            if wanted - {"x"}:
                dweight, dbias = self.compute(Backend.normalize_gradients, *sums, variance, amount)
        if "x" in wanted and sums is not None and not constant:
            count = prod(self.x.shape) // variance.size
            flow = self.compute(Backend.normalize_flow, *sums, variance, amount, self.weight, count, channels)
            dx = self.input_gradient(factors, flow)
        elif "x" in wanted:
            zeros = np.zeros((1, channels), self.x.dtype)
            dx = self.compute(Backend.normalize, self.dy, zeros, factors[1], zeros)
        return self.finish_gradients(wanted, dx, dweight, dbias)

    # the passes over memory

    def normalize(self, mean: Array, scale: Array, shift: Array) -> Array:
        """See `Backend.normalize`."""
        return self.compute(Backend.normalize, self.x, mean, scale, shift)

    def sums(self, factors: Factors) -> Statistics:
        """See `Backend.normalize_sums`; the factors are mean, scale and shift of the forward pass."""
        return self.compute(Backend.normalize_sums, self.dy, self.x, factors[0])

    def input_gradient(self, factors: Factors, flow: Flow) -> Array:
        """See `Backend.normalize_backward`; the flow is its last three factors."""
        mean, scale, _ = factors
        return self.compute(Backend.normalize_backward, self.dy, self.x, mean, scale, *flow)


def _checked_rank(operation: str, shape: Shape, spatial: bool) -> int:
    """Number of spatial axes of x, of which it must have some if `spatial`."""
    rank = len(shape) - 2
    if rank not in LAYOUTS:
        axes = "3, 4 or 5 axes (N, C, *spatial)" if spatial else "2 to 5 axes, (N, C) or (N, C, *spatial)"
        raise InvalidValueError(f"{operation}: x must have {axes}, but got {len(shape)} (shape {shape}).")
    return rank


def _check_rows(operation: str, shape: Shape, layout: object) -> None:
    """Refuse an x without spatial axes that has no channels, or a layout for it."""
    if layout not in (None, "NC"):
        raise InvalidValueError(
            f"{operation}: layout must be 'NC' for an x without spatial axes, but got {shown(layout)}."
        )
    if shape[1] == 0:
        raise InvalidValueError(f"{operation}: axis C of x must not be empty, but got shape {shape}.")
