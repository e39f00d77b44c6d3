"""Convolution and linear layers in plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends.base import Array, Backend, Gradients
from fastconv.backends.geometry import ConvGeometry
from fastconv.backends.naive.windows import window_at, windows_of


class Totals:
    """Sums in float64, and beside them the sums of what was rounded off (Knuth 1969, volume 2, 4.2.2, theorem B).

    So they are right to an eps or two, however many terms there are.
    """

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        self.sums, self.lost = np.zeros(shape), np.zeros(shape)

    def add(self, place: Any, term: Any) -> None:
        """Add a term at a place: ``sums[place] += term``."""
        before = np.array(self.sums[place])
        after = before + term
        taken = after - before
        rounded_off = (before - (after - taken)) + (term - taken)
        self.lost[place] += np.where(np.isfinite(after), rounded_off, 0.0)
        self.sums[place] = after

    def rounded(self, dtype: np.dtype[Any]) -> Array:
        """Return the sums in a dtype."""
        return (self.sums + self.lost).astype(dtype)


def _rounded(needs: frozenset[str], dtype: np.dtype[Any], **totals: Totals) -> Gradients:
    """Gradients of x, weight and bias in a dtype; None for those not in `needs`."""
    dx, dweight, dbias = (total.rounded(dtype) if name in needs else None for name, total in totals.items())
    return dx, dweight, dbias


class ConvLoops(Backend):
    """Convolution and linear layers, one output at a time."""

    @np.errstate(all="ignore")
    def conv(self, x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
        """Forward pass of conv2d and its kin."""
        y = np.empty(geometry.output_shape, x.dtype)
        x, weight = x.astype(np.float64), weight.astype(np.float64)
        windows = list(windows_of(geometry))
        for n in range(geometry.batch):
            for f in range(geometry.filters):
                group = f // geometry.group_filters
                first = group * geometry.group_channels
                planes = x[n, first : first + geometry.group_channels]
                start = 0.0 if bias is None else float(bias[f])
                for position, cells, taps in windows:
                    y[(n, f, *position)] = (window_at(planes, geometry, cells, taps) * weight[f]).sum() + start
        return y

    @np.errstate(all="ignore")
    def conv_backward(
        self, dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
    ) -> Gradients:
        """Gradients of conv2d and its kin."""
        dtype = x.dtype
        x, weight = x.astype(np.float64), weight.astype(np.float64)
        dx, dweight, dbias = Totals(x.shape), Totals(weight.shape), Totals(geometry.filters)
        windows = list(windows_of(geometry))
        for n in range(geometry.batch):
            for f in range(geometry.filters):
                group = f // geometry.group_filters
                first = group * geometry.group_channels
                channels = slice(first, first + geometry.group_channels)
                for position, cells, taps in windows:
                    g = float(dy[(n, f, *position)])
                    if "x" in needs:
                        dx.add((n, channels, *cells), g * weight[(f, ..., *taps)])
                    if "weight" in needs:
                        dweight.add(f, g * window_at(x[n, channels], geometry, cells, taps))
                    dbias.add(f, g)
        return _rounded(needs, dtype, x=dx, weight=dweight, bias=dbias)

    @np.errstate(all="ignore")
    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """Forward pass of linear."""
        y = np.empty((len(x), len(weight)), x.dtype)
        x, weight = x.astype(np.float64), weight.astype(np.float64)
        for n in range(len(x)):
            for o in range(len(weight)):
                start = 0.0 if bias is None else float(bias[o])
                y[n, o] = (x[n] * weight[o]).sum() + start
        return y

    @np.errstate(all="ignore")
    def linear_backward(self, dy: Array, x: Array, weight: Array, needs: frozenset[str]) -> Gradients:
        """Gradients of linear."""
        dtype = x.dtype
        x, weight = x.astype(np.float64), weight.astype(np.float64)
        dx, dweight, dbias = Totals(x.shape), Totals(weight.shape), Totals(len(weight))
        for n in range(len(x)):
            for o in range(len(weight)):
                g = float(dy[n, o])
                if "x" in needs:
                    dx.add(n, g * weight[o])
                if "weight" in needs:
                    dweight.add(o, g * x[n])
                dbias.add(o, g)
        return _rounded(needs, dtype, x=dx, weight=dweight, bias=dbias)
