"""Rows of a channels-last image copied into a band with a zero halo.

A *band* holds the input rows that some output rows need, for every kernel plane along the depth axis, with the padding
of the convolution stored as zeros. It is small enough to stay in the L2 cache, which is why the halo costs next to
nothing, and it is the only workspace of a convolution besides its packed weights.

A band is laid out as (images, kernel planes, rows, pixels, channels of one group). An *image* here is one output plane
of one element of the batch: two-dimensional convolution has one per element, three-dimensional OD of them. Long rows
are cut into *segments* of columns, and a band then belongs to one of them.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import clear_bytes, copy_bytes, size_of
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.runs import copy_run

SOURCE = Block(
    """
    X X_N X_D X_H X_W X_GROUP
    IN_D IN_H IN_W PAD_D PAD_H PAD_W S_D S_H S_W
    CHANNELS IMAGES OD OH OW KD DIL_D EXTENT_H EXTENT_W
    COPY INSIDE BAND_ROW BAND_PLANE BAND_IMAGE ROWS_PER_BAND IMAGES_PER_BAND ROW_SEGMENTS SCRATCH SCRATCH_STRIDE
"""
)


@helper
def reads_source(args, column, columns):
    """Whether the windows of some columns are read in x itself: all are, or these lie inside and are one run each."""
    first = column * args.S_W - args.PAD_W
    last = first + (columns - 1) * args.S_W + args.EXTENT_W
    return args.COPY == 0 or (args.INSIDE == 1 and first >= 0 and last <= args.IN_W)


@helper
def address_of_window(args, group, image, row, column):
    """Address in x of the first cell of a window that lies inside."""
    n = image // args.OD
    d = (image - n * args.OD) * args.S_D - args.PAD_D
    h = row * args.S_H - args.PAD_H
    w = column * args.S_W - args.PAD_W
    place = args.X + group * args.X_GROUP + n * args.X_N
    return place + d * args.X_D + h * args.X_H + w * args.X_W


@helper
def fill_row(args, target, source, before, pixels, number):
    """One row: `pixels` pixels, of which `before` in front are halo (a negative halo crops)."""
    itemsize = size_of(number)
    channels, width, pixel = args.CHANNELS, args.IN_W, args.X_W
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
    depth, height = args.IN_D, args.IN_H
    band_rows = (rows - 1) * args.S_H + args.EXTENT_H
    top = first_row * args.S_H - args.PAD_H
    before = args.PAD_W - column * args.S_W
    pixels = (columns - 1) * args.S_W + args.EXTENT_W
    nbytes = pixels * args.CHANNELS * size_of(number)
    for i in range(images):
        n = (image + i) // args.OD
        front = (image + i - n * args.OD) * args.S_D - args.PAD_D
        for kd in range(args.KD):
            d = front + kd * args.DIL_D
            plane = args.X + group * args.X_GROUP + n * args.X_N
            target = band + i * args.BAND_IMAGE + kd * args.BAND_PLANE
            for j in range(band_rows):
                h = top + j
                row = target + j * args.BAND_ROW
                if d < 0 or d >= depth or h < 0 or h >= height:
                    clear_bytes(row, nbytes)
                else:
                    source = plane + d * args.X_D + h * args.X_H
                    fill_row(args, row, source, before, pixels, number)
