"""Rows of a channels-last image copied into a band with a zero halo.

A *band* holds the input rows that some output rows need, for every kernel plane along the depth axis, with the padding
of the convolution stored as zeros. It is small enough to stay in the L2 cache, which is why the halo costs next to
nothing, and it is the only workspace of a convolution besides its packed weights.

A band is laid out as (images, kernel planes, rows, pixels, channels of one group). An *image* here is one output plane
of one element of the batch: two-dimensional convolution has one per element, three-dimensional OD of them. Long rows
are cut into *segments* of columns, and a band then belongs to one of them.
"""

from __future__ import annotations

from fastconv.kernels.accumulate import copy_run
from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import helper
from fastconv.kernels.memory import clear_bytes, copy_bytes, integer, size_of

__all__ = ["SOURCE", "address_of_window", "fill_band", "reads_source"]

SOURCE = """
    X X_N X_D X_H X_W X_GROUP
    IN_D IN_H IN_W PAD_D PAD_H PAD_W S_D S_H S_W
    CHANNELS IMAGES OD OH OW KD DIL_D EXTENT_H EXTENT_W
    COPY INSIDE BAND_ROW BAND_PLANE BAND_IMAGE ROWS_PER_BAND IMAGES_PER_BAND ROW_SEGMENTS SCRATCH SCRATCH_STRIDE
"""
_SOURCE = Block(SOURCE)
X, X_N, X_D, X_H, X_W, X_GROUP = (_SOURCE.index[name] for name in ("X", "X_N", "X_D", "X_H", "X_W", "X_GROUP"))
IN_D, IN_H, IN_W = (_SOURCE.index[name] for name in ("IN_D", "IN_H", "IN_W"))
PAD_D, PAD_H, PAD_W = (_SOURCE.index[name] for name in ("PAD_D", "PAD_H", "PAD_W"))
S_D, S_H, S_W = (_SOURCE.index[name] for name in ("S_D", "S_H", "S_W"))
CHANNELS, OD, KD, DIL_D = (_SOURCE.index[name] for name in ("CHANNELS", "OD", "KD", "DIL_D"))
EXTENT_H, EXTENT_W, COPY, INSIDE = (_SOURCE.index[name] for name in ("EXTENT_H", "EXTENT_W", "COPY", "INSIDE"))
BAND_ROW, BAND_PLANE, BAND_IMAGE = (_SOURCE.index[name] for name in ("BAND_ROW", "BAND_PLANE", "BAND_IMAGE"))


@helper
def reads_source(args, column, columns):
    """Whether the windows of some columns are read in x itself: all are, or these lie inside and are one run each."""
    first = column * integer(args, S_W) - integer(args, PAD_W)
    last = first + (columns - 1) * integer(args, S_W) + integer(args, EXTENT_W)
    return integer(args, COPY) == 0 or (integer(args, INSIDE) == 1 and first >= 0 and last <= integer(args, IN_W))


@helper
def address_of_window(args, group, image, row, column):
    """Address in x of the first cell of a window that lies inside."""
    n = image // integer(args, OD)
    d = (image - n * integer(args, OD)) * integer(args, S_D) - integer(args, PAD_D)
    h = row * integer(args, S_H) - integer(args, PAD_H)
    w = column * integer(args, S_W) - integer(args, PAD_W)
    place = integer(args, X) + group * integer(args, X_GROUP) + n * integer(args, X_N)
    return place + d * integer(args, X_D) + h * integer(args, X_H) + w * integer(args, X_W)


@helper
def fill_row(args, target, source, before, pixels, number):
    """One row: `pixels` pixels, of which `before` in front are halo (a negative halo crops)."""
    itemsize = size_of(number)
    channels, width, pixel = integer(args, CHANNELS), integer(args, IN_W), integer(args, X_W)
    first = min(max(before, 0), pixels)
    stop = max(min(before + width, pixels), first)
    clear_bytes(target, first * channels * itemsize)
    start = source + (first - before) * pixel
    row = target + first * channels * itemsize
    if pixel == channels * itemsize:
        copy_bytes(row, start, (stop - first) * channels * itemsize)
    else:
        for w in range(stop - first):
            copy_run(number, row + w * channels * itemsize, start + w * pixel, channels)
    clear_bytes(target + stop * channels * itemsize, (pixels - stop) * channels * itemsize)


@helper
def fill_band(args, band, group, image, images, first_row, rows, column, columns, number):
    """Input of `columns` columns of the output rows ``first_row`` to ``first_row + rows - 1`` of `images` images."""
    depth, height = integer(args, IN_D), integer(args, IN_H)
    band_rows = (rows - 1) * integer(args, S_H) + integer(args, EXTENT_H)
    top = first_row * integer(args, S_H) - integer(args, PAD_H)
    before = integer(args, PAD_W) - column * integer(args, S_W)
    pixels = (columns - 1) * integer(args, S_W) + integer(args, EXTENT_W)
    nbytes = pixels * integer(args, CHANNELS) * size_of(number)
    for i in range(images):
        n = (image + i) // integer(args, OD)
        front = (image + i - n * integer(args, OD)) * integer(args, S_D) - integer(args, PAD_D)
        for kd in range(integer(args, KD)):
            d = front + kd * integer(args, DIL_D)
            plane = integer(args, X) + group * integer(args, X_GROUP) + n * integer(args, X_N)
            target = band + i * integer(args, BAND_IMAGE) + kd * integer(args, BAND_PLANE)
            for j in range(band_rows):
                h = top + j
                row = target + j * integer(args, BAND_ROW)
                if d < 0 or d >= depth or h < 0 or h >= height:
                    clear_bytes(row, nbytes)
                else:
                    source = plane + d * integer(args, X_D) + h * integer(args, X_H)
                    fill_row(args, row, source, before, pixels, number)
