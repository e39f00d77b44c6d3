"""One shape for every product: forward and input gradient, in one, two or three dimensions, as a `Pass`.

A pass slides windows over a channels-last source. The input gradient of a strided convolution is one pass per phase:
the cells i with the same ``(i + before) mod stride`` see the same taps, and are a convolution of dy with stride 1 (for
two axes and stride 2, four interleaved images). So nothing is ever scattered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import product
from math import gcd, prod

from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.geometry import Axis, ConvGeometry
from fastconv.backends.locks import cached_property

_TRIVIAL = Axis(1, 1, 1, 1, 0, 0, 1)


@dataclass(frozen=True)
class Line:
    """One axis of a pass.

    Output j reads source cells ``j * stride - before + t * step`` for the taps t, and is cell ``first + j * every`` of
    the result. `taps` names the taps of the weights in that order. `before` is negative where cells are cropped.
    `zeros` are the cells at either end of the source that are known to hold zeros.
    """

    source: int
    out: int
    stride: int
    step: int
    before: int
    taps: tuple[int, ...]
    first: int
    every: int
    result: int
    zeros: tuple[int, int] = (0, 0)

    @property
    def extent(self) -> int:
        """Cells from the first to the last tap."""
        return (len(self.taps) - 1) * self.step + 1

    @property
    def inside(self) -> bool:
        """Whether every window lies inside the source."""
        return self.before <= 0 and (self.out - 1) * self.stride - self.before + self.extent <= self.source

    def outputs_of(self, tap: int) -> range:
        """Outputs that read numbers with the tap at a position, and not padding or other zeros."""
        cell = tap * self.step - self.before
        first = -((cell - self.zeros[0]) // self.stride)
        last = (self.source - self.zeros[1] - 1 - cell) // self.stride
        start = min(max(0, first), self.out)
        return range(start, max(start, min(self.out, last + 1)))

    @property
    def reads(self) -> list[range]:
        """The same for every tap."""
        return [self.outputs_of(tap) for tap in range(len(self.taps))]


@dataclass(frozen=True)
class Pass:
    """A product of windows with weights: three axes, `depth` numbers per tap and `lanes` results, per group.

    In one that is `lanewise`, a lane has numbers of its own: its channel, or where `depth` is more than one, the
    channels of a group of as many lanes (`conv.tiling.side_by_side`).
    """

    lines: tuple[Line, Line, Line]
    batch: int
    groups: int
    depth: int
    lanes: int
    kernel: tuple[int, int, int]
    lanewise: bool

    def __hash__(self) -> int:
        """Hash of all fields, computed once: passes are the keys of the cache of plans."""
        return self._hashed

    @cached_property
    def _hashed(self) -> int:
        return hash(astuple(self))

    @property
    def has_small_groups(self) -> bool:
        """Whether small groups stand side by side."""
        return self.lanewise and self.depth > 1

    @property
    def channels(self) -> int:
        """Numbers of a pixel of the source, per group."""
        return self.lanes if self.lanewise else self.depth

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the pass."""
        windows = prod(line.out * len(line.taps) for line in self.lines)
        return self.batch * windows * self.groups * self.depth * self.lanes

    @property
    def pixels(self) -> int:
        """Results per lane."""
        return self.batch * prod(line.out for line in self.lines)

    @property
    def weights(self) -> int:
        """Weights that the pass multiplies with."""
        return prod(len(line.taps) for line in self.lines) * self.groups * self.depth * self.lanes

    @property
    def tap_numbers(self) -> tuple[int, ...]:
        """Positions of the taps in the flattened kernel, in the order of the reduction."""
        _, height, width = self.kernel
        return tuple((d * height + h) * width + w for d, h, w in product(*(line.taps for line in self.lines)))

    @property
    def is_pointwise(self) -> bool:
        """Whether output pixel p reads source pixel p and nothing else, all pixels in one row of memory."""
        return all(
            len(line.taps) == 1 and line.stride == line.every == 1 and line.before == 0
            and line.first == 0 and line.out == line.source == line.result
            for line in self.lines
        )  # fmt: skip


def three_axes(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """Depth, height and width; axes that a geometry does not have are trivial."""
    return (_TRIVIAL,) * (3 - len(axes)) + axes


def _is_depthwise(geometry: ConvGeometry) -> bool:
    return geometry.groups > 1 and geometry.group_channels == 1


def _sizes(geometry: ConvGeometry) -> tuple[int, int, int, bool]:
    """(groups, channels per group, filters per group, lanewise); a depthwise convolution has one group of lanes."""
    if _is_depthwise(geometry):
        return 1, 1, geometry.filters, True
    return geometry.groups, geometry.group_channels, geometry.group_filters, False


@plan_cache(1024)
def forward_pass(geometry: ConvGeometry) -> Pass:
    """Pass from x to y."""
    axes = three_axes(geometry.axes)
    lines = tuple(
        Line(a.size, a.out, a.stride, a.dilation, a.before, tuple(range(a.kernel)), 0, 1, a.out, a.zeros) for a in axes
    )
    groups, depth, lanes, lanewise = _sizes(geometry)
    kernel = tuple(axis.kernel for axis in axes)
    return Pass(lines, geometry.batch, groups, depth, lanes, kernel, lanewise)  # type: ignore[arg-type]


@plan_cache(1024)
def one_window(geometry: ConvGeometry) -> ConvGeometry | None:
    """Geometry with one pixel per image and every tap a channel, where each image is one window and nothing else.

    So a transposed convolution starts from one pixel, and a fully connected layer is written as a convolution.
    """
    whole = all(
        axis.out == 1 and axis.before == 0 and axis.size == axis.kernel == axis.extent for axis in geometry.axes
    )
    if geometry.groups > 1 or geometry.taps == 1 or not whole:
        return None
    return ConvGeometry((_TRIVIAL,), geometry.batch, geometry.channels * geometry.taps, geometry.filters, 1)


def _phases(axis: Axis) -> Iterator[Line]:
    """Lines of the input gradient along one axis, one for each phase that a tap reaches."""
    reached: dict[int, list[int]] = {}
    for tap in reversed(range(axis.kernel)):
        reached.setdefault(tap * axis.dilation % axis.stride, []).append(tap)
    for phase, taps in sorted(reached.items()):
        first = (phase - axis.before) % axis.stride
        count = -((first - axis.size) // axis.stride)
        if count <= 0:
            continue
        start = (first + axis.before - taps[0] * axis.dilation) // axis.stride
        step = axis.dilation // gcd(axis.dilation, axis.stride)
        yield Line(axis.out, count, 1, step, -start, tuple(taps), first, axis.stride, axis.size)


@plan_cache(1024)
def input_gradient_passes(geometry: ConvGeometry) -> tuple[tuple[Pass, ...], bool]:
    """Passes from dy to dx, and whether they cover every cell of dx."""
    axes = three_axes(geometry.axes)
    groups, depth, lanes, lanewise = _sizes(geometry)
    kernel = tuple(axis.kernel for axis in axes)
    phases = [list(_phases(axis)) for axis in axes]
    passes = [
        Pass(lines, geometry.batch, groups, *((1, lanes) if lanewise else (lanes, depth)), kernel, lanewise)  # type: ignore[arg-type]
        for lines in product(*phases)
    ]
    return tuple(passes), all(len(lines) == min(axis.stride, axis.size) for lines, axis in zip(phases, axes))
