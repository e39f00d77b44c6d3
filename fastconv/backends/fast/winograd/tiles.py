"""How the outputs of a pass are cut into tiles, and these into strips: what forward pass and gradients share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.conv.passes import Pass
from fastconv.backends.fast.machine.launch import address
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.winograd.axes import Cut, cut, dilation_of, first_phase, interleaved, phases, reaches_in
from fastconv.backends.fast.winograd.points import GROUP
from fastconv.backends.fast.winograd.transform_kernel import Transform, transform_address
from fastconv.backends.locks import cached_property

FEWEST_TILES = 14  # of a strip, for which U is read once
VECTORS = 2  # of a block of filters
OUTPUTS = {1: 1, 2: 4, 3: 4, 4: 3, 5: 2}  # of a whole tile along an axis, by its taps: one point or six
MOST_DILATION = 4  # a dilation of d is d passes for each axis
MOST_CHANNELS = 2048  # of all phases, whose sums, 64 in a register at a time, round off what is promised
MOST_TAPS = 64  # for which there is a table, where a pixel is computed directly
OUTPUTS_OF_ONE_AXIS = {**OUTPUTS, 5: 4, 7: 2}  # where the other has one tap: the growth of an error is not squared


def odd_lines(nbytes: int) -> int:
    """Bytes up to an odd number of cache lines: what lies that far apart is in different sets of a cache."""
    return (-(-nbytes // 64) | 1) * 64


def can_transform(task: Pass) -> bool:
    """Whether a pass has as many taps along rows and columns as there are points for, in each phase."""
    depth, height, width = task.lines
    if task.lanewise or depth.step > MOST_DILATION:
        return False
    both = [*phases(height)], [*phases(width)]
    summed = task.depth * len(depth.taps) * len(both[0]) * len(both[1])
    if summed > MOST_CHANNELS or len(task.tap_numbers) > MOST_TAPS:
        return False
    strided = height.stride > 1 or width.stride > 1
    if any(line.step > (1 if strided or line.every > 1 else MOST_DILATION) for line in (height, width)):
        return False
    taps = sorted(len(of_axis[0][0].taps) for of_axis in both)
    if taps == [1, 1] or taps[0] not in OUTPUTS or taps[1] not in (OUTPUTS_OF_ONE_AXIS if taps[0] == 1 else OUTPUTS):
        return False
    return all(
        reaches_in(phase) for axis in (height, width) for line, _ in interleaved(axis) for phase, _ in phases(line)
    )


@dataclass(frozen=True)
class Grid:
    """Tiles of a pass, or of a part of one: of every d-th row and pixel of x, from the first of these on.

    The parts of a dilated pass have outputs of their own, and those of a strided one, its `phases`, are added up. So
    are the taps along depth, of which each meets a slice; a phase, or a part of a weight gradient, has one, its `tap`.

    A row of tiles is cut into `segments` where it is more than a strip should have; every segment is a strip then.
    Otherwise a strip is some whole rows.
    """

    task: Pass
    height: Cut
    width: Cut
    size: tuple[int, int]  # rows and pixels of x
    start: tuple[int, int] = (0, 0)
    every: tuple[int, int] = (1, 1)
    tap: int | None = None
    segments: int = 1
    strips: int = 1

    @property
    def points(self) -> int:
        """Points of a whole tile."""
        return self.height.points * self.width.points

    @property
    def products(self) -> int:
        """Products of an image, for a channel and a filter."""
        return self.task.lines[0].out * self.height.products * self.width.products

    @property
    def row_count(self) -> int:
        """Rows of tiles, in all images and slices."""
        return self.task.batch * self.task.lines[0].out * self.height.tiles

    @property
    def row_tiles(self) -> int:
        """Tiles of all rows."""
        return self.row_count * self.width.tiles

    @property
    def items(self) -> int:
        """Rows of tiles, or segments of them."""
        return self.row_count * self.segments

    @property
    def by_tap(self) -> tuple[Grid, ...]:
        """Grids of the taps along depth; of one tap the grid itself."""
        taps = len(self.task.lines[0].taps)
        return (self,) if taps == 1 or self.tap is not None else tuple(replace(self, tap=tap) for tap in range(taps))

    @property
    def phases(self) -> tuple[Grid, ...]:
        """Grids of the phases of a stride, by taps along depth, those with most taps first; or the grid itself."""
        strided = any(line.stride > 1 for line in self.task.lines[1:])
        return self._phases if strided else self.by_tap

    @cached_property
    def _phases(self) -> tuple[Grid, ...]:
        depth, height, width = self.task.lines
        return tuple(
            replace(
                grid, task=replace(self.task, lines=(depth, rows, columns)),
                height=replace(self.height, taps=len(rows.taps)), width=replace(self.width, taps=len(columns.taps)),
                start=(top, left), every=(height.stride, width.stride),
            )
            for grid in self.by_tap
            for rows, top in phases(height)
            for columns, left in phases(width)
        )  # fmt: skip

    @property
    def of_phases(self) -> str:
        """What is added up, in words."""
        taps = len(self.by_tap)
        count = len(self.phases) // taps
        return (f" of {count} phases" if count > 1 else "") + (f" in {taps} slices" if taps > 1 else "")

    @property
    def v_phase(self) -> int:
        """Bytes of V of a tile, of one phase."""
        return 4 * GROUP * self.points * -(-self.task.depth // GROUP)

    @property
    def v_tile(self) -> int:
        """Bytes of V of a tile, all phases."""
        return odd_lines(sum(phase.v_phase for phase in self.phases))

    @property
    def m_point(self) -> int:
        """Bytes of a point of a tile, for a block of filters."""
        return 4 * VECTORS * host().lanes(4)

    @property
    def m_tile(self) -> int:
        """Bytes of M or Z of a tile, for a block of filters."""
        return odd_lines(self.m_point * self.points)

    def in_strips(self, tiles: int) -> Grid:
        """Cut it into strips of about so many tiles."""
        tiles = max(FEWEST_TILES, tiles)
        segments = max(1, -(-self.width.whole // (2 * tiles)))
        rows = self.row_count
        strips = rows * segments if segments > 1 else min(rows, -(-self.row_tiles // tiles))
        return replace(self, segments=segments, strips=strips)

    def shared(self, number: int) -> Grid:
        """Cut it into a multiple of so many strips, where there are as many rows."""
        strips = self.strips if self.segments > 1 else min(self.items, -(-self.strips // number) * number)
        return replace(self, strips=strips)

    @cached_property
    def _rows(self) -> Array:
        """Of each item: its row of tiles in its slice, its segment, its slice, and its image."""
        rows, segments = np.divmod(np.arange(self.items), self.segments)
        slices, rows = np.divmod(rows, self.height.tiles)
        images, slices = np.divmod(slices, self.task.lines[0].out)
        return np.stack((rows, segments, slices, images))

    @cached_property
    def _columns(self) -> Array:
        """Of each segment: its first whole tile, how many, and how many follow that are part of a column."""
        bounds = self.width.whole * np.arange(self.segments + 1) // self.segments
        sides = np.where(np.arange(self.segments) == self.segments - 1, min(self.width.part, 1), 0)
        return np.stack((bounds[:-1], np.diff(bounds), sides))

    @cached_property
    def _bounds(self) -> Array:
        return self.items * np.arange(self.strips + 1) // self.strips

    def items_table(self, strides: tuple[int, int, int, int]) -> Array:
        """Table of `ITEM`, with the byte strides (N, D, H, W) of the results."""
        (rows, segments, slices, images), strip = self._rows, np.repeat(np.arange(self.strips), np.diff(self._bounds))
        first, columns, sides = self._columns[:, segments]
        whole = rows < self.height.whole
        before = np.cumsum(whole) - whole  # whole rows before an item, and in its strip
        seen = before - before[self._bounds[:-1]][strip]
        others = np.arange(self.items) - self._bounds[:-1][strip] - seen
        (all_whole, _), corner = self._kinds[strip].T, self._kinds[strip, 0] * sides
        below = corner + all_whole * columns
        all_below = self._kinds[strip, 1] * columns
        depth, height, width = self.task.lines
        n, d, h, w = self.strides
        top, left = rows * self.height.outputs - height.before, first * self.width.outputs
        within = slices * depth.stride + (self.tap or 0) * depth.step - depth.before
        y_n, y_d, y_h, y_w = strides
        return np.stack(
            (
                np.where(whole, 0, 2),
                np.where(whole, corner + seen * columns, below + others * columns),
                np.where(whole, seen, below + all_below + others),
                columns, sides, images * n + within * d + top * h + (left - width.before) * w, within, top, left,
                images * y_n + slices * y_d + rows * self.height.outputs * y_h + left * y_w,
                np.where(whole, self.height.outputs, self.height.part),
            ),
            axis=1,
        ).astype(np.int64)  # fmt: skip

    @cached_property
    def _kinds(self) -> Array:
        """Of each strip: whole rows of tiles, and others."""
        whole = np.add.reduceat((self._rows[0] < self.height.whole).astype(np.int64), self._bounds[:-1])
        return np.stack((whole, np.diff(self._bounds) - whole), axis=1)

    @cached_property
    def strips_table(self) -> Array:
        """Table of `STRIP`: for the points of four kinds, the first of the tiles that have them, and how many have.

        A point that tiles with part of a column lack comes first, and one that those with part of a row lack second.
        """
        (whole, part), (_, columns, sides) = self._kinds.T, self._columns[:, self._rows[1][self._bounds[:-1]]]
        corner = whole * sides
        found = [self._bounds[:-1], self._bounds[1:]]
        for has_row in (0, 1):
            for has_column in (0, 1):
                count = whole * columns + has_row * part * columns + has_column * (corner + has_row * part * sides)
                found += [np.zeros_like(corner) if has_column else corner, count]
        return np.stack(found, axis=1).astype(np.int64)

    @cached_property
    def kinds_table(self) -> Array:
        """Kind of each point, see `strips_table`."""
        axes = (
            (self.height.part, self.height.outputs, self.height.points),
            (self.width.part, self.width.outputs, self.width.points),
        )
        rows, columns = (
            [point == points - 1 or not part or point < points - 1 - (outputs - part) for point in range(points)]
            for part, outputs, points in axes
        )
        return np.array([2 * row + column for row in rows for column in columns], np.int64)

    @cached_property
    def counts(self) -> set[int]:
        """Numbers of tiles that have a point, of all strips and points."""
        return {int(count) for count in np.unique(self.strips_table[:, 3::2])} - {0}

    @property
    def strip_tiles(self) -> int:
        """Tiles of the largest strip."""
        return max(self.counts)

    @cached_property
    def strides(self) -> tuple[int, int, int, int]:
        """Byte strides of x: images, slices, rows and pixels."""
        pixel = 4 * self.task.groups * self.task.depth
        row = self.size[1] * pixel
        plane = self.size[0] * row
        return self.task.lines[0].source * plane, plane, self.every[0] * row, self.every[1] * pixel

    @property
    def first_cell(self) -> int:
        """Byte offset of the first row and pixel of x."""
        return 4 * self.task.groups * self.task.depth * (self.start[0] * self.size[1] + self.start[1])

    def arguments(self, inputs: Array, zeros: Array, items: Array) -> dict[str, int]:
        """Entries of an argument block that say how x is cut into tiles, with a table of `items_table`."""
        depth, rows, columns = self.task.lines
        height, width = self.height, self.width
        return {
            "X": self.first_cell, "X_H": self.strides[2], "X_W": self.strides[3], "X_GROUP": 4 * self.task.depth,
            "IN_D": depth.source, "IN_H": rows.source, "IN_W": columns.source,
            "PAD_W": columns.before, "GROUPS": self.task.groups, "CHANNELS": self.task.depth, "ZEROS": address(zeros),
            "M_W": width.outputs, "PART_W": width.part, "POINTS_H": height.points,
            "POINTS": self.points, "V_TILE": self.v_tile, "INPUTS": address(inputs), "STRIPS": self.strips,
            "STRIP_TABLE": address(self.strips_table), "ITEM_TABLE": address(items), "KINDS": address(self.kinds_table),
            "LINE": 4 * GROUP * self.points,
        }  # fmt: skip

    def zeros(self) -> Array:
        """What is read for a row of a tile outside x, and a start for sums."""
        return np.zeros(self.width.points * self.every[1] * self.task.groups * self.task.depth + 64, np.float32)

    def transform(self, kind: int, rows: int = 0, columns: int = 0, **shape: int) -> int:
        """Address of a micro-kernel for tiles of so many outputs, by default the largest."""
        height, width = self.height, self.width
        made = Transform(
            kind, rows or height.outputs, columns or width.outputs, height.outputs, width.outputs, height.taps,
            width.taps, host().lanes(4), **shape,
        )  # fmt: skip
        return transform_address(made)

    def transforms(self, kind: int, **shape: int) -> Array:
        """Addresses of micro-kernels for tiles that are whole, part of a column, of a row, of both; 0 for none."""
        sizes = [
            (rows, columns)
            for rows in (self.height.outputs if self.height.whole else 0, self.height.part)
            for columns in (self.width.outputs if self.width.whole else 0, self.width.part)
        ]
        return np.array([self.transform(kind, *size, **shape) if all(size) else 0 for size in sizes], np.int64)


def grids_of(task: Pass) -> tuple[Grid, ...]:
    """Tiles of a pass for which `can_transform` holds; a dilated one is some passes over interleaved images."""
    depth, height, width = task.lines
    outputs = OUTPUTS_OF_ONE_AXIS if 1 in (len(height.taps), len(width.taps)) else OUTPUTS
    # of all interleaved images, which share their weights
    most = [
        min(outputs[len(first_phase(axis)[0].taps)], min(line.out for line, _ in interleaved(axis)))
        for axis in (height, width)
    ]
    return tuple(
        Grid(
            replace(task, lines=(depth, rows, columns)), cut(rows, most[0]), cut(columns, most[1]),
            (height.source, width.source), (top, left), (dilation_of(height), dilation_of(width)),
        )
        for rows, top in interleaved(height)
        for columns, left in interleaved(width)
    )  # fmt: skip
