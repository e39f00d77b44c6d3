"""How the source of a pass is gone through: bands of rows, and segments of columns where rows are long.

A row of y is cut into segments where its windows are more than a band holds, or where rows are too few to share: a
signal is one row. Every segment has a halo of its own. How many there are depends on shapes alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.backends.fast.conv.passes import Pass

BAND_BYTES = 2**19  # of a band and of the results made from it: half of a common L2 cache, the rest is for the weights
LARGEST_BAND_BYTES = 2**22  # where less would be halo for the most part
SHORT_ROW = 256  # columns of a row that is not cut for the cache: its weights would be read once more for every cut
SHORTEST_SEGMENT = 64
_MORE_ROWS = 3  # rows of y in a band besides the first, or all: a band of one row copies a row of x for each tap


@dataclass(frozen=True)
class Source:
    """Byte strides of the source, and of the band or the source itself, whichever the tiles read."""

    x: tuple[int, int, int, int]  # N, D, H, W
    tap_plane: int  # from one tap in depth to the next, where the source is read in place; a band has taps only
    group: int
    copy: bool
    inside: bool  # a copy for the ends of a row alone: windows inside the source are read in place
    band_row: int
    band_plane: int
    band_image: int
    rows_per_band: int
    images_per_band: int
    segments: int  # of each row
    columns: int  # of the longest segment

    def strides(self, channels_bytes: int) -> tuple[int, int, int]:
        """Byte strides of (tap in depth, row, pixel) where the tiles read."""
        if self.copy:
            return self.band_plane, self.band_row, channels_bytes
        return self.tap_plane, self.x[2], self.x[3]

    @property
    def band_bytes(self) -> int:
        """Bytes of a band."""
        return self.images_per_band * self.band_image if self.copy else 0

    def holds_all(self, task: Pass) -> bool:
        """Whether there is one band for all images, or none is needed."""
        depth, height, _ = task.lines
        whole = self.rows_per_band == height.out and self.images_per_band == task.batch * depth.out
        return self.segments == 1 and (whole or not self.copy)

    def describe(self) -> str:
        """Where the tiles read, and how much at a time."""
        if self.segments == 1:
            return f"bands of {self.rows_per_band} rows × {self.images_per_band} images" if self.copy else "in place"
        size = f"{self.rows_per_band} × {self.columns} pixels, {self.segments} segments a row"
        if self.copy:
            return f"in place but for the ends, {size}" if self.inside else f"bands of {size}"
        return f"in place, {size}"


def _pixel(task: Pass, itemsize: int) -> tuple[int, int]:
    """Bytes of one cell of a band, and of one pixel of the result."""
    return task.channels * itemsize, task.groups * task.lanes * itemsize


def columns_that_fit(task: Pass, itemsize: int, limit: int, band_bytes: int = BAND_BYTES) -> int:
    """Columns of y whose windows, and they themselves, fit into a band; the whole row where one window in height does.

    Short rows, and segments that would be halo for the most part, get a larger band.
    """
    depth, height, width = task.lines
    cell, result = _pixel(task, itemsize)
    cell *= len(depth.taps)
    row = ((width.out - 1) * width.stride + width.extent) * cell
    whole = band_bytes // (row + width.out * result // height.stride)
    if min(whole, limit // row) >= height.extent:
        return width.out
    rows = min((height.out - 1) * height.stride, _MORE_ROWS * height.stride) + height.extent
    halo, column = rows * (width.extent - width.stride) * cell, rows * width.stride * cell
    fitting = min((band_bytes - halo) // (column + rows * result // height.stride), (limit - halo) // column)
    shortest = max(width.out if width.out <= SHORT_ROW else SHORTEST_SEGMENT, -(-width.extent // width.stride))
    longest = (min(limit, max(band_bytes, LARGEST_BAND_BYTES)) - halo) // column
    return max(1, min(width.out, max(fitting, min(shortest, longest))))


def segments_of(columns: int, pieces: int, fitting: int, *, rows: int, items: int, fewest: int) -> int:
    """Segments of a row of `columns` in `pieces` that stay whole, such that none has more than `fitting` columns.

    And as many as make `items` of all `rows`, so that threads have something to share, with `fewest` pieces or more.
    """
    by_size = 1 if fitting >= columns else -(-pieces // max(1, fitting // -(-columns // pieces)))
    return max(1, by_size, min(pieces // fewest, -(-items // rows)))


def make_source(
    task: Pass, itemsize: int, in_place: bool, limit: int, band_bytes: int, segments: int, columns: int
) -> Source:
    """Bands of a pass whose rows are cut into `segments` of at most `columns` columns."""
    depth, height, width = task.lines
    cell, result = _pixel(task, itemsize)
    pixel = task.groups * cell
    x_row = width.source * pixel
    x = (depth.source * height.source * x_row, height.source * x_row, x_row, pixel)
    band_row = ((columns - 1) * width.stride + width.extent) * cell
    image_rows = (height.out - 1) * height.stride + height.extent
    planes = len(depth.taps)
    budget = min(band_bytes // (planes * band_row + columns * result // height.stride), limit // (planes * band_row))
    rows = max(1, min(height.out, (budget - height.extent) // height.stride + 1))
    band_rows = (rows - 1) * height.stride + height.extent
    images = max(1, budget // image_rows) if rows == height.out and segments == 1 else 1
    images = min(images, task.batch * depth.out)
    plane = band_rows * band_row
    one_row = planes == len(height.taps) == 1 and depth.inside and height.inside  # a window is one run of pixels
    return Source(
        x=x, tap_plane=depth.step * x[1], group=cell, copy=not in_place,
        inside=not in_place and one_row and task.groups == 1 and segments > 1,
        band_row=band_row, band_plane=plane, band_image=planes * plane, rows_per_band=rows, images_per_band=images,
        segments=segments, columns=columns,
    )  # fmt: skip


def source_arguments(task: Pass, source: Source) -> dict[str, int]:
    """Entries of an argument block that say how the source is read (see `conv.bands_kernel`)."""
    depth, height, width = task.lines
    return {
        "X": 0, "X_N": source.x[0], "X_D": source.x[1], "X_H": source.x[2], "X_W": source.x[3],
        "X_GROUP": source.group,
        "IN_D": depth.source, "IN_H": height.source, "IN_W": width.source,
        "PAD_D": depth.before, "PAD_H": height.before, "PAD_W": width.before,
        "S_D": depth.stride, "S_H": height.stride, "S_W": width.stride,
        "CHANNELS": task.channels,
        "IMAGES": task.batch * depth.out, "OD": depth.out, "OH": height.out, "OW": width.out,
        "KD": len(depth.taps), "DIL_D": depth.step, "EXTENT_H": height.extent, "EXTENT_W": width.extent,
        "COPY": int(source.copy), "INSIDE": int(source.inside),
        "BAND_ROW": source.band_row, "BAND_PLANE": source.band_plane, "BAND_IMAGE": source.band_image,
        "ROWS_PER_BAND": source.rows_per_band, "IMAGES_PER_BAND": source.images_per_band,
        "ROW_SEGMENTS": source.segments, "SCRATCH": 0, "SCRATCH_STRIDE": 0,
    }  # fmt: skip
