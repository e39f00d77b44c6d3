"""Linear layers on the fast engine: which way each pass goes, by shape alone, and the calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.backends.base import Array, Gradients
from fastconv.backends.fast.conv.bias import add_lost, bias_gradient, gradients_of_nothing
from fastconv.backends.fast.conv.chunks import CHUNKS, COMPENSATED, LIMIT, chain_depth, first_within, pairs_depth
from fastconv.backends.fast.conv.plan import (
    PLAIN,
    SERIAL_FLOPS,
    STREAM_BYTES,
    Ending,
    other_pair,
    partition,
    tile_pair,
)
from fastconv.backends.fast.conv.tiling import Tiling, place_blocks, rows_that_fit, tiling
from fastconv.backends.fast.linear.dots_kernel import DOTS, linear_dots
from fastconv.backends.fast.linear.linear_kernel import (
    COPIED,
    IN_PLACE,
    LINEAR_ENTRY,
    PRODUCT,
    TRANSPOSED,
    linear_product,
)
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.machine.target import host
from fastconv.backends.fast.machine.tile import LANEWISE, PACKED, ROWS, STRIDED, Tile, tile_address
from fastconv.backends.fast.memory.layout import channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.strided import clear
from fastconv.backends.fast.memory.workspace import ALIGNMENT, aligned, borrowed, round_up
from fastconv.backends.settings import get_num_threads

FEW_ROWS = 8  # rows of x up to which the forward pass is dots: weights are read once, whatever is computed with them
SERIAL_BYTES = 2**18  # of weights, below which dots stay on one thread
CACHED_BYTES = 2**16  # of b, below which every tile reads it in place: it stays in the caches whatever its strides
PANEL_BYTES = 2**18  # of packed b: a quarter of a common L2 cache, the rest is for a and c
LINES = (16, 32, 64)  # of b that are read side by side, in place: as few as the rounding permits
RUNS = (128, 512)  # products that one lane of a dot adds up at a time; the longer ones for very long rows
SMALL_SCRATCH = 2**16  # bytes of scratch memory that cost nothing to ask for

_A, _B, _C, _INIT, _SCRATCH, _LOST = (PRODUCT.index[name] for name in ("A", "B", "C", "INIT", "SCRATCH", "LOST"))
_X, _WEIGHT, _Y, _BIAS, _SUMS = (DOTS.index[name] for name in ("X", "WEIGHT", "Y", "BIAS", "SCRATCH"))
_BY_ROWS, _DOTS_BY_TASKS = by_tasks(PRODUCT, "ROW_TASKS"), by_tasks(DOTS)


@dataclass(frozen=True)
class LinearPlan:
    """Everything about one pass that depends on shapes alone."""

    way: str  # "rows", "swapped", "dots", "dx" or "dweight"
    kernel: int
    arguments: Array
    tables: tuple[Array, ...]  # kept alive: the argument block holds their addresses
    tasks: int
    scratch_bytes: int
    aligned: bool
    places: tuple[int, int, int, int, int]  # entries of the block: a, b, c, init, scratch
    depth: int
    compensated: bool = False  # what is rounded off is added up beside the result


@plan_cache(512)
def plan_linear(
    form: str, rows: int, inputs: int, outputs: int, itemsize: int, threads: int, ending: Ending = PLAIN
) -> LinearPlan:
    """Plan of "forward", "dx" or "dweight" of (rows, inputs) and (outputs, inputs); dots have no ending."""
    if form == "dx":
        return _product("dx", rows, inputs, outputs, itemsize, threads)
    if form == "dweight":
        return _product("dweight", outputs, inputs, rows, itemsize, threads)
    if rows <= FEW_ROWS and _run_of_dots(inputs, itemsize)[1] <= LIMIT:
        return _dots(rows, inputs, outputs, itemsize, threads)
    if _is_swapped(rows, inputs, outputs, itemsize):
        return _product("swapped", outputs, rows, inputs, itemsize, threads, ending)
    return _product("rows", rows, outputs, inputs, itemsize, threads, ending)


def _run_of_dots(inputs: int, itemsize: int) -> tuple[int, int, bool]:
    """Vectors of a run, depth of the sum of every lane, of the lanes and the bias, and whether that is too much."""
    lanes = host().lanes(itemsize)
    vectors = -(-inputs // lanes)  # what does not fill a vector is a run of its own
    return first_within(
        (run, chain_depth(min(run, vectors), -(-vectors // run) + 1) + pairs_depth(lanes) + 1) for run in RUNS
    )


def _is_swapped(rows: int, inputs: int, outputs: int, itemsize: int) -> bool:
    """Whether weights are the rows of the product, and x is packed: cycles of the tiles, of packing, of turning back.

    A block of numbers is transposed in half a cycle each, but for the time that memory takes.
    """
    most = rows_that_fit(inputs * itemsize)
    straight = tiling(rows, outputs, itemsize, most)[1] * inputs + 0.5 * outputs * inputs
    swapped = tiling(outputs, rows, itemsize, most)[1] * inputs + 0.5 * rows * inputs + 1.0 * rows * outputs
    return swapped < straight and not _chunk("swapped", inputs, TRANSPOSED, 0)[2]  # c must be the result itself


def _packing(way: str, tiles: int, nbytes: int) -> int:
    if way in ("rows", "swapped"):
        return TRANSPOSED
    return IN_PLACE if tiles == 1 or nbytes <= CACHED_BYTES else COPIED


def _chunk(way: str, length: int, pack: int, nbytes: int) -> tuple[int, int, bool]:
    """Products that are added to the result at a time, depth of the sum, and whether tiles must be compensated.

    Of weights that are read in place once, a chunk has as many lines as there are streams.
    """
    if way == "dx" and pack == IN_PLACE and nbytes > CACHED_BYTES:
        return first_within((lines, chain_depth(lines, -(-length // lines))) for lines in LINES)
    pieces = ((-(-length // most)) for most in CHUNKS)
    return first_within((-(-length // count), chain_depth(-(-length // count), count)) for count in pieces)


def _entries(mode: int, cut: Tiling, itemsize: int, ending: Ending, **kind: int) -> Iterator[Array]:
    lanes = host().lanes(itemsize)
    for first, vectors, valid in place_blocks(cut.widths, lanes):
        tiles = tile_pair(mode, cut, vectors, valid, itemsize, **kind)
        last = tile_pair(mode, cut, vectors, valid, itemsize, ending=ending.tiles, slope=ending.slope, **kind)
        yield LINEAR_ENTRY.fill(**tiles, **other_pair("LAST", last), FIRST=first, VALID=valid, WIDTH=vectors * lanes)


def _product(
    way: str, rows: int, lanes: int, length: int, item: int, threads: int, ending: Ending = PLAIN
) -> LinearPlan:
    """Plan of (rows, length) @ (length, lanes); the lanes of "rows" and "swapped" are rows in memory."""
    vector = host().lanes(item)
    a_row, a_k = (item, rows * item) if way == "dweight" else (length * item, item)
    cut, _ = tiling(rows, lanes, item, rows_that_fit(a_row))
    nbytes = length * lanes * item
    pack = _packing(way, cut.tiles, nbytes)
    chunk, depth, compensated = _chunk(way, length, pack, nbytes)
    width = cut.widths[0][0] * vector
    group = len(cut.widths) if pack == IN_PLACE else max(1, PANEL_BYTES // (chunk * width * item))
    if 2 * rows * lanes * length < SERIAL_FLOPS:
        threads = 1
    row_tasks, lane_tasks = partition(cut.tiles, len(cut.widths), threads, heavy_weights=True)
    stream = int(
        chunk == length and way != "swapped" and lanes % vector == 0 and vector * item == ALIGNMENT
        and rows * lanes * item >= STREAM_BYTES
    )  # fmt: skip
    mode = STRIDED if way == "dweight" else ROWS if pack == IN_PLACE else PACKED
    table = np.array(list(_entries(mode, cut, item, ending, stream=stream, compensated=int(compensated))))
    swapped, row_bytes, t_row = way == "swapped", length * item, min(group, len(cut.widths)) * width * item
    numbers = np.arange(vector, dtype=np.int64)
    lane_rows, t_rows = numbers * row_bytes, numbers * t_row
    last_lane_rows = np.minimum(numbers, (lanes - 1) % vector) * row_bytes  # lanes beyond the last repeat it
    zeros, offsets = np.zeros(width + vector, np.int64), np.zeros(2, np.int64)
    panels = 0 if pack == IN_PLACE else round_up(chunk * t_row)
    scratch = panels
    if swapped:
        scratch += round_up(-(-cut.tiles // row_tasks) * cut.tall * t_row) + round_up(cut.tall * width * item)
    arguments = PRODUCT.fill(
        A=0, A_ROW=a_row, A_K=a_k, B=0, B_ROW=row_bytes if pack == TRANSPOSED else lanes * item, PACK=pack,
        C=0, C_ROW=(rows if swapped else lanes) * item, INIT=0, ZERO_ROW=address(zeros), LENGTH=length, CHUNK=chunk,
        TILES=cut.tiles, TILES_BIG=cut.tall_tiles, M_BIG=cut.tall, M_SMALL=cut.short, BLOCKS=len(cut.widths),
        BLOCK_TABLE=address(table), GROUP=group, LANE_ROWS=address(lane_rows),
        LAST_LANE_ROWS=address(last_lane_rows), COLUMNS=address(numbers), NO_OFFSETS=address(offsets),
        SWAPPED=int(swapped), T_ROW=t_row, T_ROWS=address(t_rows), SCRATCH=0, SCRATCH_STRIDE=scratch, PANELS=panels,
        ROW_TASKS=row_tasks, LANE_TASKS=lane_tasks, STREAM=stream, AHEAD=width * item, LOST=0,
    )  # fmt: skip
    tables = (table, lane_rows, last_lane_rows, numbers, offsets, t_rows, zeros)
    tasks = row_tasks * lane_tasks
    places = (_A, _B, _C, _INIT, _SCRATCH)
    return LinearPlan(
        way, linear_product.address(item), arguments, tables, tasks, scratch * tasks, bool(stream), places,
        chain_depth(chunk, 1) + COMPENSATED if compensated else depth, compensated,
    )  # fmt: skip


def _dots(rows: int, inputs: int, outputs: int, item: int, threads: int) -> LinearPlan:
    """Plan of the dots of a few rows with all rows of the weights."""
    lanes = host().lanes(item)
    tiles = -(-outputs // min(8, host().tile_rows(1)))
    tall = -(-outputs // tiles)
    tall_tiles = outputs - tiles * (tall - 1)
    if inputs * outputs * item < SERIAL_BYTES:
        threads = 1
    tasks = min(threads, tiles)
    vectors, rest = divmod(inputs, lanes)
    run, depth, _ = _run_of_dots(inputs, item)
    zeros, offsets = np.zeros(lanes, np.int64), np.zeros(2, np.int64)
    kernels = {}
    for size, m in (("BIG", tall), ("SMALL", max(1, tall - 1))):
        kernels[f"TILE_{size}"] = tile_address(Tile(LANEWISE, m, 1, lanes, item, 0))
        kernels[f"REST_{size}"] = tile_address(Tile(LANEWISE, m, 1, lanes, item, 1)) if rest else 0
    scratch = round_up(rows * tall * lanes * item)
    arguments = DOTS.fill(
        X=0, X_ROW=inputs * item, ROWS=rows, WEIGHT=0, W_ROW=inputs * item, BIAS=0, Y=0,
        Y_ROW=outputs * item, VECTORS=vectors, CHUNK=run, REST=rest, TILES=tiles, TILES_BIG=tall_tiles, M_BIG=tall,
        M_SMALL=tall - 1, ZERO_ROW=address(zeros), NO_OFFSETS=address(offsets), SCRATCH=0, SCRATCH_STRIDE=scratch,
        TASKS=tasks, **kernels,
    )  # fmt: skip
    places = (_X, _WEIGHT, _Y, _BIAS, _SUMS)
    return LinearPlan(
        "dots", linear_dots.address(item), arguments, (zeros, offsets), tasks, scratch * tasks, False, places, depth
    )


def _run(plan: LinearPlan, a: Array, b: Array, init: Array | None, shape: tuple[int, int]) -> Array:
    """Run one pass over arrays in C order."""
    if plan.aligned:
        c: Array = aligned(shape[0] * shape[1] * a.itemsize).view(a.dtype).reshape(shape)
    elif plan.compensated:
        c, lost = np.empty((2, *shape), a.dtype)  # at a distance that stays, wherever a program puts both
    else:
        c = np.empty(shape, a.dtype)
    arguments = plan.arguments.copy()
    at_a, at_b, at_c, at_init, at_scratch = plan.places
    arguments[at_a], arguments[at_b], arguments[at_c] = address(a), address(b), address(c)
    if init is not None:
        arguments[at_init] = address(init)
    work, cut = c.size * a.shape[plan.way != "dweight"] / 16, _DOTS_BY_TASKS if plan.way == "dots" else _BY_ROWS
    if plan.compensated:
        clear(lost)
        arguments[_LOST] = address(lost) - address(c)
    if not plan.scratch_bytes:
        launch(plan.kernel, arguments, plan.tasks, plan.tasks, work, cut)
    elif plan.scratch_bytes <= SMALL_SCRATCH:
        scratch = np.empty(plan.scratch_bytes + ALIGNMENT, np.uint8)
        arguments[at_scratch] = round_up(address(scratch))
        launch(plan.kernel, arguments, plan.tasks, plan.tasks, work, cut)
    else:
        with borrowed(plan.scratch_bytes) as scratch:
            arguments[at_scratch] = address(scratch)
            launch(plan.kernel, arguments, plan.tasks, plan.tasks, work, cut)
    if plan.compensated:
        add_lost(c[None].transpose(0, 2, 1), lost)  # of one image, channels last
    return c


def _in_order(matrix: Array) -> Array:
    """Return a matrix in C order: itself where it is, or a copy."""
    if matrix.flags.c_contiguous:
        return matrix
    if matrix.flags.f_contiguous:
        return np.asarray(channels_last(matrix.T[None])[0].T)  # planes of one image, and a kernel that turns them
    return np.ascontiguousarray(matrix)


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    """Forward pass."""
    return linear_ending(x, weight, bias, PLAIN)


def can_end_linear(rows: int, inputs: int, outputs: int, itemsize: int) -> bool:
    """Whether the tiles of a forward pass can take a function of their results: few rows have none, see `_dots`."""
    plan = plan_linear("forward", max(rows, 1), inputs, outputs, itemsize, get_num_threads())
    return plan.way != "dots" and not plan.compensated


def linear_ending(x: Array, weight: Array, bias: Array | None, ending: Ending) -> Array:
    """Forward pass, and the function of its result that the tiles of an ending take: see `can_end_linear`."""
    rows, inputs = x.shape
    outputs = len(weight)
    if not rows:
        return np.empty((0, outputs), x.dtype)
    plan = plan_linear("forward", rows, inputs, outputs, x.itemsize, get_num_threads(), ending)
    x, weight = _in_order(x), _in_order(weight)
    if bias is not None:
        bias = np.ascontiguousarray(bias)
    if plan.way == "swapped":
        return _run(plan, weight, x, bias, (rows, outputs))
    return _run(plan, x, weight, bias, (rows, outputs))


def linear_backward(dy: Array, x: Array, weight: Array, needs: frozenset[str]) -> Gradients:
    """Gradients; those of an empty batch are zero."""
    rows, inputs = x.shape
    outputs = len(weight)
    if not rows:
        return gradients_of_nothing(needs, x.shape, weight.shape, outputs, x.dtype)
    sizes: tuple[Any, ...] = (rows, inputs, outputs, x.itemsize, get_num_threads())
    dy, dx, dweight, dbias = _in_order(dy), None, None, None
    if "x" in needs:
        dx = _run(plan_linear("dx", *sizes), dy, _in_order(weight), None, (rows, inputs))
    if "weight" in needs:
        dweight = _run(plan_linear("dweight", *sizes), dy, _in_order(x), None, (outputs, inputs))
    if "bias" in needs:
        dbias = bias_gradient(dy.T[None], get_num_threads())
    return dx, dweight, dbias
