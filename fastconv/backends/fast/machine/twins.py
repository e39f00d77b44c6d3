"""The readable twins of the intrinsics: the same, in plain Python and NumPy.

With ``NUMBA_DISABLE_JIT=1`` these stand in for what is emitted as LLVM IR, and every kernel runs as the Python function
that it is written as: slow, but each line of it can be stepped through, and its coverage measured.
"""

from __future__ import annotations

import ctypes
import struct

import numpy as np

from fastconv.backends.fast.machine.activations import ENDS
from fastconv.backends.fast.machine.emitter import ADDS, RELU6
from fastconv.backends.fast.machine.jit import interpreted
from fastconv.backends.fast.machine.partial_sums import MOST
from fastconv.backends.fast.machine.target import host

LANEWISE, CHANNELS = 2, 4
_FLOATS = {4: (ctypes.c_float, np.float32), 8: (ctypes.c_double, np.float64)}


def integer(address, index):
    """Int64 number `index` of the block at `address`."""
    return ctypes.c_int64.from_address(address + 8 * index).value


def store_integer(address, index, value):
    """Store `value` as int64 number `index` of the block at `address`."""
    ctypes.c_int64.from_address(address + 8 * index).value = value


def size_of(number):
    """Bytes of a floating-point number."""
    return number.itemsize


def lanes_of(number):
    """Numbers in a vector of the CPU."""
    return host().lanes(number.itemsize)


def load(address, number):
    """Floating-point number at `address`, of the type of `number`."""
    return type(number)(_FLOATS[number.itemsize][0].from_address(address).value)


def store(address, value):
    """Store a floating-point number at `address`; its type says its size."""
    _FLOATS[value.itemsize][0].from_address(address).value = value


def load_at(address, index, number):
    """Floating-point number `index` of those at `address`, of the type of `number`."""
    return load(address + index * number.itemsize, number)


def store_at(address, index, value):
    """Store a floating-point number as number `index` of those at `address`."""
    store(address + index * value.itemsize, value)


def store_number(address, value, number):
    """Store a float64 at `address`, rounded to the type of `number`."""
    _FLOATS[number.itemsize][0].from_address(address).value = value


def store_number_at(address, index, value, number):
    """Store a float64, rounded to the type of `number`, as number `index` of those at `address`."""
    store_number(address + index * number.itemsize, value, number)


def copy_bytes(target, source, count):
    """Copy `count` bytes between addresses."""
    ctypes.memmove(target, source, count)


def clear_bytes(target, count):
    """Set `count` bytes to zero."""
    ctypes.memset(int(target), 0, int(count))


def fence():
    """Nothing: Python has no stores past the caches."""


def atomic_integer(address, index):
    """Int64 number `index` of the block at `address`."""
    return integer(address, index)


def atomic_or(address, index, bits):
    """Set bits of int64 number `index` of the block at `address`; return what it was."""
    before = integer(address, index)
    store_integer(address, index, before | bits)
    return before


def atomic_add(address, index, value):
    """Add to int64 number `index` of the block at `address`; return what it was."""
    before = integer(address, index)
    store_integer(address, index, before + value)
    return before


def relax(long):
    """Nothing: Python threads take turns."""


def threads_of_numba():
    """One: Python does one task after the other."""
    return 1


def use_threads_of_numba(threads):
    """Nothing, see `threads_of_numba`."""


def prefetch(address):
    """Nothing: Python has no caches to ask."""


def load_double(address, index):
    """Float64 number `index` of the block at `address`."""
    return ctypes.c_double.from_address(address + 8 * index).value


def store_double(address, index, value):
    """Store `value` as float64 number `index` of the block at `address`."""
    ctypes.c_double.from_address(address + 8 * index).value = value


def double_of(bits):
    """Float64 number that an entry of an argument block holds."""
    return np.float64(struct.unpack("<d", struct.pack("<q", bits))[0])


def rounded(value, number):
    """Float64 rounded to the type of `number`."""
    return type(number)(value)


def call(target, *arguments):
    """Call a kernel or a micro-kernel by address."""
    return interpreted(target)(*arguments)


def matrix(address, shape, strides, itemsize):
    """Array over memory at `address`."""
    base = np.ctypeslib.as_array((_FLOATS[itemsize][0] * 1).from_address(int(address)))
    return np.lib.stride_tricks.as_strided(base, shape, strides)


def parts_of(times, steps, most):
    """(outer step, first inner step, steps, starts anew) of two nested loops, `most` steps at a time."""
    room = most
    for time in range(times):
        step = 0
        while step < steps:
            anew = room == 0
            room = room or most
            some = min(steps - step, room)
            yield time, step, some, anew
            step, room = step + some, room - some


def tile_product(
    tile, segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k, lost
):
    """``c = init + sum over segments of A @ B`` on strided views; the twin of `machine.tile`."""
    item = tile.itemsize
    width = (tile.vectors - 1) * tile.lanes + tail if tile.masked else tile.width
    rows, depth = tile.result_rows, tile.summed
    total, part = np.zeros((2, rows, width), _FLOATS[item][1])
    entries = 1 if tile.mode == 0 else 2
    for r, k, some, anew in parts_of(segments, length, MOST // depth):
        if anew:
            total += part
            part[...] = 0
        a_start = a + integer(offsets, r * entries) + k * ak
        b_start = b + r * length * bk if entries == 1 else b + integer(offsets, r * entries + 1)
        right = matrix(b_start + k * depth * bk, (some * depth, width), (bk, item), item)  # (k, lanes)
        if tile.mode in (LANEWISE, CHANNELS):
            left = matrix(a_start, (tile.rows, some, width), (ai, ak, item), item)  # (rows, k, lanes)
            places = np.arange(width) // tile.depth * tile.depth
            spread = np.stack([left[:, :, places + d] for d in range(tile.depth)], 2 if depth > 1 else 1)
            part += (spread.reshape(rows, some * depth, width) * right).sum(axis=1)
        else:
            part += matrix(a_start, (tile.rows, some), (ai, ak), item) @ right  # (rows, k) @ (k, lanes)
    total += part
    start = matrix(init, (rows, width), (init_row, item), item)
    result = start + total
    if tile.compensated:
        taken = result - start
        rest = (start - (result - taken)) + (total - taken)
        matrix(c + lost, (rows, width), (c_row, item), item)[...] += np.where(np.isnan(rest), 0, rest)
    if tile.ending & ADDS:
        result = result + matrix(c + lost, (rows, width), (c_row, item), item)
    matrix(c, (rows, width), (c_row, item), item)[...] = ended(result, tile)


def dots_product(
    tile, segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k, lost
):
    """``c[i, f] = init[i, f] + sum over segments of A[i] . B[f]``; the twin of `conv.dots_tile_kernel`."""
    item, size = tile.itemsize, (tile.rows, tile.filters)
    result = matrix(init, size, (init_row, item), item).copy()
    for r in range(segments):
        left = matrix(a + integer(offsets, r), (tile.rows, length), (ai, item), item)
        result += left @ matrix(b + r * length * item, (tile.filters, length), (ak, item), item).T
    if tile.ending & ADDS:
        result += matrix(c + lost, size, (c_row, item), item)
    matrix(c, size, (c_row, item), item)[...] = ended(result, tile)


def ended(result, tile):
    """Results after the function of the ending of a tile, or as they are."""
    ending = tile.ending & ~ADDS
    if ending in ENDS:
        slope = np.int64(tile.slope).view(np.float64).astype(result.dtype)
        return np.reshape([ENDS[ending](value, slope, slope) for value in result.ravel()], result.shape)
    if ending:
        result = np.maximum(result, 0)
    return np.minimum(result, 6) if ending == RELU6 else result


def _depthwise_width(tile, tail):
    return (tile.vectors - 1) * tile.lanes + tail if tile.masked else tile.vectors * tile.lanes


def depthwise_windows(tile, rows, segments, offsets, x, cell, x_row, b, b_k, init, c, c_pixel, c_row, tail):
    """``y[r, p] = init + sum of x[r, h, p * stride + k] * weight[h, k]``; see `depthwise.depthwise_tile_kernel`."""
    item, width = tile.itemsize, _depthwise_width(tile, tail)
    y = matrix(c, (rows, tile.pixels, width), (c_row, c_pixel, item), item)
    y[...] = matrix(init, (width,), (item,), item)
    for h in range(segments):
        weight = matrix(b + integer(offsets, 2 * h + 1), (tile.taps, width), (b_k, item), item)
        for r in range(rows):
            y[r] += _row_of_windows(tile, x + integer(offsets, 2 * h) + r * x_row, cell, weight, width)
    y[...] = ended(y, tile)


def depthwise_rolling(tile, rows, first, last, x, cell, x_row, b, b_k, init, c, c_pixel, c_row, tail):
    """The same, where ``x[r, h]`` is row ``r + h``, and those from `first` to ``last - 1`` are inside of x."""
    item, width = tile.itemsize, _depthwise_width(tile, tail)
    y = matrix(c, (rows, tile.pixels, width), (c_row, c_pixel, item), item)
    y[...] = matrix(init, (width,), (item,), item)
    weight = matrix(b, (tile.runs, tile.taps, width), (tile.taps * b_k, b_k, item), item)
    for r in range(rows):
        for h in range(max(0, first - r), min(tile.runs, last - r)):
            y[r] += _row_of_windows(tile, x + (r + h) * x_row, cell, weight[h], width)
    y[...] = ended(y, tile)


def _row_of_windows(tile, x, cell, weight, width):
    """``sum over taps k of x[p * stride + k] * weight[k]`` of every pixel p, but for cells outside of x."""
    item, total = tile.itemsize, np.zeros((tile.pixels, width), weight.dtype)
    cells = (tile.pixels - 1) * tile.stride + tile.taps
    for p in range(tile.pixels):
        for k in range(tile.taps):
            number = p * tile.stride + k
            if tile.before <= number < cells - tile.after:
                total[p] += matrix(x + number * cell, (width,), (item,), item) * weight[k]
    return total


def depthwise_taps(tile, rows, steps, x, cell, x_run, x_row, dy, dy_pixel, dy_row, c, c_tap, c_run, tail):
    """``c[h, k] += sum of x[r, h, p * stride + k] * dy[r, p]``; the twin of `depthwise.depthwise_tile_kernel`."""
    item, width = tile.itemsize, _depthwise_width(tile, tail)
    strides = (x_run, tile.stride * cell, cell, item)
    total = matrix(c, (tile.runs, tile.taps, width), (c_run, c_tap, item), item)
    parts = np.zeros((1, tile.runs, tile.taps, width), total.dtype)
    for row, step, some, anew in parts_of(rows, steps, max(1, MOST // tile.pixels)):
        if anew:
            parts = np.concatenate([np.zeros_like(parts[:1]), parts])
        pixels, first = some * tile.pixels, step * tile.pixels
        start = x + row * x_row + first * tile.stride * cell
        windows = matrix(start, (tile.runs, pixels, tile.taps, width), strides, item)
        gradients = matrix(dy + row * dy_row + first * dy_pixel, (pixels, width), (dy_pixel, item), item)
        parts[0] += np.einsum("hpkw,pw->hkw", windows, gradients)
    total += parts[::-1].sum(axis=0)


def transpose_block(number, source, rows, columns, target, table, step):
    """Row i of a block becomes lane i of its columns; the twin of `machine.transpose`."""
    for j in range(columns):
        place = integer(table, j)
        if place >= 0:
            for i in range(host().lanes(number.itemsize)):
                element = load(source + integer(rows, i) + j * number.itemsize, number)
                store(target + place * step + i * number.itemsize, element)


def accumulate(number, target, source, count):
    """``target[i] += source[i]``; the twin of `machine.runs`."""
    item = number.itemsize
    matrix(target, (count,), (item,), item)[...] += matrix(source, (count,), (item,), item)


def copy_run(number, target, source, count):
    """``target[i] = source[i]``; the twin of `machine.runs`."""
    ctypes.memmove(target, source, count * number.itemsize)


def sum_groups(number, totals, source, groups):
    """``totals[i] += source[8 g + i]``, one group after the other; the twin of `machine.runs`."""
    item = number.itemsize
    total = matrix(totals, (8,), (8,), 8)
    for row in matrix(source, (groups, 8), (8 * item, item), item):
        total += row


def sum_squares(number, data, groups, scale):
    """Float64 sum of the squares of numbers times `scale`, in groups of 16; the twin of `update.norm_kernel`."""
    item = number.itemsize
    rows = matrix(data, (groups, 16), (16 * item, item), item).astype(np.float64) * scale
    sums = np.zeros(16)
    for row in rows * rows:
        sums += row
    while len(sums) > 1:
        sums = sums[: len(sums) // 2] + sums[len(sums) // 2 :]
    return sums[0]


def _inside(y, rectified, ceiling):
    """Where the output of a ReLU is within its bounds, or NaN; a bound of 0 bounds nothing."""
    below = (y <= 0) if rectified else np.zeros(y.shape, bool)
    return ~(below | (y >= ceiling) if ceiling else below)


_FACTORS = {1: 2, 4: 3}  # of kinds that have more than a mean


def _addends(kind, factors, ceiling, x, dy, y):
    """What the sums of a kind add up; see `normalization.reductions_kernel`."""
    if kind == 0:
        return (x,)
    mean, *forward = factors
    deviation = x - mean
    if kind == 1:
        deviation = deviation * forward[0]
        return deviation, deviation**2
    if kind == 4:
        scale, shift = forward
        y = deviation * scale + shift
    if kind in (3, 4):
        dy = np.where(_inside(y, True, ceiling), dy, dy.dtype.type(0))
    return dy, dy * deviation


def reduce_run(kind, number, x, dy, mean, count, runs, step, y_shift, ceiling, out):
    """Sums over runs; the twin of `normalization.reductions_kernel`."""
    item = number.itemsize
    arrays = [matrix(place, (runs, count), (step, item), item) for place in (x, dy, dy + y_shift * (kind == 3))]
    factors = [load(mean + i * y_shift, number) for i in range(_FACTORS.get(kind, 1))]
    for i, term in enumerate(_addends(kind, factors, ceiling, *arrays)):
        store(out + i * item, type(number)(term.sum()))


def lane_total(number, x, valid):
    """Sum of the lanes of a vector; the twin of `normalization.reductions_kernel`."""
    return type(number)(matrix(x, (valid,), (number.itemsize,), number.itemsize).sum())


def reduce_columns(kind, number, vectors, x, dy, mean, rows, step, valid, y_shift, ceiling, out, out_step):
    """Add up columns; the twin of `normalization.reductions_kernel`."""
    item = number.itemsize
    width = valid if vectors == 1 else vectors * host().lanes(item)
    arrays = [matrix(place, (rows, width), (step, item), item) for place in (x, dy, dy + y_shift * (kind == 3))]
    factors = [matrix(mean + i * y_shift, (width,), (item,), item) for i in range(_FACTORS.get(kind, 1))]
    for i, term in enumerate(_addends(kind, factors, ceiling, *arrays)):
        matrix(out + i * out_step, (width,), (item,), item)[...] += term.sum(axis=0)


def normalize_run(
    form, backward, columns, number,
    x, dy, out, mean, scale, slope, shift, before, inverse, other, masked, rectified, ceiling, count,
):  # fmt: skip
    """One row of a normalisation or its gradient; the twin of `normalization.normalize_kernel`."""
    item = number.itemsize
    x, dy, out = (matrix(place, (count,), (item,), item) for place in (x, dy, out))
    beside = matrix(other, (count,), (item,), item) if form == 2 else None
    tables, step = (mean, scale, slope, shift, before, inverse), item if columns else 0
    means, scales, slopes, shifts, befores, inverses = (matrix(place, (count,), (step,), item) for place in tables)
    if backward:
        y = beside if form == 2 else (x - means) * scales + befores
        gradient = np.where(_inside(y, rectified, ceiling), dy, dy.dtype.type(0)) if form else dy
        if form == 2:
            matrix(masked, (count,), (item,), item)[...] = gradient
        out[...] = gradient * scales + ((x - means) * slopes + shifts) * inverses
    else:
        y = (x - means) * scales + shifts
        y = y + beside if form == 2 else y
        y = np.maximum(y, 0) if form and rectified else y
        out[...] = np.minimum(y, ceiling) if form and ceiling else y


def normalize_row(number, x, out, mean, scale, weight, bias, count):
    """One row with factors of its own and of its elements; the twin of `normalization.elements_kernel`."""
    item = number.itemsize
    x, out, weight, bias = (matrix(place, (count,), (item,), item) for place in (x, out, weight, bias))
    out[...] = ((x - load(mean, number)) * load(scale, number) + number) * weight + bias


def byte(address, index):
    """Unsigned byte number `index` of the block at `address`."""
    return ctypes.c_uint8.from_address(address + index).value


def store_byte(address, index, value):
    """Store `value` as byte number `index` of the block at `address`."""
    ctypes.c_uint8.from_address(address + index).value = int(value) & 255


def largest_of_taps(tile, table, groups, x, y, kept, base, rows, *counts):
    """Largest taps of a block of windows, and which these are; the twin of `pool.maxima_tile_kernel`."""
    _, nbytes, vectors, item, kept_bytes = tile
    steps = [integer(table, i) for i in range(12)]
    side, down, taps = steps[:3], steps[3:6], list(zip(steps[6::2], steps[7::2]))
    lanes = groups * vectors * nbytes // item
    shape, strides = (*counts, rows, lanes), (*(step for step, _ in taps), down[0], side[0])
    values = matrix(x, shape, strides, item).reshape(-1, rows, lanes)
    d, h, w = np.ix_(*(np.arange(count) * number for count, (_, number) in zip(counts, taps)))
    found = (d + h + w).reshape(-1)[values.argmax(axis=0)]
    matrix(y, (rows, lanes), (down[1], side[1]), item)[...] = values.max(axis=0)
    for row, lane in np.ndindex(*found.shape) if kept_bytes else ():
        place = (row * down[1] + lane * side[1]) // item
        put = store_byte if kept_bytes == 1 else store_integer
        put(kept, place, base + row * down[2] + lane * side[2] + int(found[row, lane]))
    return int(np.isnan(values).any())


def sum_channels(vectors, number, x, y, taps, copies, scale):
    """Scaled sums over taps of eight channels a vector; the twin of `pool.channel_sums_kernel`."""
    item, width = number.itemsize, 8 * vectors
    cells = matrix(x, (*taps[::2], width), (*taps[1::2], item), item).astype(np.float64)
    total = np.zeros(width)
    for cell in cells.reshape(-1, width):
        total += cell
    matrix(y, (copies[0], width), (copies[1], item), item)[...] = total * scale if item == 4 else total / scale


def _eight_sums(x, taps, shape, item):
    """Eight float64 sums over the taps of a window, of numbers of some shape that are dense."""
    counts, steps = taps[::2], taps[1::2]
    cells = matrix(x, (*counts, *shape), (*steps, *(item for _ in shape)), item)
    sums = np.zeros((8, *shape))
    for d, h, w in np.ndindex(*counts):
        sums[w % 8] += cells[d, h, w]
    while len(sums) > 1:
        sums = sums[: len(sums) // 2] + sums[len(sums) // 2 :]
    return sums[0]


def sum_window_of_channels(vectors, number, x, totals, taps):
    """Sums of a window of some vectors of channels; the twin of `pool.window_sums_kernel`."""
    width = vectors * host().lanes(8)
    matrix(totals, (width,), (8,), 8)[...] = _eight_sums(x, taps, (width,), number.itemsize)


def sum_window(number, x, taps):
    """Sum of a window of one channel; the twin of `pool.window_sums_kernel`."""
    return _eight_sums(x, taps, (), number.itemsize)


def largest(source, spans, number):
    """Largest of a dense run, or NaN; the twin of `pool.maxima_kernel`."""
    run = matrix(source, (spans * 64,), (number.itemsize,), number.itemsize)
    return run.max()


def skip_others(source, spans, best):
    """Spans before the first that has `best`; the twin of `pool.maxima_kernel`."""
    rows = matrix(source, (spans, 64), (64 * best.itemsize, best.itemsize), best.itemsize)
    hits = ((rows == best) | ((rows != rows) & (best != best))).any(axis=1)
    return int(hits.argmax()) if hits.any() else spans


def _every_second(address, groups, number):
    """Even places of `groups` pairs of 32-byte vectors, as a view."""
    return matrix(address, (groups * 32 // number.itemsize,), (2 * number.itemsize,), number.itemsize)


def add_every_second(totals, x, groups, number):
    """``totals[i] += x[2 i]``; the twin of `pool.every_second_kernel`."""
    value = _every_second(x, groups, number)
    matrix(totals, value.shape, (8,), 8)[...] += value


def spread_to_every_second(x, shares, groups, number):
    """``x[2 i] += shares[i]``; the twin of `pool.every_second_kernel`."""
    place = _every_second(x, groups, number)
    place[...] = place + matrix(shares, place.shape, (8,), 8)
