"""Every change of order: rows of contiguous numbers become lanes that lie side by side.

Row i is at byte ``ROWS[i]`` of the source. Its number j goes to lane i of line ``TABLE[j] + outer * OUTER_LINES`` of
the target; a line holds the lanes of one block, with zeros beyond the last where the plan says so.

===================  =================  ==================================  ===================
use                  rows (lanes)       number -> line                      outer
===================  =================  ==================================  ===================
forward weights      filters            (channel, tap) -> tap * C + c       blocks of channels
weights of dx        channels           tap -> (reversed tap) * F           filters
weight gradient      (channel, tap)     filter -> filter                    1
planes               channels           pixel -> pixel                      blocks of pixels
===================  =================  ==================================  ===================
"""

from __future__ import annotations

from functools import cache

from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import integer, load, prefetch, size_of, store
from fastconv.kernels.target import host
from fastconv.kernels.transpose import transpose_block

__all__ = ["PACK", "pack_address"]

PACK = Block(
    """
    SOURCE SOURCE_GROUP ROWS ADJACENT COLUMNS ALL_COLUMNS TABLE OUTER OUTER_BYTES OUTER_LINES
    LANES TARGET TARGET_GROUP GROUPS BLOCKS WIDTH LAST_WIDTH LINES LINE_BYTES PADDED TASKS
"""
)
_I = PACK.index
SOURCE, SOURCE_GROUP, ROWS, ADJACENT = _I["SOURCE"], _I["SOURCE_GROUP"], _I["ROWS"], _I["ADJACENT"]
COLUMNS, ALL_COLUMNS, TABLE = _I["COLUMNS"], _I["ALL_COLUMNS"], _I["TABLE"]
OUTER, OUTER_BYTES, OUTER_LINES, LANES = _I["OUTER"], _I["OUTER_BYTES"], _I["OUTER_LINES"], _I["LANES"]
TARGET, TARGET_GROUP, GROUPS, BLOCKS = _I["TARGET"], _I["TARGET_GROUP"], _I["GROUPS"], _I["BLOCKS"]
WIDTH, LAST_WIDTH, LINES = _I["WIDTH"], _I["LAST_WIDTH"], _I["LINES"]
LINE_BYTES, PADDED, TASKS = _I["LINE_BYTES"], _I["PADDED"], _I["TASKS"]


@helper
def few_rows(args, source, first, columns, target, step, rows, padded, number):
    """The readable form: fewer rows than a vector has lanes, or rows of a few numbers."""
    itemsize = size_of(number)
    table, offsets = integer(args, TABLE), integer(args, ROWS) + 8 * first
    for j in range(columns):
        line = integer(table, j)
        if line < 0:
            continue
        place, origin = target + line * step, source + j * itemsize
        if integer(args, ADJACENT):  # the rows are neighbours: a copy, which LLVM vectorises
            start = origin + integer(offsets, 0)
            for i in range(rows):
                store(place + i * itemsize, load(start + i * itemsize, number))
        else:
            for i in range(rows):
                store(place + i * itemsize, load(origin + integer(offsets, i), number))
        for i in range(rows, padded):
            store(place + i * itemsize, number)


@helper
def one_block(args, source, first_row, target, columns, lanes, width, step, vector, number):
    """All columns of one block of lanes, a vector of rows at a time."""
    itemsize = size_of(number)
    for first in range(0, width, vector):
        rows = min(vector, lanes - first)
        place, row = target + first * itemsize, first_row + first
        if rows < vector or columns < 4:
            padded = vector if integer(args, PADDED) else rows
            few_rows(args, source, row, columns, place, step, rows, padded, number)
            continue
        offsets = integer(args, ROWS) + 8 * row
        for j in range(0, columns, vector):
            count, table = min(vector, columns - j), integer(args, TABLE) + 8 * j
            ahead = source + (columns + j) * itemsize  # the next numbers of these rows, which are far apart in memory
            for i in range(vector):
                prefetch(ahead + integer(offsets, i))
            transpose_block(number, source + j * itemsize, offsets, count, place, table, step)


def _driver(number, vector):
    revision = REVISION

    def pack(args, task):
        revision  # noqa: B018 (a part of the cache key)
        itemsize = size_of(number)
        blocks, outer, tasks = integer(args, BLOCKS), integer(args, OUTER), integer(args, TASKS)
        total = integer(args, GROUPS) * blocks * outer
        for item in range(total * task // tasks, total * (task + 1) // tasks):
            group = item // (blocks * outer)
            block = item // outer % blocks
            k = item % outer
            width = integer(args, LAST_WIDTH) if block == blocks - 1 else integer(args, WIDTH)
            first = block * integer(args, WIDTH)
            lanes = min(width, integer(args, LANES) - first)
            step = integer(args, LINE_BYTES) if integer(args, LINE_BYTES) else width * itemsize
            source = integer(args, SOURCE) + group * integer(args, SOURCE_GROUP) + k * integer(args, OUTER_BYTES)
            target = integer(args, TARGET) + group * integer(args, TARGET_GROUP)
            target += first * integer(args, LINES) * itemsize + k * integer(args, OUTER_LINES) * step
            columns = min(integer(args, COLUMNS), integer(args, ALL_COLUMNS) - k * integer(args, COLUMNS))
            one_block(args, source, first, target, columns, lanes, width, step, vector, number)

    return pack


@cache
def _compiled(itemsize):
    return c_function(f"pack_f{8 * itemsize}", "void(intp, intp)", _driver(ZERO[itemsize], host().lanes(itemsize)))


def pack_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address
