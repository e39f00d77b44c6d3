"""Resize and Upsample: the sizes of the result, and where its cells lie on those of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends import resolve_backend
from fastconv.backends.resampling import Taps, gathered
from fastconv.errors import InvalidValueError
from fastconv.onnx.operators.arguments import checked_axes, integers, widened
from fastconv.onnx.operators.interpolation import ROUNDINGS, nearest, weighted, within
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice
from fastconv.validation.types import Shape

Scale = np.floating[Any]  # float32 where it was given, so that places are whole where others find them so

_MODES = ("nearest", "linear", "cubic")
_TRANSFORMATIONS = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)
_POLICIES = ("stretch", "not_larger", "not_smaller")


@dataclass(frozen=True)
class _Axis:
    """How many cells an axis has, and how many in the result; `start` and `end` are shares of the axis."""

    cells: int
    out: int
    scale: Scale
    start: float
    end: float

    def is_whole(self) -> bool:
        """Whether the result has all cells, in their places."""
        return self.out == self.cells and self.scale == 1 and self.start == 0 and self.end == 1

    def places(self, transformation: str) -> Array:
        """Where the cells of the result lie, counted in cells of the input."""
        cells, scale = self.cells, self.scale
        numbers = np.arange(self.out, dtype=scale.dtype)
        width, last = cells * scale, cells - 1  # the width is what the result would have, were it not for whole numbers
        if transformation == "asymmetric":
            return numbers / scale
        if transformation == "align_corners":
            return numbers * (last / (width - 1) if width > 1 else 0)
        if transformation == "tf_crop_and_resize":
            if self.out == 1:
                return np.full(1, (self.start + self.end) / 2 * last)
            return self.start * last + numbers * ((self.end - self.start) * last / (self.out - 1))
        if transformation == "pytorch_half_pixel" and self.out == 1:
            return np.zeros(1)
        if transformation == "tf_half_pixel_for_nn":
            return (numbers + 0.5) / scale
        centred = transformation == "half_pixel_symmetric"
        return (numbers + 0.5) / scale - 0.5 + (cells / 2 * (1 - self.out / width) if centred else 0)


@dataclass(frozen=True)
class _Options:
    """Attributes of Resize, under their names."""

    mode: str
    coordinate_transformation_mode: str
    nearest_mode: str
    cubic_coeff_a: float
    exclude_outside: int
    extrapolation_value: float
    antialias: int

    def __post_init__(self) -> None:
        check_choice("Resize", "mode", self.mode, _MODES)
        transformation = self.coordinate_transformation_mode
        check_choice("Resize", "coordinate_transformation_mode", transformation, _TRANSFORMATIONS)
        check_choice("Resize", "nearest_mode", self.nearest_mode, ROUNDINGS)

    def taps(self, axis: _Axis) -> Taps:
        """Cells and weights of every cell of the result."""
        places = axis.places(self.coordinate_transformation_mode)
        if self.mode == "nearest":
            return nearest(places, axis.cells, self.nearest_mode)
        stretch = max(1.0, 1 / float(axis.scale)) if self.antialias else 1.0
        taps = weighted(places, self.mode, self.cubic_coeff_a, stretch)
        return within(taps, axis.cells, exclude=bool(self.exclude_outside), scaled=bool(self.antialias))


class _Along(NamedTuple):
    """How one axis gets another size, as backends want it."""

    axis: _Axis
    options: _Options

    @property
    def copies(self) -> bool:
        """Whether every result is a copy of one cell."""
        return self.options.mode == "nearest"

    def taps(self) -> Taps:
        """Cells and weights of every cell of the result."""
        return self.options.taps(self.axis)


@operator("Upsample", since=7)
def upsample_by_attribute(x: Array, *, scales: tuple[float, ...], mode: str = "nearest") -> Array:
    """Give every axis so many times the cells."""
    return _by_scales(x, [*map(np.float32, scales)], mode)


@operator("Upsample", since=9)
@operator("Resize", since=10)
def resize_by_scales(x: Array, scales: Array, *, mode: str = "nearest") -> Array:
    """Give every axis so many times the cells."""
    return _by_scales(x, [*scales], mode)


def _by_scales(x: Array, scales: Sequence[Scale], mode: str) -> Array:
    options = _Options(mode, "asymmetric", "floor", -0.75, 0, 0.0, 0)
    return _resized(x, _axes(x.shape, range(x.ndim), scales, None, "stretch", ()), options)


@operator("Resize", since=11)
def resize(
    x: Array,
    roi: Array | None = None,
    scales: Array | None = None,
    sizes: Array | None = None,
    *,
    antialias: int = 0,
    axes: tuple[int, ...] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Array:
    """Give axes other sizes, or so many times the cells, by interpolation."""
    options = _Options(
        mode,
        coordinate_transformation_mode,
        nearest_mode,
        cubic_coeff_a,
        exclude_outside,
        extrapolation_value,
        antialias,
    )
    check_choice("Resize", "keep_aspect_ratio_policy", keep_aspect_ratio_policy, _POLICIES)
    chosen = checked_axes("Resize", range(x.ndim) if axes is None else axes, x.shape)
    wanted = None if sizes is None or not sizes.size else integers("Resize", "sizes", sizes)
    factors = None if scales is None or not scales.size else [*scales]
    crops = coordinate_transformation_mode == "tf_crop_and_resize"
    region = roi.tolist() if crops and roi is not None else ()
    return _resized(x, _axes(x.shape, chosen, factors, wanted, keep_aspect_ratio_policy, region), options)


def _axes(
    shape: Shape,
    axes: Sequence[int],
    scales: Sequence[Scale] | None,
    sizes: Shape | None,
    policy: str,
    region: Sequence[float],
) -> dict[int, _Axis]:
    """What becomes of the axes."""
    count, cells = len(axes), [shape[axis] for axis in axes]
    given = scales if sizes is None else sizes
    if (scales is None) == (sizes is None) or given is None or len(given) != count or len(region) not in (0, 2 * count):
        raise InvalidValueError(
            f"Resize: either scales or sizes must be {count} numbers, and roi twice as many or none, but got "
            f"scales={scales}, sizes={sizes} and roi={region} (shape {shape})."
        )
    if sizes is None:
        factors = [*(scales or ())]
        with np.errstate(over="ignore", invalid="ignore"):
            widths = [one * factor for one, factor in zip(cells, factors)]
        out = [floor(width) if isfinite(width) else 0 for width in widths]
    else:
        factors = [np.float64(size / max(1, one)) for size, one in zip(sizes, cells)]
        if policy != "stretch":
            factors = [min(factors) if policy == "not_larger" else max(factors)] * count
        out = [*sizes] if policy == "stretch" else [floor(one * factors[0] + 0.5) for one in cells]
    if any(new < 0 or bool(new) != bool(old) for new, old in zip(out, cells)):
        raise InvalidValueError(
            f"Resize: the result must have cells where the input has some, but got {out} of {cells} along axes {axes} "
            f"(scales {[*map(float, factors)]})."
        )
    starts, ends = (region[:count], region[count:]) if region else ([0.0] * count, [1.0] * count)
    return {axis: _Axis(*numbers) for axis, *numbers in zip(axes, cells, out, factors, starts, ends)}


def _resized(x: Array, axes: dict[int, _Axis], options: _Options) -> Array:
    """Go along one axis after the other."""
    out = tuple(axes[axis].out if axis in axes else size for axis, size in enumerate(x.shape))
    check_fits("Resize", "the result", out, 8)
    changed = {number: axis for number, axis in axes.items() if axis.cells and not axis.is_whole()}
    along = {number: _Along(axis, options) for number, axis in changed.items()}
    if options.mode == "nearest":
        y = _interpolated(x, along)
    else:
        y = _rounded(_interpolated(widened(x) if x.dtype.kind not in "iub" else x.astype(np.float64), along), x.dtype)
    if options.coordinate_transformation_mode == "tf_crop_and_resize":
        for number, axis in changed.items():
            places = axis.places("tf_crop_and_resize")
            outside = (places < 0) | (places > axis.cells - 1)
            np.moveaxis(y, number, 0)[outside] = options.extrapolation_value
    return y


def _interpolated(x: Array, axes: dict[int, _Along]) -> Array:
    if not axes:
        return x.copy()
    if x.dtype.kind not in "iuf" or x.itemsize < 4:
        return gathered(x, {number: each.taps() for number, each in axes.items()})
    return resolve_backend(None, "Resize").resample(x, axes)


def _rounded(y: Array, dtype: np.dtype) -> Array:
    """Give a result its dtype; integers are rounded, and cut off at their limits."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        y = np.clip(np.rint(y), limits.min, limits.max)
    with np.errstate(over="ignore"):
        return y.astype(dtype, copy=False)
