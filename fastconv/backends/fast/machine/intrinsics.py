"""Intrinsics: memory by address, and calls by address."""

from __future__ import annotations

import os
import platform

from llvmlite import ir
from numba.core import cgutils, types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.emitter import constant, prefetch_line
from fastconv.backends.fast.machine.jit import code, emitted
from fastconv.backends.fast.machine.target import host

_BYTE, _INT, _I64, _DOUBLE = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.DoubleType()
TILE_ARGUMENTS = 16
DEPTHWISE_TILE_ARGUMENTS = 13
TRANSFORM_ARGUMENTS = 10


def _load(builder, kind, address, index=None):
    """Number of a kind at an address, or number `index` of those there."""
    pointer = builder.inttoptr(address, kind.as_pointer())
    return builder.load(pointer if index is None else builder.gep(pointer, [index]))


def _store(builder, address, value):
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()))


def _store_at(builder, address, index, value):
    builder.store(value, builder.gep(builder.inttoptr(address, value.type.as_pointer()), [index]))


def _rounded(builder, value, zero):
    """Float64 `value` in the type of `zero`."""
    return value if value.type == zero.type else builder.fptrunc(value, zero.type)


def _call(builder, target, *arguments):
    function = ir.FunctionType(ir.VoidType(), [_I64] * len(arguments))
    builder.call(builder.inttoptr(target, function.as_pointer()), arguments)


@emitted(twins.integer)
def integer(typing_context, address, index):
    """Int64 number `index` of the block at `address`."""
    return code(types.int64(types.intp, types.intp), lambda builder, *place: _load(builder, _I64, *place))


@emitted(twins.store_integer)
def store_integer(typing_context, address, index, value):
    """Store `value` as int64 number `index` of the block at `address`."""
    return code(types.void(types.intp, types.intp, types.intp), _store_at)


@emitted(twins.byte)
def byte(typing_context, address, index):
    """Unsigned byte number `index` of the block at `address`."""
    signature = types.int64(types.intp, types.intp)
    return code(signature, lambda builder, *place: builder.zext(_load(builder, _BYTE, *place), _I64))


@emitted(twins.store_byte)
def store_byte(typing_context, address, index, value):
    """Store the last bits of `value` as byte number `index` of the block at `address`."""

    def emit(builder, address, index, value):
        _store_at(builder, address, index, builder.trunc(value, _BYTE))

    return code(types.void(types.intp, types.intp, types.intp), emit)


@emitted(twins.size_of)
def size_of(typing_context, number):
    """Bytes of a floating-point number; a constant, known from its type."""
    return code(types.int64(number), lambda builder, _: constant(number.bitwidth // 8))


@emitted(twins.lanes_of)
def lanes_of(typing_context, number):
    """Numbers in a vector of the CPU; a constant, known from the type."""
    return code(types.int64(number), lambda builder, _: constant(host().lanes(number.bitwidth // 8)))


@emitted(twins.load)
def load(typing_context, address, number):
    """Floating-point number at `address`, of the type of `number`."""
    return code(number(types.intp, number), lambda builder, address, zero: _load(builder, zero.type, address))


@emitted(twins.store)
def store(typing_context, address, value):
    """Store a floating-point number at `address`."""
    return code(types.void(types.intp, value), _store)


@emitted(twins.load_at)
def load_at(typing_context, address, index, number):
    """Floating-point number `index` of those at `address`, of the type of `number`.

    An index, other than an address that is counted up, is what LLVM's vectoriser can follow.
    """
    signature = number(types.intp, types.intp, number)
    return code(signature, lambda builder, address, index, zero: _load(builder, zero.type, address, index))


@emitted(twins.store_at)
def store_at(typing_context, address, index, value):
    """Store a floating-point number as number `index` of those at `address`."""
    return code(types.void(types.intp, types.intp, value), _store_at)


@emitted(twins.load_double)
def load_double(typing_context, address, index):
    """Float64 number `index` of the block at `address`."""
    return code(types.float64(types.intp, types.intp), lambda builder, *place: _load(builder, _DOUBLE, *place))


@emitted(twins.store_double)
def store_double(typing_context, address, index, value):
    """Store `value` as float64 number `index` of the block at `address`."""
    return code(types.void(types.intp, types.intp, types.float64), _store_at)


@emitted(twins.double_of)
def double_of(typing_context, bits):
    """Float64 number that an entry of an argument block holds, see `blocks.bits_of`."""
    return code(types.float64(types.int64), lambda builder, bits: builder.bitcast(bits, _DOUBLE))


@emitted(twins.rounded)
def rounded(typing_context, value, number):
    """Float64 rounded to the type of `number`."""
    return code(number(types.float64, number), _rounded)


@emitted(twins.store_number)
def store_number(typing_context, address, value, number):
    """Store a float64 at `address`, rounded to the type of `number`."""

    def emit(builder, address, value, zero):
        _store(builder, address, _rounded(builder, value, zero))

    return code(types.void(types.intp, types.float64, number), emit)


@emitted(twins.store_number_at)
def store_number_at(typing_context, address, index, value, number):
    """Store a float64, rounded to the type of `number`, as number `index` of those at `address`."""

    def emit(builder, address, index, value, zero):
        _store_at(builder, address, index, _rounded(builder, value, zero))

    return code(types.void(types.intp, types.intp, types.float64, number), emit)


@emitted(twins.copy_bytes)
def copy_bytes(typing_context, target, source, count):
    """Copy `count` bytes between addresses that do not overlap."""

    def emit(builder, target, source, count):
        places = (builder.inttoptr(address, _BYTE.as_pointer()) for address in (target, source))
        cgutils.raw_memcpy(builder, *places, count, 1)

    return code(types.void(types.intp, types.intp, types.intp), emit)


@emitted(twins.clear_bytes)
def clear_bytes(typing_context, target, count):
    """Set `count` bytes to zero."""

    def emit(builder, target, count):
        cgutils.memset(builder, builder.inttoptr(target, _BYTE.as_pointer()), count, 0)

    return code(types.void(types.intp, types.intp), emit)


@emitted(twins.fence)
def fence(typing_context):
    """Make every store so far visible before any later one: stores past the caches are not in order by themselves."""
    return code(types.void(), lambda builder: builder.fence("seq_cst"))


@emitted(twins.atomic_integer)
def atomic_integer(typing_context, address, index):
    """Int64 number `index` of the block at `address`, with all that was stored before it was."""

    def emit(builder, address, index):
        place = builder.gep(builder.inttoptr(address, _I64.as_pointer()), [index])
        return builder.load_atomic(place, "acquire", 8)

    return code(types.int64(types.intp, types.intp), emit)


def _exchanging(operation):
    def emit(builder, address, index, value):
        place = builder.gep(builder.inttoptr(address, _I64.as_pointer()), [index])
        return builder.atomic_rmw(operation, place, value, "seq_cst")

    return code(types.int64(types.intp, types.intp, types.int64), emit)


@emitted(twins.atomic_or)
def atomic_or(typing_context, address, index, bits):
    """Set bits of int64 number `index` of the block at `address`; return what it was."""
    return _exchanging("or")


@emitted(twins.atomic_add)
def atomic_add(typing_context, address, index, value):
    """Add to int64 number `index` of the block at `address`; return what it was."""
    return _exchanging("add")


@emitted(twins.relax)
def relax(typing_context, long):
    """Wait for another core a moment, or where it has been `long`, let another thread of the system have this one."""

    def emit(builder, long):
        if hasattr(os, "sched_yield"):
            kind = ir.FunctionType(_INT, [])
            with builder.if_then(builder.icmp_signed("!=", long, constant(0)), likely=False):
                builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        if platform.machine() in ("x86_64", "AMD64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])

    return code(types.void(types.intp), emit)


@emitted(twins.threads_of_numba)
def threads_of_numba(typing_context):
    """Threads on which this Python thread starts a region, a setting that belongs to its own jitted code."""

    def emit(builder):
        kind = ir.FunctionType(_I64, [])  # as Numba declares it
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "get_num_threads"), [])

    return code(types.int64(), emit)


@emitted(twins.use_threads_of_numba)
def use_threads_of_numba(typing_context, threads):
    """Set `threads_of_numba`."""

    def emit(builder, threads):
        kind = ir.FunctionType(ir.VoidType(), [_INT])
        function = cgutils.get_or_insert_function(builder.module, kind, "set_num_threads")
        builder.call(function, [builder.trunc(threads, _INT)])

    return code(types.void(types.intp), emit)


@emitted(twins.prefetch)
def prefetch(typing_context, address):
    """Ask for the cache line at an address; never faults."""
    return code(types.void(types.intp), prefetch_line)


@emitted(twins.call)
def call_kernel(typing_context, kernel, arguments_address, task):
    """Call the kernel at an address with ``(arguments, task)``."""
    return code(types.void(types.intp, types.intp, types.intp), _call)


@emitted(twins.call)
def call_tile(
    typing_context, tile,
    segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k, lost,
):  # fmt: skip
    """Call the micro-kernel at an address; the arguments are those of `machine.tile`."""
    return code(types.void(*[types.intp] * (TILE_ARGUMENTS + 1)), _call)


@emitted(twins.call)
def call_depthwise_tile(typing_context, tile, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, tail):
    """Call the micro-kernel at an address; the arguments are those of `depthwise.depthwise_tile_kernel`."""
    return code(types.void(*[types.intp] * (DEPTHWISE_TILE_ARGUMENTS + 1)), _call)


@emitted(twins.call)
def call_transform(typing_context, transform, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9):
    """Call the micro-kernel at an address; the arguments are those of `winograd.transform_kernel`."""
    return code(types.void(*[types.intp] * (TRANSFORM_ARGUMENTS + 1)), _call)
