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

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import integer, lanes_of, load, prefetch, size_of, store
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.transpose import transpose_block

PACK = Block(
    """
    SOURCE SOURCE_GROUP ROWS ADJACENT COLUMNS ALL_COLUMNS TABLE OUTER OUTER_BYTES OUTER_LINES
    LANES TARGET TARGET_GROUP GROUPS BLOCKS WIDTH LAST_WIDTH LINES LINE_BYTES PADDED TASKS
""",
    results="TARGET",
)


@helper
def few_rows(args, source, first, columns, target, step, rows, padded, number):
    """The readable form: fewer rows than a vector has lanes, or rows of a few numbers."""
    itemsize = size_of(number)
    table, offsets = args.TABLE, args.ROWS + 8 * first
    for j in range(columns):
        line = integer(table, j)
        if line < 0:
            continue
        place, origin = target + line * step, source + j * itemsize
        if args.ADJACENT:  # the rows are neighbours: a copy, which LLVM vectorises
            start = origin + integer(offsets, 0)
            for i in range(rows):
                store(place + i * itemsize, load(start + i * itemsize, number))
        else:
            for i in range(rows):
                store(place + i * itemsize, load(origin + integer(offsets, i), number))
        for i in range(rows, padded):
            store(place + i * itemsize, number)


@helper
def one_block(args, source, first_row, target, columns, lanes, width, step, number):
    """All columns of one block of lanes, a vector of rows at a time."""
    itemsize, vector = size_of(number), lanes_of(number)
    for first in range(0, width, vector):
        rows = min(vector, lanes - first)
        place, row = target + first * itemsize, first_row + first
        if rows < vector or columns < 4:
            padded = vector if args.PADDED else rows
            few_rows(args, source, row, columns, place, step, rows, padded, number)
            continue
        offsets = args.ROWS + 8 * row
        for j in range(0, columns, vector):
            count, table = min(vector, columns - j), args.TABLE + 8 * j
            ahead = source + (columns + j) * itemsize  # the next numbers of these rows, which are far apart in memory
            for i in range(vector):
                prefetch(ahead + integer(offsets, i))
            transpose_block(number, source + j * itemsize, offsets, count, place, table, step)


@kernel(PACK)
def pack(args, task, number):
    """Some columns of some blocks."""
    itemsize = size_of(number)
    blocks, outer, tasks = args.BLOCKS, args.OUTER, args.TASKS
    total = args.GROUPS * blocks * outer
    for item in range(total * task // tasks, total * (task + 1) // tasks):
        group = item // (blocks * outer)
        block = item // outer % blocks
        k = item % outer
        width = args.LAST_WIDTH if block == blocks - 1 else args.WIDTH
        first = block * args.WIDTH
        lanes = min(width, args.LANES - first)
        step = args.LINE_BYTES if args.LINE_BYTES else width * itemsize
        source = args.SOURCE + group * args.SOURCE_GROUP + k * args.OUTER_BYTES
        target = args.TARGET + group * args.TARGET_GROUP
        target += first * args.LINES * itemsize + k * args.OUTER_LINES * step
        columns = min(args.COLUMNS, args.ALL_COLUMNS - k * args.COLUMNS)
        one_block(args, source, first, target, columns, lanes, width, step, number)
