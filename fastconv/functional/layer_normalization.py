"""Layer normalisation: the public functions."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import prod

import numpy as np

from fastconv.backends.base import Backend
from fastconv.errors import InvalidValueError, shown
from fastconv.functional.call import Call, ConvGradients, finish
from fastconv.functional.normalization import Statistics, check_eps, check_pair, computed_pair, rounded
from fastconv.validation.arrays import Array, check_shape
from fastconv.validation.sizes import GRADIENTS, MOST_AXES, check_integer, check_needs, entries_of
from fastconv.validation.types import ArrayLike, BackendName, Shape, Size


def layer_norm_statistics(x: ArrayLike, normalized_shape: Size, *, backend: BackendName | None = None) -> Statistics:
    """Mean and biased variance over the last axes.

    ``(..., *normalized_shape) -> (...), (...)``

    Parameters
    ----------
    x : array_like, whose last axes have the sizes of `normalized_shape`
        Input, of any strides.
    normalized_shape : int or sequence of int
        Sizes of the last axes of `x`, over which is normalised.
    backend : {"fast", "numpy", "naive"}, optional
        Backend of this call; by default the current one.

    Returns
    -------
    mean, variance : ndarray, of the shape of the axes before
        In the dtype of the computation: that of `x`, float32 for float16, float64 for integers.

    Raises
    ------
    ValueError, TypeError
        If `x` does not end with those axes, or its dtype is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> layer_norm_statistics(np.array([[1.0, 3.0], [5.0, 5.0]]), 2)
    (array([2., 5.]), array([1., 0.]))
    """
    return rounded(layer_norm_moments(x, normalized_shape, backend=backend))


def layer_norm_moments(x: ArrayLike, normalized_shape: Size, *, backend: BackendName | None = None) -> Statistics:
    """Those of `layer_norm_statistics` as the layers use them, with the variance in float64."""
    call = _LayerCall("layer_norm_statistics", x, normalized_shape, backend)
    mean, variance = (table.reshape(call.lead) for table in call.moments())
    return mean, variance


def layer_norm(
    x: ArrayLike,
    normalized_shape: Size,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    statistics: tuple[ArrayLike, ArrayLike] | None = None,
    eps: float = 1e-5,
    backend: BackendName | None = None,
) -> Array:
    """Normalise over the last axes, then scale and shift every element.

    ``(..., *normalized_shape) * (*normalized_shape) + (*normalized_shape) -> (..., *normalized_shape)``

    Parameters
    ----------
    x, normalized_shape, backend
        As for `layer_norm_statistics`.
    weight, bias : array_like, shape `normalized_shape`, optional
        Factor and term of every element; by default 1 and 0.
    statistics : pair of array_like, optional
        Those of `layer_norm_statistics`, if they are known already.
    eps : float
        Added to the variance.

    Returns
    -------
    ndarray, shaped like `x`
        Its dtype is `np.result_type` of x, weight and bias, or float64 if that is an integer type.

    Raises
    ------
    ValueError
        If the shapes do not fit together or `eps` is negative.
    TypeError
        If a dtype is not taken.

    Notes
    -----
    ``y = (x - mean) / sqrt(variance + eps) * weight + bias`` (Ba, Kiros and Hinton 2016, section 3.1).

    Examples
    --------
    >>> import numpy as np
    >>> layer_norm(np.array([[1.0, 3.0], [10.0, 50.0]]), 2).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    call = _LayerCall("layer_norm", x, normalized_shape, backend, weight=weight, bias=bias)
    pair, amount = call.pair(statistics), check_eps(call.operation, eps)
    if call.x.size == 0:
        return finish(np.empty_like(call.array), call.dtype)
    if call.weight is None and call.bias is None:
        return call.finish(call.normal(pair, amount))
    weights, biases = call.element(call.weight, 1), call.element(call.bias, 0)
    mean, scale, _ = call.compute(Backend.normalize_factors, *pair, amount, None, None, 1)
    return call.finish(call.compute(Backend.normalize_elements, call.x, mean, scale, weights, biases))


def layer_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    normalized_shape: Size,
    weight: ArrayLike | None = None,
    *,
    statistics: tuple[ArrayLike, ArrayLike] | None = None,
    eps: float = 1e-5,
    needs: Iterable[str] = GRADIENTS,
    backend: BackendName | None = None,
) -> ConvGradients:
    """Gradients of `layer_norm` with respect to its input, weight and bias.

    ``(..., *normalized_shape) -> dx, dweight (*normalized_shape), dbias (*normalized_shape)``

    Parameters
    ----------
    dy, needs
        As for `batch_norm_backward`.
    x, normalized_shape, weight, statistics, eps, backend
        As in the forward call.

    Returns
    -------
    ConvGradients
        As of `batch_norm_backward`.

    Examples
    --------
    >>> import numpy as np
    >>> layer_norm_backward(np.ones((3, 2)), np.arange(6.0).reshape(3, 2), 2).dbias
    array([3., 3.])
    """
    call = _LayerCall("layer_norm_backward", x, normalized_shape, backend, dy=dy, weight=weight)
    wanted = check_needs(call.operation, needs)
    pair, amount = call.pair(statistics), check_eps(call.operation, eps)
    dx = dweight = dbias = None
    if call.x.size == 0:
        nothing = np.zeros((1, call.x.shape[2]), call.x.dtype)
        dx, dweight, dbias = np.empty_like(call.x), nothing, nothing
    else:
        if wanted - {"x"}:
            zeros = call.element(None, 0)
            sums = call.compute(Backend.normalize_sums, _columns(call.dy), _columns(call.normal(pair, amount)), zeros)
            dbias, dweight = sums
        if "x" in wanted:
            dx = _input_gradient(call, pair, amount)
    elements = (None if table is None else call.of_elements(table) for table in (dweight, dbias))
    return call.finish_gradients(wanted, dx, *elements)


def _input_gradient(call: _LayerCall, pair: Statistics, eps: float) -> Array:
    """Dx = inverse * (g - mean of g - x̂ * mean of g x̂), with g = dy * weight."""
    g = call.dy
    if call.weight is not None:
        zeros = call.element(None, 0)
        g = call.compute(Backend.normalize, _columns(g), zeros, call.element(call.weight, 1), zeros).reshape(g.shape)
    parts = call.planes(g), call.planes(call.x)
    of_planes, _, _ = call.compute(Backend.normalize_factors, *pair, eps, None, None, parts[0].shape[1])
    sums = call.compute(Backend.normalize_sums, *parts, of_planes)
    flow = call.compute(Backend.normalize_flow, *sums, pair[1], eps, None, call.x.shape[2], 1)
    mean, scale, _ = call.compute(Backend.normalize_factors, *pair, eps, None, None, 1)
    return call.compute(Backend.normalize_backward, g, call.x, mean, scale, *flow)


def _columns(rows: Array) -> Array:
    """(R, 1, M) -> (R, M, 1): every element as a channel."""
    return rows.reshape(len(rows), -1, 1)


def check_normalized_shape(operation: str, value: object) -> Shape:
    """Return the sizes of the axes that are normalised over."""
    found = entries_of(value)
    items = (value,) if found is None else found
    if not 1 <= len(items) <= MOST_AXES:
        raise InvalidValueError(
            f"{operation}: normalized_shape must name 1 to {MOST_AXES} axes, but got {shown(value)}."
        )
    return tuple(check_integer(operation, "normalized_shape", item, 1) for item in items)


class _LayerCall(Call):
    """One call: `x` as (R, 1, M) rows, whose elements are in the order in which memory has them."""

    def __init__(
        self, operation: str, x: object, normalized_shape: object, backend: str | None, **optional: object
    ) -> None:
        super().__init__(operation, backend)
        arrays = self.arrays(optional, x=x)
        self.array = arrays["x"]
        self.shape = check_normalized_shape(operation, normalized_shape)
        self.lead = self.array.shape[: max(0, self.array.ndim - len(self.shape))]
        if self.array.shape[len(self.lead) :] != self.shape:
            raise InvalidValueError(
                f"{operation}: x must end with the axes of normalized_shape, {self.shape}, but got shape "
                f"{self.array.shape}."
            )
        if "dy" in arrays:
            check_shape(operation, "dy", arrays["dy"].shape, self.array.shape, "the shape of x")
        for name in ("weight", "bias"):
            if name in arrays:
                check_shape(operation, name, arrays[name].shape, self.shape, "one per element")
        # normalisation does not mind the order of the elements of a row: take that of the memory, and copy nothing
        first = len(self.lead)
        self._order = sorted(range(len(self.shape)), key=lambda axis: -abs(self.array.strides[first + axis]))
        self.x = self._rows(self.array)
        self.dy = self._rows(arrays["dy"]) if "dy" in arrays else self.x
        self.weight, self.bias = (
            self.computed(arrays[name]).transpose(self._order) if name in arrays else None
            for name in ("weight", "bias")
        )

    def _rows(self, array: Array) -> Array:
        first = len(self.lead)
        order = (*range(first), *(first + axis for axis in self._order))
        return self._merged(self.computed(array).transpose(order), first, 0, len(self.shape))

    def _merged(self, array: Array, *counts: int) -> Array:
        """View of an array with so many axes made one each, or of a copy where they do not lie in memory so."""
        sizes, first, is_view = [], 0, True
        for count in counts:
            axes = slice(first, first + count)
            steps = [pair for pair in zip(array.shape[axes], array.strides[axes]) if pair[0] > 1]
            is_view &= all(outer == size * inner for (_, outer), (size, inner) in pairwise(steps))
            sizes.append(prod(array.shape[axes]))
            first += count
        return (array if is_view else self.compute(Backend.in_order, array)).reshape(sizes)

    def moments(self) -> Statistics:
        """Mean and variance of every row, (R, 1)."""
        if self.x.size == 0:
            nothing = np.empty((len(self.x), 1), self.x.dtype)
            return nothing, nothing
        planes = self.planes(self.x)
        mean, variance = (table[:, None] for table in self.compute(Backend.moments, planes, True))
        if planes.shape[1] == 1:
            return mean[:, 0], variance[:, 0]
        return self.compute(Backend.merge_moments, mean, variance)

    def planes(self, rows: Array) -> Array:
        """Rows as (R, C, P), C the first axis that is normalised over.

        Sums are taken plane by plane, in an order that memory has no part in; of channels-last memory it is a view too.
        """
        stored = (self.shape[axis] for axis in self._order)
        back = (1 + self._order.index(axis) for axis in range(len(self.shape)))
        array = rows.reshape(len(rows), *stored).transpose(0, *back)
        first = min(1, len(self.shape) - 1)
        return self._merged(array, 1, first, len(self.shape) - first)

    def pair(self, statistics: object) -> Statistics:
        """Mean and variance of every row, (R, 1)."""
        if statistics is None:
            return self.moments()
        given = check_pair(self.operation, statistics, self.lead, "the axes of x before normalized_shape")
        return computed_pair(self, given, 1)

    def normal(self, pair: Statistics, eps: float) -> Array:
        """Rows without weight and bias."""
        factors = self.compute(Backend.normalize_factors, *pair, eps, None, None, 1)
        return self.compute(Backend.normalize, self.x, *factors)

    def element(self, table: Array | None, otherwise: float) -> Array:
        """Weight or bias as (1, M) factors of channels."""
        if table is None:
            return np.full((1, self.x.shape[2]), otherwise, self.x.dtype)
        return self._merged(table, 0, len(self.shape))

    def finish(self, y: Array) -> Array:
        """Give a result, which comes in rows, its shape and dtype."""
        first, stored = len(self.lead), (self.shape[axis] for axis in self._order)
        back = (first + self._order.index(axis) for axis in range(len(self.shape)))
        return super().finish(y.reshape(*self.lead, *stored).transpose(*range(first), *back))

    def of_elements(self, table: Array) -> Array:
        """Gradient of weight or bias in its shape."""
        stored = table.reshape([self.shape[axis] for axis in self._order])
        order = [self._order.index(axis) for axis in range(len(self.shape))]
        return self.compute(Backend.in_order, stored.transpose(order))
