"""Layers that change the size of planes."""

from __future__ import annotations

import numpy as np

from fastconv.functional.resample import upsample as upsampled
from fastconv.functional.resample import upsampled_size
from fastconv.layers import Upsample, ZeroPad1d, ZeroPad2d, ZeroPad3d
from fastconv.onnx.export.planes import over_planes, padded
from fastconv.onnx.export.registry import exports
from fastconv.onnx.export.writer import Place
from fastconv.validation.arrays import Array

_ASYMMETRIC = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


@exports(ZeroPad1d, ZeroPad2d, ZeroPad3d)
@over_planes
def zero_pad(place: Place, layer: ZeroPad2d, x: str) -> str:
    """Pad."""
    return padded(place, x, layer.padding)


@exports(Upsample)
@over_planes
def upsample(place: Place, layer: Upsample, x: str) -> str:
    """Resize; Gather where it would take other cells as the nearest ones."""
    _, _, *plane = place.planes
    out, factors = upsampled_size("Upsample", tuple(plane), layer.size, layer.scale_factor)
    kept = not layer.align_corners and layer.mode == "bilinear"
    scales = [_scale(size, new, factor if kept else None) for size, new, factor in zip(plane, out, factors)]
    if layer.mode == "bilinear":
        corners = "align_corners" if layer.align_corners else "half_pixel"
        return _resize(place, x, scales, mode="linear", coordinate_transformation_mode=corners)
    cells = [_nearest(*numbers) for numbers in zip(plane, out, factors)]
    if all(map(np.array_equal, cells, map(_asymmetric, out, scales))):
        return _resize(place, x, scales, mode="nearest", **_ASYMMETRIC)
    for axis, each in enumerate(cells, start=2):
        x = place.node("Gather", x, place.integers("cells", *each), axis=axis)
    return x


def _resize(place: Place, x: str, scales: list[np.float32], **options: str) -> str:
    table = place.constant("scales", np.array([1, 1, *scales], np.float32))
    return place.node("Resize", x, "", table, **options)


def _scale(cells: int, out: int, factor: float | None) -> np.float32:
    """The factor in float32, as near as may be so that `cells` become `out`, in whichever dtype they are multiplied."""
    scale = np.float32(out / cells if factor is None else factor)
    while min(_resized(cells, scale)) < out:
        scale = np.nextafter(scale, np.float32(np.inf))
    while max(_resized(cells, scale)) > out:
        scale = np.nextafter(scale, np.float32(0))
    return scale


def _resized(cells: int, scale: np.float32) -> tuple[int, int]:
    """Cells of the result, by the product in float64 and in float32."""
    return int(float(scale) * cells), int(scale * np.float32(cells))


def _nearest(cells: int, out: int, factor: float | None) -> Array:
    """The cell that every cell of the result copies."""
    line = np.arange(cells, dtype=np.float64)[None, None]
    chosen = upsampled(line, out) if factor is None else upsampled(line, scale_factor=factor)
    cast: Array = chosen[0, 0].astype(np.int64)
    return cast


def _asymmetric(out: int, scale: np.float32) -> Array:
    """What Resize takes for it."""
    cast: Array = np.floor(np.arange(out, dtype=np.float32) / scale).astype(np.int64)
    return cast
