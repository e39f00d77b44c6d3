"""Pooling over windows that divide up the plane."""

from __future__ import annotations

from fastconv.backends.geometry import AdaptiveGeometry
from fastconv.errors import InvalidValueError
from fastconv.layers import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    GlobalAvgPool3d,
    GlobalMaxPool1d,
    GlobalMaxPool2d,
    GlobalMaxPool3d,
)
from fastconv.onnx.export.planes import over_planes
from fastconv.onnx.export.pool import averages, maxima
from fastconv.onnx.export.registry import exports
from fastconv.onnx.export.writer import Place


@exports(AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, GlobalAvgPool1d, GlobalAvgPool2d, GlobalAvgPool3d)
@over_planes
def avg_pool(place: Place, layer: AdaptiveAvgPool2d, x: str) -> str:
    """GlobalAveragePool, AveragePool, or means of parts."""
    geometry = layer._geometry(place.input_shape)
    if geometry.windows is None:
        return _by_parts(place, x, geometry, "ReduceMean")
    if geometry.windows.windows == 1:
        return place.node("GlobalAveragePool", x)
    return averages(place, x, geometry.windows.axes)


@exports(AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d, GlobalMaxPool1d, GlobalMaxPool2d, GlobalMaxPool3d)
@over_planes
def max_pool(place: Place, layer: AdaptiveMaxPool2d, x: str) -> str:
    """GlobalMaxPool, MaxPool, or maxima of parts."""
    geometry, undone = layer._geometry(place.input_shape), id(layer) in place.graph.unpooled
    if geometry.windows is None and undone:
        raise InvalidValueError(
            f"onnx.save: an adaptive pool that is undone must divide the plane evenly, but layer {place.name!r} makes "
            f"{geometry.out} of {geometry.size}."
        )
    if geometry.windows is None:
        return _by_parts(place, x, geometry, "ReduceMax")
    if geometry.windows.windows == 1 and not undone:
        return place.node("GlobalMaxPool", x)
    axes = geometry.windows.axes
    return maxima(place, x, axes, [(0, 0)] * len(axes))


def _by_parts(place: Place, x: str, geometry: AdaptiveGeometry, reduce: str) -> str:
    """Axis by axis: the mean or maximum of every span, side by side."""
    for axis, (size, out) in enumerate(zip(geometry.size, geometry.out)):
        if size != out:
            spans = [geometry.span(axis, window) for window in range(out)]
            parts = [place.sliced(x, axis + 2, span.start, span.stop) for span in spans]
            reduced = [place.node(reduce, part, axes=[axis + 2], keepdims=1) for part in parts]
            x = place.node("Concat", *reduced, axis=axis + 2)
    return x
