"""The readable twins of the intrinsics: the same, in plain Python and NumPy.

With ``NUMBA_DISABLE_JIT=1`` these stand in for what is emitted as LLVM IR, and every kernel runs as the Python function
that it is written as: slow, but each line of it can be stepped through, and its coverage measured.
"""

from __future__ import annotations

import ctypes

import numpy as np

from fastconv.kernels.jit import interpreted
from fastconv.kernels.target import host

LANEWISE = 2
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


def load(address, number):
    """Floating-point number at `address`, of the type of `number`."""
    return type(number)(_FLOATS[number.itemsize][0].from_address(address).value)


def store(address, value):
    """Store a floating-point number at `address`; its type says its size."""
    _FLOATS[value.itemsize][0].from_address(address).value = value


def store_number(address, value, number):
    """Store a float64 at `address`, rounded to the type of `number`."""
    _FLOATS[number.itemsize][0].from_address(address).value = value


def copy_bytes(target, source, count):
    """Copy `count` bytes between addresses."""
    ctypes.memmove(target, source, count)


def clear_bytes(target, count):
    """Set `count` bytes to zero."""
    ctypes.memset(target, 0, count)


def fence():
    """Nothing: Python has no stores past the caches."""


def load_double(address, index):
    """Float64 number `index` of the block at `address`."""
    return ctypes.c_double.from_address(address + 8 * index).value


def store_double(address, index, value):
    """Store `value` as float64 number `index` of the block at `address`."""
    ctypes.c_double.from_address(address + 8 * index).value = value


def call_kernel(kernel, arguments, task):
    """Call a kernel by address."""
    interpreted(kernel)(arguments, task)


def call_tile(tile, *arguments):
    """Call a micro-kernel by address."""
    interpreted(tile)(*arguments)


def matrix(address, shape, strides, itemsize):
    """Array over memory at `address`."""
    base = np.ctypeslib.as_array((_FLOATS[itemsize][0] * 1).from_address(address))
    return np.lib.stride_tricks.as_strided(base, shape, strides)


def tile_product(tile, segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k):
    """``c = init + sum over segments of A @ B`` on strided views; the twin of `fastconv.kernels.tile`."""
    item = tile.itemsize
    width = (tile.vectors - 1) * tile.lanes + tail if tile.masked else tile.width
    total = np.zeros((tile.rows, width), _FLOATS[item][1])
    entries = 1 if tile.mode == 0 else 2
    for r in range(segments):
        a_start = a + integer(offsets, r * entries)
        b_start = b + r * length * bk if entries == 1 else b + integer(offsets, r * entries + 1)
        right = matrix(b_start, (length, width), (bk, item), item)  # (k, lanes)
        if tile.mode == LANEWISE:
            left = matrix(a_start, (tile.rows, length, width), (ai, ak, item), item)  # (rows, k, lanes)
            total += (left * right).sum(axis=1)
        else:
            total += matrix(a_start, (tile.rows, length), (ai, ak), item) @ right  # (rows, k) @ (k, lanes)
    start = matrix(init, (tile.rows, width), (init_row, item), item)
    matrix(c, (tile.rows, width), (c_row, item), item)[...] = start + total


def transpose_block(number, source, rows, columns, target, table, step):
    """Row i of a block becomes lane i of its columns; the twin of `fastconv.kernels.transpose`."""
    for j in range(columns):
        place = integer(table, j)
        if place >= 0:
            for i in range(host().lanes(number.itemsize)):
                element = load(source + integer(rows, i) + j * number.itemsize, number)
                store(target + place * step + i * number.itemsize, element)


def accumulate(number, target, source, count):
    """``target[i] += source[i]``; the twin of `fastconv.kernels.accumulate`."""
    item = number.itemsize
    matrix(target, (count,), (item,), item)[...] += matrix(source, (count,), (item,), item)


def multiply_add_chains(number, repeats, factor, term, result):
    """Chains of multiply-adds, and the sum of them; the twin of `fastconv.kernels.peak`."""
    from fastconv.kernels.peak import chains

    item = number.itemsize
    sums = np.arange(1, chains() + 1, dtype=_FLOATS[item][1])
    for _ in range(repeats):
        sums = sums * load(factor, number) + load(term, number)
    matrix(result, (host().lanes(item),), (item,), item)[...] = sums.sum()


def copy_run(number, target, source, count):
    """``target[i] = source[i]``; the twin of `fastconv.kernels.accumulate`."""
    ctypes.memmove(target, source, count * number.itemsize)
