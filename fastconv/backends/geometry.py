"""Output sizes, padding and frozen geometry: integers only, for any number of spatial axes.

This is the only place that knows how an output size, SAME padding, ceil mode or a transposed size is computed.
Nothing here checks what a user passed (see `fastconv.validation`), and nothing here touches an array.

The vocabulary, per axis: a *window* has ``kernel`` taps, ``dilation`` cells apart, so it *extends* over
``dilation * (kernel - 1) + 1`` cells. Window ``o`` starts at input cell ``o * stride - before``; cells below 0 or
from ``size`` upwards are padding.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from math import prod

from fastconv.backends.locks import cached_property

# orders of axes for `transpose`, by number of axes: (N, *spatial, C) -> (N, C, *spatial), and back
CHANNELS_FIRST = {ndim: (0, ndim - 1, *range(1, ndim - 1)) for ndim in (3, 4, 5)}
CHANNELS_LAST = {ndim: (0, *range(2, ndim), 1) for ndim in (3, 4, 5)}


def window_extent(kernel: int, dilation: int) -> int:
    """Cells from the first to the last tap of a window, both included."""
    return dilation * (kernel - 1) + 1


def same_padding(size: int, kernel: int, stride: int, dilation: int, *, lower: bool) -> tuple[int, int]:
    """Padding that gives ``ceil(size / stride)`` windows; the odd cell goes after, or before with `lower`."""
    windows = -(-size // stride)
    total = max((windows - 1) * stride + window_extent(kernel, dilation) - size, 0)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


def transposed_size(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int, output_padding: int
) -> int:
    """Output cells of a transposed convolution: the input size whose convolution has `size` outputs."""
    return (size - 1) * stride - before - after + window_extent(kernel, dilation) + output_padding


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a sliding window, with everything resolved to integers."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    out: int
    zeros: tuple[int, int] = (0, 0)
    """Cells at either end of `size` that are known to hold zeros."""

    @property
    def extent(self) -> int:
        """Cells from the first to the last tap of a window."""
        return window_extent(self.kernel, self.dilation)

    @property
    def padded(self) -> int:
        """Cells of the axis with its padding on both sides."""
        return self.before + self.size + self.after

    def start(self, window: int) -> int:
        """Input cell of the first tap of `window`; negative inside the padding before."""
        return window * self.stride - self.before

    def taps(self, window: int, low: int = 0, high: int | None = None) -> range:
        """Taps of `window` whose cell lies in ``[low, high)``; by default the real cells ``[0, size)``."""
        start = self.start(window)
        stop = self.size if high is None else high
        first = max(0, -((start - low) // self.dilation))
        last = min(self.kernel - 1, (stop - 1 - start) // self.dilation)
        return range(first, max(first, last + 1))

    def padded_taps(self, window: int) -> range:
        """Taps of `window` on real or padding cells, not on those beyond that only ceil mode adds."""
        return self.taps(window, -self.before, self.size + self.after)


def _axis(size: int, kernel: int, stride: int, dilation: int, before: int, after: int, out: int) -> Axis:
    """Axis whose steps are no longer than it is with its padding: a longer one leads out of it, however long it is."""
    most = max(before + size + after, 1)
    return Axis(size, kernel, min(stride, most), dilation if kernel > 1 else min(dilation, most), before, after, out)


def conv_axis(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> Axis:
    """Axis of a convolution; ``out`` is the largest number of windows that fit, zero or less where none does."""
    spare = before + size + after - window_extent(kernel, dilation)
    return _axis(size, kernel, stride, dilation, before, after, spare // stride + 1)


def transposed_axis(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int, output_size: int
) -> Axis:
    """Axis of the convolution that a transposed one turns round: it takes `output_size` cells to `size` windows."""
    return _axis(output_size, kernel, stride, dilation, before, after, size)


def pool_axis(size: int, kernel: int, stride: int, dilation: int, before: int, after: int, *, ceil_mode: bool) -> Axis:
    """Axis of a pooling; in ceil mode a last window may stick out, unless it would start in the padding after."""
    axis = conv_axis(size, kernel, stride, dilation, before, after)
    spare = axis.padded - window_extent(kernel, dilation)
    if not ceil_mode or spare < 0 or spare % stride == 0 or axis.out * stride - before >= size:
        return axis
    return replace(axis, out=axis.out + 1)


@dataclass(frozen=True)
class WindowGeometry:
    """Windows sliding over a batch of planes: what pooling, im2col and col2im need to know."""

    axes: tuple[Axis, ...]
    batch: int
    channels: int

    def __hash__(self) -> int:
        """Hash of all fields, computed once: geometries are the keys of every cache on the way to a kernel."""
        return self._hashed

    @cached_property
    def _hashed(self) -> int:
        return hash(astuple(self))

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.axes)

    @cached_property
    def size(self) -> tuple[int, ...]:
        """Input size per spatial axis."""
        return tuple(axis.size for axis in self.axes)

    @cached_property
    def out(self) -> tuple[int, ...]:
        """Output size per spatial axis."""
        return tuple(axis.out for axis in self.axes)

    @cached_property
    def kernel(self) -> tuple[int, ...]:
        """Kernel size per spatial axis."""
        return tuple(axis.kernel for axis in self.axes)

    @cached_property
    def windows(self) -> int:
        """Windows in one plane."""
        return prod(self.out)

    @cached_property
    def taps(self) -> int:
        """Taps in one window of one plane."""
        return prod(self.kernel)

    @cached_property
    def input_shape(self) -> tuple[int, ...]:
        """(N, C, *size)."""
        return (self.batch, self.channels, *self.size)

    @cached_property
    def output_shape(self) -> tuple[int, ...]:
        """(N, C, *out)."""
        return (self.batch, self.channels, *self.out)

    @property
    def columns_shape(self) -> tuple[int, int, int]:
        """(N, C*taps, windows): the shape of im2col."""
        return (self.batch, self.channels * self.taps, self.windows)


@dataclass(frozen=True)
class AdaptiveGeometry:
    """Windows that share a batch of planes out among `out` positions: what adaptive and global pooling need to know."""

    batch: int
    channels: int
    size: tuple[int, ...]
    out: tuple[int, ...]

    def span(self, axis: int, window: int) -> range:
        """Cells of a window along an axis, ``i * size // out`` up to ``ceil((i + 1) * size / out)``."""
        size, out = self.size[axis], self.out[axis]
        return range(window * size // out, -(-(window + 1) * size // out))

    @cached_property
    def windows(self) -> WindowGeometry | None:
        """The same as windows of one size, side by side, where the sizes divide."""
        if any(size % out for size, out in zip(self.size, self.out)):
            return None
        steps = tuple(size // out for size, out in zip(self.size, self.out))
        axes = tuple(Axis(size, step, step, 1, 0, 0, out) for size, step, out in zip(self.size, steps, self.out))
        return WindowGeometry(axes, self.batch, self.channels)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(N, C, *size)."""
        return (self.batch, self.channels, *self.size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(N, C, *out)."""
        return (self.batch, self.channels, *self.out)


def place_bytes(geometry: WindowGeometry | AdaptiveGeometry) -> int:
    """Bytes in which the fast backend keeps where a maximum was: the number of a tap, or a position in the plane."""
    windows = geometry.windows if isinstance(geometry, AdaptiveGeometry) else geometry
    return 1 if windows is not None and windows.taps <= 2**8 else 8


def conv_weight_shape(filters: int, channels: int, groups: int, kernel: tuple[int, ...]) -> tuple[int, ...]:
    """(F, C//groups, *kernel)."""
    return (filters, channels // groups, *kernel)


@dataclass(frozen=True)
class ConvGeometry(WindowGeometry):
    """Windows sliding over a batch, multiplied with `filters` filters in `groups` groups."""

    filters: int
    groups: int

    __hash__ = WindowGeometry.__hash__

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(N, F, *out)."""
        return (self.batch, self.filters, *self.out)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """(F, C//groups, *kernel)."""
        return conv_weight_shape(self.filters, self.channels, self.groups, self.kernel)

    @property
    def group_channels(self) -> int:
        """Input channels of one group."""
        return self.channels // self.groups

    @property
    def group_filters(self) -> int:
        """Filters of one group."""
        return self.filters // self.groups

    def with_padding_inside(self) -> ConvGeometry:
        """The same windows over an input that has the cells of the padding, too."""
        axes = tuple(
            replace(axis, size=axis.padded, before=0, after=0, zeros=(axis.before, axis.after)) for axis in self.axes
        )
        return replace(self, axes=axes)

    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass, padding counted as in every published figure."""
        return prod(self.output_shape) * self.group_channels * self.taps
