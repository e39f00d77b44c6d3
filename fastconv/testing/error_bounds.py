"""What every element of a convolution is judged by, which depends on the algorithm that computes it.

By ``64 * eps * sum |x·w|``, which is promised; and by Winograd's algorithm by ``g * eps`` times a sum over channels, of
the largest ``|x|`` in the window of a tile times the sum of ``|w|`` over the taps. Its transforms mix all numbers of a
tile, so that the error of an element is not in relation to those that it is made of. Promised are 64 times as much, see
`fastconv.set_options`, for numbers that are made to let errors grow; ordinary ones stay far below `g`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastconv.backends import resolve_backend
from fastconv.backends.geometry import ConvGeometry
from fastconv.backends.settings import get_options
from fastconv.testing.closeness import ROUNDINGS, Array, tolerance

if TYPE_CHECKING:
    from fastconv.backends.fast.conv.algorithms import Algorithm, TiledAxis, Tiles

EXACT = f"{ROUNDINGS} eps sum |x·w|"

_INPUTS = ("x", "weight", "bias")


class ErrorBound(NamedTuple):
    """How far the elements of a result may be from the right ones.

    Attributes
    ----------
    exact : ndarray
        By the promise of direct methods, ``64 eps sum |x·w|``.
    algorithm : str
        What computes the result; empty where nobody asked.
    winograd : ndarray or None
        By what Winograd's algorithm is judged by, where it computes the result or would but for ``exact``.
    factor : float
        The factor ``g`` of that, in units of eps: what one rounding error can grow to.
    runs_winograd : bool
        Whether Winograd's algorithm computes it.
    """

    exact: Array
    algorithm: str = ""
    winograd: Array | None = None
    factor: float = 0.0
    runs_winograd: bool = False

    @property
    def allowed(self) -> Array:
        """What holds for the algorithm that computes the result."""
        return self.exact if self.winograd is None or not self.runs_winograd else self.winograd

    @property
    def promise(self) -> str:
        """The same in words."""
        if not self.runs_winograd:
            return EXACT
        return f"{ceil(self.factor)} eps sum (max |x| of a tile) (sum |w|)"

    def direct(self) -> ErrorBound:
        """Return that of somebody else, of whom nothing but the first promise is asked."""
        return ErrorBound(self.exact)

    def part(self, index: Any) -> ErrorBound:
        """Return that of the part of the result at an index."""
        return self._replace(exact=self.exact[index], winograd=None if self.winograd is None else self.winograd[index])


def exact_bound(dtype: np.dtype[np.floating], sums: Array) -> Array:
    """Return the first promise, for the sums of magnitudes of a result.

    The step between the smallest numbers is on top, where eps says nothing; an empty sum is exact.
    """
    subnormal = float(np.finfo(dtype).smallest_subnormal)
    return np.where(sums > 0, tolerance(dtype, sums) + subnormal, 0.0)


def error_bounds(
    geometry: ConvGeometry,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    dy: Array | None = None,
    *,
    exact: bool | None = None,
) -> dict[str, ErrorBound]:
    """Return both promises of every result of a convolution by the fast backend, and which one holds.

    Parameters
    ----------
    geometry : ConvGeometry
        Its sizes.
    x, weight, bias, dy : ndarray
        Its arrays, channels before the other axes; their dtype is that of the results.
    exact : bool, optional
        The option of that name; by default what it is now.

    Returns
    -------
    dict of str to ErrorBound
        Of ``y``, and with dy of ``dx``, ``dweight`` and ``dbias``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.backends.geometry import ConvGeometry, conv_axis
    >>> axes = conv_axis(29, 3, 1, 1, 1, 1), conv_axis(32, 3, 1, 1, 1, 1)
    >>> x, weight = np.ones((1, 32, 29, 32), np.float32), np.ones((32, 32, 3, 3), np.float32)
    >>> bound = error_bounds(ConvGeometry(axes, 1, 32, 32, 1), x, weight, exact=False)["y"]
    >>> bound.algorithm, bound.promise
    ('Winograd F(4×4, 3×3)', '308 eps sum (max |x| of a tile) (sum |w|)')
    >>> (bound.winograd / bound.exact)[0, 0, [0, 4], 4].round(2).tolist()
    [7.21, 4.8]
    """
    numpy, big_x, big_weight = resolve_backend("numpy"), _magnitude(x), _magnitude(weight)
    sums = {"y": numpy.conv(big_x, big_weight, None if bias is None else _magnitude(bias), geometry)}
    if dy is not None:
        gradients = numpy.conv_backward(_magnitude(dy), big_x, big_weight, geometry, frozenset(_INPUTS))
        sums |= {f"d{name}": array for name, array in zip(_INPUTS, gradients) if array is not None}
    return bounds_of_sums(geometry, x.dtype, sums, x, weight, bias, dy, exact=exact)


def bounds_of_sums(
    geometry: ConvGeometry,
    dtype: np.dtype[np.floating],
    sums: dict[str, Array],
    x: Array,
    weight: Array,
    bias: Array | None,
    dy: Array | None,
    *,
    exact: bool | None = None,
) -> dict[str, ErrorBound]:
    """Return the same where the ``sum |x·w|`` of every element is known; `sums` says which results there are."""
    exact = get_options().exact if exact is None else exact
    plans = import_module("fastconv.backends.fast.conv.algorithms")  # imports Numba
    chosen: dict[str, Algorithm] = plans.algorithms(geometry, max(dtype.itemsize, 4), exact=exact)
    found = {}
    for name, sum_ in sums.items():
        direct, algorithm = exact_bound(dtype, sum_), chosen.get(name)
        if algorithm is None:
            found[name] = ErrorBound(direct, "direct")
            continue
        winograd = None
        if algorithm.tiles:
            held = _held(name, algorithm.tiles, geometry, x, weight, dy).reshape(sum_.shape)
            winograd = np.finfo(dtype).eps * held + algorithm.factor * float(np.finfo(dtype).smallest_subnormal)
            if name == "y" and bias is not None:
                winograd += tolerance(dtype, _magnitude(bias)).reshape(-1, *[1] * geometry.rank)
            # a tile of zeros has nothing to round, and one that is not finite is computed directly
            winograd = np.where((held > 0) & np.isfinite(held), winograd, direct)
        found[name] = ErrorBound(direct, algorithm.name, winograd, algorithm.factor, algorithm.winograd)
    return found


def _held(
    name: str, parts: Sequence[Tiles], geometry: ConvGeometry, x: Array, weight: Array, dy: Array | None
) -> Array:
    """What the second promise is in proportion to, times its factor, for one of the results; 0 where it is not."""
    big = _magnitude(weight)
    if dy is None or name == "y":
        return _of_pass(_magnitude(x), big, geometry.groups, parts)
    if name == "dx":
        return _of_pass(_magnitude(dy), _exchange(big, geometry.groups), geometry.groups, parts)
    return _of_weight_gradient(_magnitude(x), _magnitude(dy), weight.shape, geometry.groups, parts)


def _magnitude(array: Array) -> Array:
    return np.abs(np.asarray(array, np.float64))


def _volumes(array: Array) -> Array:
    """(N, C, …) -> (N, C, D, H, W)."""
    return array.reshape(*array.shape[:2], *(1, 1, *array.shape[2:])[-3:])


def _exchange(weight: Array, groups: int) -> Array:
    """(F, C / groups, …) -> (C, F / groups, …): the weights of an input gradient."""
    filters, channels, *kernel = weight.shape
    apart = weight.reshape(groups, filters // groups, channels, *kernel)
    return apart.swapaxes(1, 2).reshape(groups * channels, filters // groups, *kernel)


def _per_tile(array: Array, axis: int, line: TiledAxis, reduce: np.ufunc, *, window: bool) -> Array:
    """Reduce what lies in each tile along an axis of an array: in the window that it reads, or its outputs."""
    tiles = []
    for first in range(0, line.out, line.outputs):
        last = min(first + line.outputs, line.out)
        if window:
            there = range(line.start, array.shape[axis], line.step)
            cells = there[max(0, first - line.before) : max(0, last - line.before + len(line.taps) - 1)]
        else:
            cells = range(line.first + first * line.every, line.first + last * line.every, line.every)
        tiles.append(reduce.reduce(array.take(np.array(cells, np.intp), axis), axis=axis, initial=0.0))
    return np.stack(tiles, axis)


def _tiles(array: Array, part: Tiles, reduce: np.ufunc, *, window: bool) -> Array:
    """(N, C, D, H, W) -> (N, C, slices, tile rows, tile columns)."""
    for number, line in enumerate((part.depth, part.rows, part.columns), start=2):
        array = _per_tile(array, number, line, reduce, window=window)
    return array


def _of_pass(x: Array, weight: Array, groups: int, parts: Sequence[Tiles]) -> Array:
    """``sum over channels of (max |x| of the tile) * (sum |w| of the taps)``, (N, F, OD, OH, OW)."""
    size = [line.size for line in (parts[0].depth, parts[0].rows, parts[0].columns)]
    found: Array = np.zeros((len(x), len(weight), *size))
    for part in parts:
        axes = part.depth, part.rows, part.columns
        largest = _tiles(_volumes(x), part, np.maximum, window=True)
        batch, channels, *tiles = largest.shape
        apart = largest.reshape(batch, groups, channels // groups, *tiles)
        taps = _volumes(weight)[_at(line.taps for line in axes)]
        taps = taps.reshape(groups, len(weight) // groups, channels // groups, -1).sum(axis=-1)
        held = np.einsum("ngcdhw,gfc->ngfdhw", apart, taps, optimize=True).reshape(batch, len(weight), *tiles)
        tile_of = _at(np.arange(line.out) // line.outputs for line in axes)
        found[_at(map(_cells, axes))] += part.factor * held[tile_of]
    return found


def _at(cells: Iterable[Any]) -> tuple[Any, ...]:
    """Index of some cells along each of the axes behind the first two."""
    return (slice(None), slice(None), *np.ix_(*cells))


def _cells(line: TiledAxis) -> Array:
    return line.first + line.every * np.arange(line.out)


def _of_weight_gradient(x: Array, dy: Array, shape: tuple[int, ...], groups: int, parts: Sequence[Tiles]) -> Array:
    """``sum over tiles of (max |x| of the tile) * (sum |dy| of the tile)``, (F, C / groups, KH, KW)."""
    found: Array = np.zeros((*shape[:2], *(1, 1, *shape[2:])[-3:]))
    for part in parts:
        largest = _tiles(_volumes(x), part, np.maximum, window=True)
        total = _tiles(_volumes(dy), part, np.add, window=False)
        largest, total = (each.reshape(len(each), groups, each.shape[1] // groups, -1) for each in (largest, total))
        held = part.factor * np.einsum("ngct,ngft->gfc", largest, total, optimize=True)
        found[:, :, part.depth.taps] += held.reshape(*shape[:2], 1, 1, 1)
    return found
