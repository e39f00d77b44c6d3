"""The driver of linear layers: a product with both factors in place, or one of them packed on the way.

It computes ``C = init + A B`` over rows × lanes. For a group of blocks of lanes, and for each chunk of the reduction,
b is packed into memory that stays in the L2 cache (transposed, copied, or not at all where it is read in place), and
every tile of rows uses it there. So weights are read once, and no packed copy of them is ever in memory.

==========  =====  =====  ===========  ========================  ==========================
pass        rows   lanes  reduction    a                         b
==========  =====  =====  ===========  ========================  ==========================
forward     N      O      I            x in place                weights, transposed
swapped     O      N      I            weights in place          x, transposed; so is the result
dx          N      I      O            dy in place               weights, copied or in place
dweight     O      I      N            dy in place               x, copied or in place
==========  =====  =====  ===========  ========================  ==========================

The readable twin is::

    for each chunk of the reduction:  C += A[:, chunk] @ B[chunk]
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block, entry_of
from fastconv.backends.fast.machine.intrinsics import call_tile, fence, lanes_of, load_at, size_of, store_at
from fastconv.backends.fast.machine.jit import helper
from fastconv.backends.fast.machine.kernel import kernel
from fastconv.backends.fast.machine.runs import copy_run
from fastconv.backends.fast.machine.transpose import transpose_block

IN_PLACE, COPIED, TRANSPOSED = 0, 1, 2

PRODUCT = Block(
    """
    A A_ROW A_K B B_ROW PACK C C_ROW INIT ZERO_ROW LENGTH CHUNK TILES TILES_BIG M_BIG M_SMALL BLOCKS BLOCK_TABLE
    GROUP LANE_ROWS LAST_LANE_ROWS COLUMNS NO_OFFSETS SWAPPED T_ROW T_ROWS SCRATCH SCRATCH_STRIDE PANELS
    ROW_TASKS LANE_TASKS STREAM AHEAD LOST
""",
    results="C SCRATCH",
)
# one block of lanes: two tiles (tall, one row less), those of the last chunk of the reduction, which may have an
# ending, first lane, valid lanes, lanes in whole vectors, tail
LINEAR_ENTRY = Block("TILE_BIG TILE_SMALL LAST_BIG LAST_SMALL FIRST VALID WIDTH TAIL")


@helper
def _copy(args, first_block, last_block, k, length, target, number):
    """Copy a chunk of a group of blocks: line k of a panel is a piece of row k of b."""
    item, row, panel_lines = size_of(number), args.B_ROW, args.CHUNK
    for line in range(length):  # row by row, not block by block: pieces of one row are neighbours in memory
        panel, b = target, args.B + (k + line) * row
        for block in range(first_block, last_block):
            entry = entry_of(LINEAR_ENTRY, args.BLOCK_TABLE, block)
            step = entry.WIDTH * item
            copy_run(number, panel + line * step, b + entry.FIRST * item, entry.VALID)
            panel += panel_lines * step


@helper
def _transpose(args, first_block, last_block, k, length, panel, vector, number):
    """Transpose a chunk of a group of blocks: line k of a panel holds number k of every lane, side by side."""
    item, row = size_of(number), args.B_ROW
    for block in range(first_block, last_block):
        entry = entry_of(LINEAR_ENTRY, args.BLOCK_TABLE, block)
        valid, step = entry.VALID, entry.WIDTH * item
        for lane in range(0, valid, vector):
            rows = args.LANE_ROWS if lane + vector <= valid else args.LAST_LANE_ROWS
            source = args.B + (entry.FIRST + lane) * row + k * item
            for column in range(0, length, vector):
                transpose_block(
                    number, source + column * item, rows, min(vector, length - column),
                    panel + lane * item + column * step, args.COLUMNS, step,
                )  # fmt: skip
        panel += args.CHUNK * step


@helper
def _starts(args, entry, row, m, place, number):
    """Fill a tile with the start of every row; return the address of it."""
    width = entry.WIDTH
    for i in range(m):
        value = load_at(args.INIT, row + i, number)
        for lane in range(width):
            store_at(place, i * width + lane, value)
    return place


@helper
def _give_back(args, start, first_row, rows, first_lane, lanes, vector, number):
    """Transpose the results of a group, (rows, lanes), into C, (lanes, rows)."""
    item, t_row, c_row = size_of(number), args.T_ROW, args.C_ROW
    target = args.C + first_lane * c_row + first_row * item
    if rows < vector:
        for i in range(rows):
            for lane in range(lanes):
                store_at(target + lane * c_row, i, load_at(start + i * t_row, lane, number))
        return
    for step in range(0, rows, vector):
        row = min(step, rows - vector)  # the last vector overlaps the one before it
        for lane in range(0, lanes, vector):
            transpose_block(
                number, start + row * t_row + lane * item, args.T_ROWS, min(vector, lanes - lane),
                target + lane * c_row + row * item, args.COLUMNS, c_row,
            )  # fmt: skip


@helper
def _chunk(args, scratch, first_block, last_block, first_tile, last_tile, k, length, number):
    """All tiles of one group of blocks, over one chunk of the reduction that starts at k."""
    item, tall, swapped = size_of(number), args.TILES_BIG, args.SWAPPED
    results, starts = scratch + args.PANELS, args.SCRATCH_STRIDE
    origin = min(first_tile, tall) * args.M_BIG + max(first_tile - tall, 0) * args.M_SMALL
    row = origin
    for t in range(first_tile, last_tile):
        m = args.M_BIG if t < tall else args.M_SMALL
        a = args.A + row * args.A_ROW + k * args.A_K
        panel, column = scratch, 0
        for block in range(first_block, last_block):
            entry = entry_of(LINEAR_ENTRY, args.BLOCK_TABLE, block)
            first, width = entry.FIRST, entry.WIDTH
            b, b_k, ahead, ahead_k = panel, width * item, a, 0
            if args.PACK == IN_PLACE:
                b_k = args.B_ROW
                b = args.B + k * b_k + first * item
                ahead, ahead_k = b + args.AHEAD, b_k
            c, c_row = args.C + row * args.C_ROW + first * item, args.C_ROW
            if swapped:
                c, c_row = results + (row - origin) * args.T_ROW + column, args.T_ROW
            init, init_row = c, c_row
            if k == 0:
                init, init_row = args.ZERO_ROW, 0
                if args.INIT and swapped:
                    place = scratch + starts - args.M_BIG * b_k
                    init, init_row = _starts(args, entry, row, m, place, number), b_k
                elif args.INIT:
                    init = args.INIT + first * item
            tile = entry.TILE_BIG if t < tall else entry.TILE_SMALL
            if k + length == args.LENGTH:
                tile = entry.LAST_BIG if t < tall else entry.LAST_SMALL
            call_tile(
                tile, 1, args.NO_OFFSETS, length, a, args.A_ROW, args.A_K, b, b_k,
                init, init_row, c, c_row, entry.TAIL, ahead, ahead_k, args.LOST,
            )  # fmt: skip
            panel += args.CHUNK * width * item
            column += width * item
        row += m
    return origin, row - origin


@kernel(PRODUCT)
def linear_product(args, task, number):
    """Some tiles of rows, of some blocks of lanes."""
    row_tasks, lane_tasks = args.ROW_TASKS, args.LANE_TASKS
    row_task, lane_task = task % row_tasks, task // row_tasks
    tiles, blocks = args.TILES, args.BLOCKS
    first_tile, last_tile = tiles * row_task // row_tasks, tiles * (row_task + 1) // row_tasks
    start, stop = blocks * lane_task // lane_tasks, blocks * (lane_task + 1) // lane_tasks
    scratch = args.SCRATCH + task * args.SCRATCH_STRIDE
    chunk, whole, vector = args.CHUNK, args.LENGTH, lanes_of(number)
    for first in range(start, stop, args.GROUP):
        last = min(first + args.GROUP, stop)
        origin, rows = 0, 0
        for k in range(0, whole, chunk):
            length = min(chunk, whole - k)
            if args.PACK == COPIED:
                _copy(args, first, last, k, length, scratch, number)
            elif args.PACK == TRANSPOSED:
                _transpose(args, first, last, k, length, scratch, vector, number)
            origin, rows = _chunk(args, scratch, first, last, first_tile, last_tile, k, length, number)
        if args.SWAPPED:
            lane = entry_of(LINEAR_ENTRY, args.BLOCK_TABLE, first).FIRST
            final = entry_of(LINEAR_ENTRY, args.BLOCK_TABLE, (last - 1))
            lanes = final.FIRST + final.VALID - lane
            _give_back(args, scratch + args.PANELS, origin, rows, lane, lanes, vector, number)
    if args.STREAM:
        fence()
