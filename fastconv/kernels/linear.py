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

from functools import cache

from fastconv.kernels.accumulate import copy_run
from fastconv.kernels.arguments import Block
from fastconv.kernels.jit import LOCK, REVISION, ZERO, c_function, helper
from fastconv.kernels.memory import call_tile, fence, integer, load_at, size_of, store_at
from fastconv.kernels.target import host
from fastconv.kernels.transpose import transpose_block

__all__ = ["COPIED", "IN_PLACE", "LINEAR_ENTRY", "PRODUCT", "TRANSPOSED", "product_address"]

IN_PLACE, COPIED, TRANSPOSED = 0, 1, 2

PRODUCT = Block(
    """
    A A_ROW A_K B B_ROW PACK C C_ROW INIT ZERO_ROW LENGTH CHUNK TILES TILES_BIG M_BIG M_SMALL BLOCKS BLOCK_TABLE
    GROUP LANE_ROWS LAST_LANE_ROWS COLUMNS NO_OFFSETS SWAPPED T_ROW T_ROWS SCRATCH SCRATCH_STRIDE PANELS
    ROW_TASKS LANE_TASKS STREAM AHEAD LOST
"""
)
# one block of lanes: two tiles (tall, one row less), first lane, valid lanes, lanes in whole vectors, tail
LINEAR_ENTRY = Block("TILE_BIG TILE_SMALL FIRST VALID WIDTH TAIL")

_I = PRODUCT.index
A, A_ROW, A_K, B, B_ROW, PACK = _I["A"], _I["A_ROW"], _I["A_K"], _I["B"], _I["B_ROW"], _I["PACK"]
C, C_ROW, INIT, ZERO_ROW = _I["C"], _I["C_ROW"], _I["INIT"], _I["ZERO_ROW"]
LENGTH, CHUNK, TILES, TILES_BIG = _I["LENGTH"], _I["CHUNK"], _I["TILES"], _I["TILES_BIG"]
M_BIG, M_SMALL, BLOCKS, BLOCK_TABLE = _I["M_BIG"], _I["M_SMALL"], _I["BLOCKS"], _I["BLOCK_TABLE"]
GROUP, LANE_ROWS, LAST_LANE_ROWS = _I["GROUP"], _I["LANE_ROWS"], _I["LAST_LANE_ROWS"]
COLUMNS, NO_OFFSETS, SWAPPED = _I["COLUMNS"], _I["NO_OFFSETS"], _I["SWAPPED"]
T_ROW, T_ROWS, SCRATCH, SCRATCH_STRIDE = _I["T_ROW"], _I["T_ROWS"], _I["SCRATCH"], _I["SCRATCH_STRIDE"]
PANELS, ROW_TASKS, LANE_TASKS, STREAM = _I["PANELS"], _I["ROW_TASKS"], _I["LANE_TASKS"], _I["STREAM"]
AHEAD, LOST = _I["AHEAD"], _I["LOST"]
ENTRY = 8 * len(LINEAR_ENTRY.names)
TILE_BIG, TILE_SMALL, FIRST, VALID, WIDTH, TAIL = (LINEAR_ENTRY.index[name] for name in LINEAR_ENTRY.names)


@helper
def _copy(args, first_block, last_block, k, length, target, number):
    """Copy a chunk of a group of blocks: line k of a panel is a piece of row k of b."""
    item, row, panel_lines = size_of(number), integer(args, B_ROW), integer(args, CHUNK)
    for line in range(length):  # row by row, not block by block: pieces of one row are neighbours in memory
        panel, b = target, integer(args, B) + (k + line) * row
        for block in range(first_block, last_block):
            entry = integer(args, BLOCK_TABLE) + block * ENTRY
            step = integer(entry, WIDTH) * item
            copy_run(number, panel + line * step, b + integer(entry, FIRST) * item, integer(entry, VALID))
            panel += panel_lines * step


@helper
def _transpose(args, first_block, last_block, k, length, panel, vector, number):
    """Transpose a chunk of a group of blocks: line k of a panel holds number k of every lane, side by side."""
    item, row = size_of(number), integer(args, B_ROW)
    for block in range(first_block, last_block):
        entry = integer(args, BLOCK_TABLE) + block * ENTRY
        valid, step = integer(entry, VALID), integer(entry, WIDTH) * item
        for lane in range(0, valid, vector):
            rows = integer(args, LANE_ROWS) if lane + vector <= valid else integer(args, LAST_LANE_ROWS)
            source = integer(args, B) + (integer(entry, FIRST) + lane) * row + k * item
            for column in range(0, length, vector):
                transpose_block(
                    number, source + column * item, rows, min(vector, length - column),
                    panel + lane * item + column * step, integer(args, COLUMNS), step,
                )  # fmt: skip
        panel += integer(args, CHUNK) * step


@helper
def _starts(args, entry, row, m, place, number):
    """Fill a tile with the start of every row; return the address of it."""
    width = integer(entry, WIDTH)
    for i in range(m):
        value = load_at(integer(args, INIT), row + i, number)
        for lane in range(width):
            store_at(place, i * width + lane, value)
    return place


@helper
def _give_back(args, start, first_row, rows, first_lane, lanes, vector, number):
    """Transpose the results of a group, (rows, lanes), into C, (lanes, rows)."""
    item, t_row, c_row = size_of(number), integer(args, T_ROW), integer(args, C_ROW)
    target = integer(args, C) + first_lane * c_row + first_row * item
    if rows < vector:
        for i in range(rows):
            for lane in range(lanes):
                store_at(target + lane * c_row, i, load_at(start + i * t_row, lane, number))
        return
    for step in range(0, rows, vector):
        row = min(step, rows - vector)  # the last vector overlaps the one before it
        for lane in range(0, lanes, vector):
            transpose_block(
                number, start + row * t_row + lane * item, integer(args, T_ROWS), min(vector, lanes - lane),
                target + lane * c_row + row * item, integer(args, COLUMNS), c_row,
            )  # fmt: skip


@helper
def _chunk(args, scratch, first_block, last_block, first_tile, last_tile, k, length, number):
    """All tiles of one group of blocks, over one chunk of the reduction that starts at k."""
    item, tall, swapped = size_of(number), integer(args, TILES_BIG), integer(args, SWAPPED)
    results, starts = scratch + integer(args, PANELS), integer(args, SCRATCH_STRIDE)
    origin = min(first_tile, tall) * integer(args, M_BIG) + max(first_tile - tall, 0) * integer(args, M_SMALL)
    row = origin
    for t in range(first_tile, last_tile):
        m = integer(args, M_BIG) if t < tall else integer(args, M_SMALL)
        a = integer(args, A) + row * integer(args, A_ROW) + k * integer(args, A_K)
        panel, column = scratch, 0
        for block in range(first_block, last_block):
            entry = integer(args, BLOCK_TABLE) + block * ENTRY
            first, width = integer(entry, FIRST), integer(entry, WIDTH)
            b, b_k, ahead, ahead_k = panel, width * item, a, 0
            if integer(args, PACK) == IN_PLACE:
                b_k = integer(args, B_ROW)
                b = integer(args, B) + k * b_k + first * item
                ahead, ahead_k = b + integer(args, AHEAD), b_k
            c, c_row = integer(args, C) + row * integer(args, C_ROW) + first * item, integer(args, C_ROW)
            if swapped:
                c, c_row = results + (row - origin) * integer(args, T_ROW) + column, integer(args, T_ROW)
            init, init_row = c, c_row
            if k == 0:
                init, init_row = integer(args, ZERO_ROW), 0
                if integer(args, INIT) and swapped:
                    place = scratch + starts - integer(args, M_BIG) * b_k
                    init, init_row = _starts(args, entry, row, m, place, number), b_k
                elif integer(args, INIT):
                    init = integer(args, INIT) + first * item
            tile = integer(entry, TILE_BIG) if t < tall else integer(entry, TILE_SMALL)
            call_tile(
                tile, 1, integer(args, NO_OFFSETS), length, a, integer(args, A_ROW), integer(args, A_K), b, b_k,
                init, init_row, c, c_row, integer(entry, TAIL), ahead, ahead_k, integer(args, LOST),
            )  # fmt: skip
            panel += integer(args, CHUNK) * width * item
            column += width * item
        row += m
    return origin, row - origin


def _driver(number, vector):
    revision = REVISION

    def linear_product(args, task):
        revision  # noqa: B018 (a part of the cache key)
        row_tasks, lane_tasks = integer(args, ROW_TASKS), integer(args, LANE_TASKS)
        row_task, lane_task = task % row_tasks, task // row_tasks
        tiles, blocks = integer(args, TILES), integer(args, BLOCKS)
        first_tile, last_tile = tiles * row_task // row_tasks, tiles * (row_task + 1) // row_tasks
        start, stop = blocks * lane_task // lane_tasks, blocks * (lane_task + 1) // lane_tasks
        scratch = integer(args, SCRATCH) + task * integer(args, SCRATCH_STRIDE)
        chunk, whole = integer(args, CHUNK), integer(args, LENGTH)
        for first in range(start, stop, integer(args, GROUP)):
            last = min(first + integer(args, GROUP), stop)
            origin, rows = 0, 0
            for k in range(0, whole, chunk):
                length = min(chunk, whole - k)
                if integer(args, PACK) == COPIED:
                    _copy(args, first, last, k, length, scratch, number)
                elif integer(args, PACK) == TRANSPOSED:
                    _transpose(args, first, last, k, length, scratch, vector, number)
                origin, rows = _chunk(args, scratch, first, last, first_tile, last_tile, k, length, number)
            if integer(args, SWAPPED):
                lane = integer(integer(args, BLOCK_TABLE) + first * ENTRY, FIRST)
                final = integer(args, BLOCK_TABLE) + (last - 1) * ENTRY
                lanes = integer(final, FIRST) + integer(final, VALID) - lane
                _give_back(args, scratch + integer(args, PANELS), origin, rows, lane, lanes, vector, number)
        if integer(args, STREAM):
            fence()

    return linear_product


@cache
def _compiled(itemsize):
    driver = _driver(ZERO[itemsize], host().lanes(itemsize))
    return c_function(f"linear_product_f{8 * itemsize}", "void(intp, intp)", driver)


def product_address(itemsize: int) -> int:
    """Address of the driver for numbers of `itemsize` bytes; compiled on first use."""
    with LOCK:
        return _compiled(itemsize).address
