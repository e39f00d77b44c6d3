"""How an axis of a pass is cut into tiles, and one with a dilation or a stride into axes without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fastconv.backends.fast.conv.passes import Line


@dataclass(frozen=True)
class Cut:
    """How an axis is cut into tiles: so many whole ones, each of `outputs`, and one of `part` outputs, or none of 0."""

    outputs: int
    taps: int
    whole: int
    part: int

    @property
    def points(self) -> int:
        """Points of a whole tile."""
        return self.outputs + self.taps - 1

    @property
    def tiles(self) -> int:
        """Tiles along the axis."""
        return self.whole + (self.part > 0)

    @property
    def products(self) -> int:
        """Products along the axis, for a channel and a filter."""
        return self.whole * self.points + (self.part + self.taps - 1 if self.part else 0)


def cut(line: Line, outputs: int) -> Cut:
    """Cut an axis into tiles of so many outputs; of a stride, those of its first phase, which has most taps."""
    return Cut(outputs, -(-len(line.taps) // line.stride), line.out // outputs, line.out % outputs)


def reaches_in(line: Line) -> bool:
    """Whether every window along an axis has a cell inside the source."""
    return line.before < line.extent and line.out - 1 - line.before < line.source


def dilation_of(line: Line) -> int:
    """Cells from one tap to the next."""
    return line.step if len(line.taps) > 1 else 1


def interleaved(line: Line) -> Iterator[tuple[Line, int]]:
    """An axis with a dilation of d as d axes without, each with its first cell of the source: every d-th output."""
    step = dilation_of(line)
    for first in range(min(step, line.out)):
        start = (first - line.before) % step
        before = -((first - line.before - start) // step)
        source, out = (-(-(size - skipped) // step) for size, skipped in ((line.source, start), (line.out, first)))
        every = step * line.every
        yield Line(source, out, line.stride, 1, before, line.taps, line.first + first, every, line.result), start


def phases(line: Line) -> Iterator[tuple[Line, int]]:
    """An axis with a stride as axes without, whose results are added up, each with its first cell of the source.

    Taps 0, s, 2s, … of a stride of s meet every s-th cell, taps 1, s + 1, … those behind them, and so on. The first has
    most taps.
    """
    stride = line.stride
    for phase in range(min(stride, len(line.taps))):
        start = (phase - line.before) % stride
        before, source = (line.before - phase + start) // stride, -(-(line.source - start) // stride)
        yield replace(line, source=source, stride=1, before=before, taps=line.taps[phase::stride]), start


def first_phase(line: Line) -> tuple[Line, int]:
    """Return the first of the `phases` of an axis."""
    return next(phases(line))
