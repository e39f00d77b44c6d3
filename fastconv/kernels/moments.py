"""Mean and sum of squared deviations, and the sums that the gradients of a normalisation need.

Two forms: *rows* of consecutive numbers, each with a mean of its own, and *columns* of a matrix whose rows are pixels,
for channels-last memory. Both go through the numbers in blocks of 32 KiB, twice while a block is in the cache: first
the mean of the block, then the squared deviations from it. Blocks are merged in float64 (Chan, Golub and LeVeque 1983,
equations 1.7 and 2.1), so that the variance has no cancellation however far the mean is from zero, and an array is
read from memory once. Nothing depends on the number of tasks.
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import integer, load, load_double, size_of, store_double, store_number
from fastconv.kernels.reductions import PRODUCTS, SQUARES, SUM, VECTORS, reduce_columns, reduce_run
from fastconv.kernels.target import host

__all__ = ["MOMENTS", "SCRATCH_BYTES", "moments_address"]

# rows: ROWS rows of LENGTH numbers; row r has mean number r // REPEAT % PERIOD, and two float64 results at OUT.
# columns: IMAGES × ROWS rows of LENGTH numbers; SPLITS parts of an image have 2 × LENGTH float64 results each, and
# image i has LENGTH means at MEAN + i * MEAN_IMAGE.
MOMENTS = Block("X DY MEAN MEAN_IMAGE REPEAT PERIOD IMAGES ROWS LENGTH SPLITS OUT SCRATCH SCRATCH_STRIDE TASKS")
_I = MOMENTS.index
X, DY, MEAN, MEAN_IMAGE, REPEAT = _I["X"], _I["DY"], _I["MEAN"], _I["MEAN_IMAGE"], _I["REPEAT"]
PERIOD, IMAGES, ROWS, LENGTH, SPLITS = _I["PERIOD"], _I["IMAGES"], _I["ROWS"], _I["LENGTH"], _I["SPLITS"]
OUT, SCRATCH, SCRATCH_STRIDE, TASKS = _I["OUT"], _I["SCRATCH"], _I["SCRATCH_STRIDE"], _I["TASKS"]

BLOCK_BYTES = 2**15
BLOCK_ROWS = 128  # rows of 256 bytes
COLUMN_BYTES = VECTORS * host().vector_bytes  # of the columns that are summed at once
SCRATCH_BYTES = 3 * COLUMN_BYTES  # of a task: two sums and a mean per column


@helper
def _begin(out, second, count, shift, total, squares):
    """Store the mean of the first block at `out`, its squared deviations at `second`.

    `total` and `squares` are the sums of the deviations from `shift`, and of their squares. The shift is the mean but
    for its rounding, so that the first is small, and makes up for it (equation 1.7).
    """
    store_double(out, 0, shift + total / count)
    store_double(second, 0, squares - total * total / count)


@helper
def _merge(out, second, count, shift, total, squares, done):
    """Merge a block of `count` numbers into the mean at `out` and the squared deviations of `done` numbers."""
    before, share = load_double(out, 0), count / (done + count)
    delta = shift + total / count - before
    store_double(out, 0, before + delta * share)
    squares += delta * delta * done * share - total * total / count
    store_double(second, 0, load_double(second, 0) + squares)


@helper
def _end_block(out, length, some, count, mean, totals, squares, done, number):
    """Merge a block of `some` columns into their results."""
    item, second = size_of(number), out + length * 8
    for c in range(some):
        shift, total = float(load(mean + c * item, number)), float(load(totals + c * item, number))
        deviations = float(load(squares + c * item, number))
        if done:
            _merge(out + c * 8, second + c * 8, count, shift, total, deviations, done)
        else:
            _begin(out + c * 8, second + c * 8, count, shift, total, deviations)


def _rows(number):
    revision = REVISION

    def moments_rows(args, task):
        revision  # noqa: B018 (a part of the cache key)
        rows, length, tasks, item = integer(args, ROWS), integer(args, LENGTH), integer(args, TASKS), size_of(number)
        scratch = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE)
        mean, block = scratch + 2 * item, BLOCK_BYTES // item
        for row in range(rows * task // tasks, rows * (task + 1) // tasks):
            x, out = integer(args, X) + row * length * item, integer(args, OUT) + row * 16
            for first in range(0, length, block):
                count, here = min(block, length - first), x + first * item
                reduce_run(SUM, number, here, here, here, count, scratch)
                store_number(mean, load(scratch, number) / count, number)
                reduce_run(SQUARES, number, here, here, mean, count, scratch)
                total, squares = float(load(scratch, number)), float(load(scratch + item, number))
                if first:
                    _merge(out, out + 8, count, float(load(mean, number)), total, squares, first)
                else:
                    _begin(out, out + 8, count, float(load(mean, number)), total, squares)

    return moments_rows


def _rows_backward(number):
    revision = REVISION

    def moments_rows_backward(args, task):
        revision  # noqa: B018 (a part of the cache key)
        rows, length, tasks, item = integer(args, ROWS), integer(args, LENGTH), integer(args, TASKS), size_of(number)
        scratch = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE)
        block = BLOCK_BYTES // item
        for row in range(rows * task // tasks, rows * (task + 1) // tasks):
            mean = integer(args, MEAN) + row // integer(args, REPEAT) % integer(args, PERIOD) * item
            offset, total, product = row * length * item, 0.0, 0.0
            for first in range(0, length, block):
                here = offset + first * item
                x, dy, count = integer(args, X) + here, integer(args, DY) + here, min(block, length - first)
                reduce_run(PRODUCTS, number, x, dy, mean, count, scratch)
                total += load(scratch, number)
                product += load(scratch + item, number)
            store_double(integer(args, OUT) + row * 16, 0, total)
            store_double(integer(args, OUT) + row * 16, 1, product)

    return moments_rows_backward


def _columns(number):
    revision = REVISION

    def moments_columns(args, task):
        revision  # noqa: B018 (a part of the cache key)
        rows, length, splits = integer(args, ROWS), integer(args, LENGTH), integer(args, SPLITS)
        items, tasks, item = integer(args, IMAGES) * splits, integer(args, TASKS), size_of(number)
        step, width, lanes = length * item, COLUMN_BYTES // item, COLUMN_BYTES // item // VECTORS
        sums = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE)
        squares, mean = sums + COLUMN_BYTES, sums + 2 * COLUMN_BYTES
        for part in range(items * task // tasks, items * (task + 1) // tasks):
            image, split = part // splits, part % splits
            start, stop = rows * split // splits, rows * (split + 1) // splits
            column = 0
            while column < length:
                some = width if length - column >= width else min(lanes, length - column)
                plane = integer(args, X) + image * rows * step + column * item
                out = integer(args, OUT) + (2 * part * length + column) * 8
                for first in range(start, stop, BLOCK_ROWS):
                    count, x = min(BLOCK_ROWS, stop - first), plane + first * step
                    if some == width:
                        reduce_columns(SUM, number, VECTORS, x, x, x, count, step, some, sums, 0)
                    else:
                        reduce_columns(SUM, number, 1, x, x, x, count, step, some, sums, 0)
                    for c in range(some):
                        store_number(mean + c * item, load(sums + c * item, number) / count, number)
                    if some == width:
                        reduce_columns(SQUARES, number, VECTORS, x, x, mean, count, step, some, sums, COLUMN_BYTES)
                    else:
                        reduce_columns(SQUARES, number, 1, x, x, mean, count, step, some, sums, COLUMN_BYTES)
                    _end_block(out, length, some, count, mean, sums, squares, first - start, number)
                column += some

    return moments_columns


def _columns_backward(number):
    revision = REVISION

    def moments_columns_backward(args, task):
        revision  # noqa: B018 (a part of the cache key)
        rows, length, splits = integer(args, ROWS), integer(args, LENGTH), integer(args, SPLITS)
        items, tasks, item = integer(args, IMAGES) * splits, integer(args, TASKS), size_of(number)
        step, width, lanes = length * item, COLUMN_BYTES // item, COLUMN_BYTES // item // VECTORS
        sums = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE)
        products = sums + COLUMN_BYTES
        for part in range(items * task // tasks, items * (task + 1) // tasks):
            image, split = part // splits, part % splits
            start, stop = rows * split // splits, rows * (split + 1) // splits
            column = 0
            while column < length:
                some = width if length - column >= width else min(lanes, length - column)
                mean = integer(args, MEAN) + image * integer(args, MEAN_IMAGE) + column * item
                out = integer(args, OUT) + (2 * part * length + column) * 8
                for first in range(start, stop, BLOCK_ROWS):
                    count, here = min(BLOCK_ROWS, stop - first), (image * rows + first) * step + column * item
                    x, dy = integer(args, X) + here, integer(args, DY) + here
                    if some == width:
                        reduce_columns(PRODUCTS, number, VECTORS, x, dy, mean, count, step, some, sums, COLUMN_BYTES)
                    else:
                        reduce_columns(PRODUCTS, number, 1, x, dy, mean, count, step, some, sums, COLUMN_BYTES)
                    for c in range(some):
                        before = load_double(out, c) if first > start else 0.0
                        store_double(out, c, before + load(sums + c * item, number))
                    for c in range(length, length + some):
                        before = load_double(out, c) if first > start else 0.0
                        store_double(out, c, before + load(products + (c - length) * item, number))
                column += some

    return moments_columns_backward


_FORMS = {
    "rows": _rows,
    "columns": _columns,
    "rows_backward": _rows_backward,
    "columns_backward": _columns_backward,
}


@cache
def _compiled(form, itemsize):
    return c_function(f"moments_{form}_f{8 * itemsize}", "void(intp, intp)", _FORMS[form](ZERO[itemsize]))


def moments_address(form: str, itemsize: int) -> int:
    """Address of "rows", "columns", "rows_backward" or "columns_backward"; compiled on first use."""
    with LOCK:
        return _compiled(form, itemsize).address
