"""Mean and sum of squared deviations, and the sums that the gradients of a normalisation need.

Two forms, of one order: *rows* for planes, a channel at a time, and *columns* for channels-last memory, some channels
at a time. The numbers of a channel are cut into *units*, a few small images or a piece of a large one, and these into
blocks of at most `BLOCK` numbers. Both forms go through a block twice while it is in the cache: first its mean, then
the squared deviations from it, with sums that depend on the place of a pixel alone (`reductions_kernel`). Where squares
in float32 are too large or too small for it, they are summed once more, of deviations times a power of two.
Blocks are merged in float64 (Chan, Golub and LeVeque 1983, equations 1.7 and 2.1), so that the variance has no
cancellation however far the mean is from zero, and an array is read from memory once. So nothing depends on the number
of tasks, nor on the order in which the numbers lie in memory.
"""

from __future__ import annotations

import numpy as np

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import (
    clear_bytes,
    copy_bytes,
    load,
    load_at,
    load_double,
    size_of,
    store_double,
    store_number,
    store_number_at,
)
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.normalization.reductions_kernel import (
    MASKED,
    PRODUCTS,
    RECOMPUTED,
    SQUARES,
    SUM,
    VECTORS,
    reduce_columns,
    reduce_run,
)

# Units are groups of GROUP images, or one of PIECES pieces of an image; unit u has two rows of CHANNELS float64 results
# at OUT. The means of image i are CHANNELS numbers at MEAN + i * MEAN_IMAGE. CEILING is that of the ReLU with output Y;
# of `RECOMPUTED` that is computed anew, with SCALE and SHIFT of all images.
MOMENTS = Block(
    "X DY Y CEILING MEAN SCALE SHIFT MEAN_IMAGE BATCH CHANNELS PIXELS GROUP PIECES OUT SCRATCH SCRATCH_STRIDE TASKS",
    results="OUT SCRATCH",
)
SUMS_OF = {"moments": SUM, "products": PRODUCTS, "masked": MASKED, "recomputed": RECOMPUTED}

BLOCK = 2**10  # numbers of a channel: with 256 bytes of channels it is in the L2 cache
COLUMN_BYTES = VECTORS * host().vector_bytes  # of the columns that are summed at once
TABLE_BYTES = COLUMN_BYTES * COLUMN_BYTES // 4  # of sums: RESIDUES pixels of up to COLUMN_BYTES of channels
SCRATCH_BYTES = 5 * TABLE_BYTES  # of a task: two tables of sums; means, scales and shifts

# Sums of squares in float32 that round too much, and powers of two that bring those below and above into the middle.
_LOW, _UP, _DOWN = 2.0**-100, 2.0**70, 2.0**-80


@helper
def _rescaling(squares, mean, number):
    """Power of two with which deviations are squared once more, or 1; numbers that are all 0 are as they should be."""
    if size_of(number) == 4:
        if squares == np.inf:
            return _DOWN
        if squares < _LOW and mean != 0.0:
            return _UP
    return 1.0


@helper
def _merge(out, second, count, shift, total, squares, done):
    """Merge a block of `count` numbers into the mean at `out` and the squared deviations at `second` of `done` numbers.

    `total` and `squares` are the sums of the deviations from `shift`, and of their squares. The shift is the mean but
    for its rounding, so that the first is small, and makes up for it (equation 1.7).
    """
    if squares != np.inf:  # else there would be no number left
        squares -= total * total / count
    if done == 0:
        store_double(out, 0, shift + total / count)
        store_double(second, 0, squares)
    else:
        before, share = load_double(out, 0), count / (done + count)
        delta = shift + total / count - before
        store_double(out, 0, before + delta * share)
        squares += delta * delta * done * share
        store_double(second, 0, load_double(second, 0) + squares)


@helper
def _unit(args, unit):
    """(first image, images, first pixel, stop) of a unit."""
    group, pieces, pixels = args.GROUP, args.PIECES, args.PIXELS
    image, piece, blocks = unit // pieces * group, unit % pieces, (pixels + BLOCK - 1) // BLOCK
    stop = min(pixels, blocks * (piece + 1) // pieces * BLOCK)
    return image, min(group, args.BATCH - image), blocks * piece // pieces * BLOCK, stop


@helper
def _units(args):
    group = args.GROUP
    return (args.BATCH + group - 1) // group * args.PIECES


@helper
def _copy_factors(args, place, step, first, nbytes):
    """Copy mean, scale and shift of some channels to a place, `step` bytes apart."""
    copy_bytes(place, args.MEAN + first, nbytes)
    copy_bytes(place + step, args.SCALE + first, nbytes)
    copy_bytes(place + 2 * step, args.SHIFT + first, nbytes)


@kernel(MOMENTS, kind=SUMS_OF)
def moments_rows(args, task, number, kind):
    """Mean and sum of squared deviations of every unit and channel, a row of pixels at a time.

    Of `PRODUCTS`, the sum of dy, and of dy times the deviation of x; of `MASKED` and `RECOMPUTED`, those of the dy that
    y lets through.
    """
    y_shift, ceiling = args.Y - args.DY, args.CEILING
    channels, pixels, item, tasks = args.CHANNELS, args.PIXELS, size_of(number), args.TASKS
    items, step = _units(args) * channels, channels * pixels * item
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    unit, c = items * task // tasks // channels, items * task // tasks % channels
    image, images, start, stop = _unit(args, unit)
    for _ in range(items * task // tasks, items * (task + 1) // tasks):
        if c == channels:  # counted rather than divided: planes can be short
            unit, c = unit + 1, 0
            image, images, start, stop = _unit(args, unit)
        out, row = args.OUT + (unit * 2 * channels + c) * 8, image * step + c * pixels * item
        if kind != SUM:
            mean, total, product = args.MEAN + image * args.MEAN_IMAGE + c * item, 0.0, 0.0
            if kind == RECOMPUTED:
                _copy_factors(args, scratch + 2 * item, item, c * item, item)
                mean, y_shift = scratch + 2 * item, item
            for first in range(start, stop, BLOCK):
                x, dy = args.X + row + first * item, args.DY + row + first * item
                length = min(BLOCK, stop - first)
                reduce_run(kind, number, x, dy, mean, length, images, step, y_shift, ceiling, scratch)
                total += load(scratch, number)
                product += load(scratch + item, number)
            store_double(out, 0, total)
            store_double(out, channels, product)
        else:
            mean, scale, done = scratch + 2 * item, scratch + 3 * item, 0
            for first in range(start, stop, BLOCK):
                x, length = args.X + row + first * item, min(BLOCK, stop - first)
                count = length * images
                reduce_run(SUM, number, x, x, x, length, images, step, 0, 0, scratch)
                store_number(mean, load(scratch, number) / count, number)
                shift, factor, total, squares = float(load(mean, number)), 1.0, 0.0, 0.0
                for _ in range(2):
                    store_number(scale, factor, number)
                    reduce_run(SQUARES, number, x, x, mean, length, images, step, item, 0, scratch)
                    total, squares = float(load(scratch, number)), float(load(scratch + item, number))
                    if factor != 1.0 or _rescaling(squares, shift, number) == 1.0:
                        break
                    factor = _rescaling(squares, shift, number)
                _merge(out, out + channels * 8, count, shift, total / factor, squares / factor / factor, done)
                done += count
        c += 1


@helper
def _down(kind, x, dy, mean, sums, numbers, rows, step, y_shift, ceiling, number):
    """Add up columns, `numbers` side by side, of `rows` rows."""
    item, column = size_of(number), 0
    width, lanes = COLUMN_BYTES // item, COLUMN_BYTES // item // VECTORS
    while column < numbers:
        a, b, c, out = x + column * item, dy + column * item, mean + column * item, sums + column * item
        some = width if numbers - column >= width else min(lanes, numbers - column)
        if some == width:
            reduce_columns(kind, number, VECTORS, a, b, c, rows, step, some, y_shift, ceiling, out, TABLE_BYTES)
        else:
            reduce_columns(kind, number, 1, a, b, c, rows, step, some, y_shift, ceiling, out, TABLE_BYTES)
        column += some


@helper
def _residues(length, number):
    """Sums that a block of `length` pixels has of each channel: a power of two."""
    most, residues = COLUMN_BYTES // size_of(number), 1
    while residues < min(length, most):
        residues *= 2
    return residues


@helper
def _block(kind, x, dy, mean, sums, length, images, image_step, pixel, some, y_shift, ceiling, number):
    """Sums of a block of `some` channels, left at `sums`, the second ones at ``sums + TABLE_BYTES``.

    Where a pixel is no longer than the columns that are summed at once, so many pixels are taken for one row that they
    are one of each residue; `mean` is repeated as often.
    """
    item, residues = size_of(number), _residues(length, number)
    rows, rest, line, step = length // residues, length % residues, some * item, residues * pixel
    more, runs = rows + 1, images  # rows of the first `rest` residues
    if length <= residues:  # every pixel has a residue of its own: down all images at once
        rows, rest, step, more, runs = 0, length, image_step, images, 1
    clear_bytes(sums, residues * line)
    if kind != SUM:
        clear_bytes(sums + TABLE_BYTES, residues * line)
    for _ in range(runs):
        if line == pixel:
            if rest:
                _down(kind, x, dy, mean, sums, rest * some, more, step, y_shift, ceiling, number)
            if rows and rest < residues:
                done, numbers = rest * line, (residues - rest) * some
                a, b, c, d = x + done, dy + done, mean + done, sums + done
                _down(kind, a, b, c, d, numbers, rows, step, y_shift, ceiling, number)
        else:
            for r in range(min(residues, length)):
                there = more if r < rest else rows
                a, b, d = x + r * pixel, dy + r * pixel, sums + r * line
                _down(kind, a, b, mean, d, some, there, step, y_shift, ceiling, number)
        x += image_step
        dy += image_step
    _fold(sums, residues, some, number)
    if kind != SUM:
        _fold(sums + TABLE_BYTES, residues, some, number)


@helper
def _fold(sums, residues, some, number):
    """Add the second half of the sums of every channel to the first, until one is left."""
    half = residues // 2
    while half:
        other = sums + half * some * size_of(number)
        for i in range(half * some):
            store_number_at(sums, i, load_at(sums, i, number) + load_at(other, i, number), number)
        half //= 2


@helper
def _repeat(mean, some, residues, number):
    """Repeat the means of a pixel, so that there is one for every residue."""
    done, line = 1, some * size_of(number)
    while done < residues:
        copy_bytes(mean + done * line, mean, done * line)
        done *= 2


@helper
def _end_block(out, channels, some, count, mean, totals, done, number):
    """Merge a block of `some` channels into their results."""
    item, second, squares, scale = size_of(number), out + channels * 8, totals + TABLE_BYTES, mean + TABLE_BYTES
    for c in range(some):
        shift, factor = float(load(mean + c * item, number)), 1.0 * load(scale + c * item, number)  # a float64
        total, deviations = load(totals + c * item, number) / factor, load(squares + c * item, number) / factor / factor
        _merge(out + c * 8, second + c * 8, count, shift, total, deviations, done)


@helper
def _rescale(mean, squares, some, number):
    """Store the scales of channels whose squares are to be summed once more; say whether there are any."""
    item, found = size_of(number), False
    for c in range(some):
        factor = _rescaling(float(load(squares + c * item, number)), float(load(mean + c * item, number)), number)
        if factor != 1.0:
            store_number(mean + TABLE_BYTES + c * item, factor, number)
            found = True
    return found


@helper
def _fill_ones(place, count, number):
    for i in range(count):
        store_number_at(place, i, 1.0, number)


@helper
def _add_block(out, channels, some, sums, is_first, number):
    """Add both sums of a block of `some` channels to their results."""
    for k in range(some):
        for j in range(2):
            before = 0.0 if is_first else load_double(out, j * channels + k)
            more = load(sums + j * TABLE_BYTES + k * size_of(number), number)
            store_double(out, j * channels + k, before + more)


@kernel(MOMENTS, kind=SUMS_OF)
def moments_columns(args, task, number, kind):
    """`moments_rows`, some channels at a time."""
    y_shift, ceiling = args.Y - args.DY, args.CEILING
    channels, pixels, item, tasks = args.CHANNELS, args.PIXELS, size_of(number), args.TASKS
    pixel, most = channels * item, COLUMN_BYTES // item
    step, chunks = pixels * pixel, (channels + most - 1) // most
    items, sums = _units(args) * chunks, args.SCRATCH + task * args.SCRATCH_STRIDE
    mean = sums + 2 * TABLE_BYTES
    scale, scales = mean + TABLE_BYTES, _residues(min(BLOCK, pixels), number) * min(channels, most)
    if kind == SUM:
        _fill_ones(scale, scales, number)
    for i in range(items * task // tasks, items * (task + 1) // tasks):
        unit, c = i // chunks, i % chunks * most
        some, (image, images, start, stop) = min(most, channels - c), _unit(args, unit)
        out, done = args.OUT + (unit * 2 * channels + c) * 8, 0
        if kind != SUM:
            copy_bytes(mean, args.MEAN + image * args.MEAN_IMAGE + c * item, some * item)
            if kind == RECOMPUTED:
                _copy_factors(args, mean, TABLE_BYTES, c * item, some * item)
                y_shift = TABLE_BYTES
            if channels == some:
                for table in range(3 if kind == RECOMPUTED else 1):
                    _repeat(mean + table * TABLE_BYTES, some, most, number)
        for first in range(start, stop, BLOCK):
            here, length = image * step + first * pixel + c * item, min(BLOCK, stop - first)
            x, count = args.X + here, length * images
            if kind != SUM:
                dy = args.DY + here
                _block(kind, x, dy, mean, sums, length, images, step, pixel, some, y_shift, ceiling, number)
                _add_block(out, channels, some, sums, first == start, number)
                continue
            _block(SUM, x, x, x, sums, length, images, step, pixel, some, 0, 0, number)
            for k in range(some):
                store_number(mean + k * item, load(sums + k * item, number) / count, number)
            if channels == some:
                _repeat(mean, some, _residues(length, number), number)
            rescaled = False
            for _ in range(2):
                _block(SQUARES, x, x, mean, sums, length, images, step, pixel, some, TABLE_BYTES, 0, number)
                if rescaled or not _rescale(mean, sums + TABLE_BYTES, some, number):
                    break
                rescaled = True
                if channels == some:
                    _repeat(scale, some, _residues(length, number), number)
            _end_block(out, channels, some, count, mean, sums, done, number)
            if rescaled:
                _fill_ones(scale, scales, number)
            done += count


FORMS = {"rows": moments_rows, "columns": moments_columns}
