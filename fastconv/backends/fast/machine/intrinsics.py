"""Intrinsics: memory by address, and calls by address."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types

from fastconv.backends.fast.machine import twins
from fastconv.backends.fast.machine.jit import emitted
from fastconv.backends.fast.machine.target import host

_I64 = ir.IntType(64)
TILE_ARGUMENTS = 16
DEPTHWISE_TILE_ARGUMENTS = 13


@emitted(twins.integer)
def integer(typing_context, address, index):
    """Int64 number `index` of the block at `address`."""

    def codegen(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], _I64.as_pointer())
        return builder.load(builder.gep(pointer, [arguments[1]]))

    return types.int64(types.intp, types.intp), codegen


@emitted(twins.store_integer)
def store_integer(typing_context, address, index, value):
    """Store `value` as int64 number `index` of the block at `address`."""

    def codegen(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], _I64.as_pointer())
        builder.store(arguments[2], builder.gep(pointer, [arguments[1]]))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


@emitted(twins.size_of)
def size_of(typing_context, number):
    """Bytes of a floating-point number; a constant, known from its type."""

    def codegen(context, builder, signature, arguments):
        return ir.Constant(_I64, number.bitwidth // 8)

    return types.int64(number), codegen


@emitted(twins.lanes_of)
def lanes_of(typing_context, number):
    """Numbers in a vector of the CPU; a constant, known from the type."""

    def codegen(context, builder, signature, arguments):
        return ir.Constant(_I64, host().lanes(number.bitwidth // 8))

    return types.int64(number), codegen


@emitted(twins.load)
def load(typing_context, address, number):
    """Floating-point number at `address`, of the type of `number`."""

    def codegen(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], arguments[1].type.as_pointer())
        return builder.load(pointer, align=number.bitwidth // 8)

    return number(types.intp, number), codegen


@emitted(twins.store)
def store(typing_context, address, value):
    """Store a floating-point number at `address`."""

    def codegen(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], arguments[1].type.as_pointer())
        builder.store(arguments[1], pointer, align=value.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(types.intp, value), codegen


@emitted(twins.load_at)
def load_at(typing_context, address, index, number):
    """Floating-point number `index` of those at `address`, of the type of `number`.

    An index, other than an address that is counted up, is what LLVM's vectoriser can follow.
    """

    def codegen(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], arguments[2].type.as_pointer())
        return builder.load(builder.gep(pointer, [arguments[1]]), align=number.bitwidth // 8)

    return number(types.intp, types.intp, number), codegen


@emitted(twins.store_at)
def store_at(typing_context, address, index, value):
    """Store a floating-point number as number `index` of those at `address`."""

    def codegen(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], arguments[2].type.as_pointer())
        builder.store(arguments[2], builder.gep(pointer, [arguments[1]]), align=value.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, value), codegen


@emitted(twins.copy_bytes)
def copy_bytes(typing_context, target, source, count):
    """Copy `count` bytes between addresses that do not overlap."""

    def codegen(context, builder, signature, arguments):
        byte = ir.IntType(8).as_pointer()
        cgutils.raw_memcpy(
            builder, builder.inttoptr(arguments[0], byte), builder.inttoptr(arguments[1], byte), arguments[2], 1
        )
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


@emitted(twins.clear_bytes)
def clear_bytes(typing_context, target, count):
    """Set `count` bytes to zero."""

    def codegen(context, builder, signature, arguments):
        byte = ir.IntType(8).as_pointer()
        cgutils.memset(builder, builder.inttoptr(arguments[0], byte), arguments[1], 0)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen


@emitted(twins.fence)
def fence(typing_context):
    """Make every store so far visible before any later one: stores past the caches are not in order by themselves."""

    def codegen(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@emitted(twins.prefetch)
def prefetch(typing_context, address):
    """Ask for the cache line at an address; never faults."""

    def codegen(context, builder, signature, arguments):
        byte = ir.IntType(8).as_pointer()
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [builder.inttoptr(arguments[0], byte), *(ir.Constant(i32, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(types.intp), codegen


@emitted(twins.load_double)
def load_double(typing_context, address, index):
    """Float64 number `index` of the block at `address`."""

    def codegen(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
        return builder.load(builder.gep(pointer, [arguments[1]]), align=8)

    return types.float64(types.intp, types.intp), codegen


@emitted(twins.store_double)
def store_double(typing_context, address, index, value):
    """Store `value` as float64 number `index` of the block at `address`."""

    def codegen(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
        builder.store(arguments[2], builder.gep(pointer, [arguments[1]]), align=8)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float64), codegen


@emitted(twins.store_number)
def store_number(typing_context, address, value, number):
    """Store a float64 at `address`, rounded to the type of `number`."""

    def codegen(context, builder, signature, arguments):
        kind = arguments[2].type
        rounded = arguments[1] if number.bitwidth == 64 else builder.fptrunc(arguments[1], kind)
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.store(rounded, pointer, align=number.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.float64, number), codegen


@emitted(twins.store_number_at)
def store_number_at(typing_context, address, index, value, number):
    """Store a float64, rounded to the type of `number`, as number `index` of those at `address`."""

    def codegen(context, builder, signature, arguments):
        kind = arguments[3].type
        rounded = arguments[2] if number.bitwidth == 64 else builder.fptrunc(arguments[2], kind)
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.store(rounded, builder.gep(pointer, [arguments[1]]), align=number.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float64, number), codegen


def _call(builder, arguments):
    function = ir.FunctionType(ir.VoidType(), [_I64] * (len(arguments) - 1))
    builder.call(builder.inttoptr(arguments[0], function.as_pointer()), arguments[1:])


@emitted(twins.call_kernel)
def call_kernel(typing_context, kernel, arguments_address, task):
    """Call the kernel at an address with ``(arguments, task)``."""

    def codegen(context, builder, signature, arguments):
        _call(builder, arguments)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


@emitted(twins.call_tile)
def call_tile(
    typing_context, tile,
    segments, offsets, length, a, ai, ak, b, bk, init, init_row, c, c_row, tail, ahead, ahead_k, lost,
):  # fmt: skip
    """Call the micro-kernel at an address; the arguments are those of `machine.tile`."""

    def codegen(context, builder, signature, arguments):
        _call(builder, arguments)
        return context.get_dummy_value()

    return types.void(*[types.intp] * (TILE_ARGUMENTS + 1)), codegen


@emitted(twins.call_depthwise_tile)
def call_depthwise_tile(typing_context, tile, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, tail):
    """Call the micro-kernel at an address; the arguments are those of `depthwise.depthwise_tile_kernel`."""

    def codegen(context, builder, signature, arguments):
        _call(builder, arguments)
        return context.get_dummy_value()

    return types.void(*[types.intp] * (DEPTHWISE_TILE_ARGUMENTS + 1)), codegen
