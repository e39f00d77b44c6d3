"""The elementwise passes of a normalisation, over rows of consecutive numbers.

Forward ``y = (x - mean) * scale + shift``; backward ``dx = dy * scale + (x - mean) * slope + shift``. The factors are
those of a row (planes: one channel each), or there is one for every number of a row (channels-last: a pixel is a row).
"""

from __future__ import annotations

from functools import cache

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastconv.kernels.arguments import Block
from fastconv.kernels.emitter import Emitter
from fastconv.kernels.jit import INTERPRETED, LOCK, REVISION, ZERO, c_function
from fastconv.kernels.memory import integer, size_of
from fastconv.kernels.target import host
from fastconv.kernels.tile import Tile

__all__ = ["NORMALIZE", "normalize_address"]

# ROWS rows of LENGTH numbers. The factors of row r are number r // REPEAT % PERIOD of their tables, or with `columns`
# LENGTH numbers at that place. OUT is y or dx.
NORMALIZE = Block("X DY OUT MEAN SCALE SLOPE SHIFT REPEAT PERIOD ROWS LENGTH TASKS")
_I = NORMALIZE.index
X, DY, OUT, MEAN, SCALE = _I["X"], _I["DY"], _I["OUT"], _I["MEAN"], _I["SCALE"]
SLOPE, SHIFT, REPEAT, PERIOD = _I["SLOPE"], _I["SHIFT"], _I["REPEAT"], _I["PERIOD"]
ROWS, LENGTH, TASKS = _I["ROWS"], _I["LENGTH"], _I["TASKS"]

FORWARD, BACKWARD = 0, 1
_I64 = ir.IntType(64)


@intrinsic(prefer_literal=True)
def normalize_run(typing_context, kind, columns, number, x, dy, out, mean, scale, slope, shift, count):
    """One row of `count` numbers; `columns` says whether every number has factors of its own."""
    if not isinstance(kind, types.IntegerLiteral) or not isinstance(columns, types.IntegerLiteral):
        return None
    item, backward, lanewise = number.bitwidth // 8, bool(kind.literal_value), bool(columns.literal_value)

    def codegen(context, builder, signature, arguments):
        x_, dy_, out_, *tables, count_ = arguments[3:]
        lanes = host().lanes(item)
        whole = Emitter(builder, Tile(0, 1, 1, lanes, item, 0), ir.Constant(_I64, 0))
        spread = None if lanewise else [whole.broadcast(table) for table in tables]

        def vector(emit, offset):
            factors = spread
            if factors is None:
                factors = [emit.load_vector(builder.add(table, offset), 0) for table in tables]
            mean_, scale_, slope_, shift_ = factors
            result = builder.fsub(emit.load_vector(builder.add(x_, offset), 0), mean_)
            if backward:
                result = emit.multiply_add(result, slope_, shift_)
                result = emit.multiply_add(emit.load_vector(builder.add(dy_, offset), 0), scale_, result)
            else:
                result = emit.multiply_add(result, scale_, shift_)
            emit.store_vector(result, builder.add(out_, offset), 0)

        vectors = builder.sdiv(count_, ir.Constant(_I64, lanes))
        with cgutils.for_range(builder, vectors, intp=_I64) as loop:
            vector(whole, builder.mul(loop.index, ir.Constant(_I64, lanes * item)))
        done = builder.mul(vectors, ir.Constant(_I64, lanes))
        rest = builder.sub(count_, done)
        with cgutils.if_unlikely(builder, builder.icmp_signed(">", rest, ir.Constant(_I64, 0))):
            vector(Emitter(builder, Tile(0, 1, 1, lanes, item, 1), rest), builder.mul(done, ir.Constant(_I64, item)))
        return context.get_dummy_value()

    return types.void(kind, columns, number, *[types.intp] * 8), codegen


if INTERPRETED:
    from fastconv.kernels.twins import normalize_run


def _driver(number, kind, columns):
    revision = REVISION

    def normalize(args, task):
        revision  # noqa: B018 (a part of the cache key)
        rows, length, tasks, item = integer(args, ROWS), integer(args, LENGTH), integer(args, TASKS), size_of(number)
        entry = length * item if columns else item
        for row in range(rows * task // tasks, rows * (task + 1) // tasks):
            offset = row * length * item
            place = row // integer(args, REPEAT) % integer(args, PERIOD) * entry
            normalize_run(
                kind, columns, number,
                integer(args, X) + offset, integer(args, DY) + offset, integer(args, OUT) + offset,
                integer(args, MEAN) + place, integer(args, SCALE) + place,
                integer(args, SLOPE) + place, integer(args, SHIFT) + place, length,
            )  # fmt: skip

    return normalize


@cache
def _compiled(backward, columns, itemsize):
    kind, lanewise = BACKWARD if backward else FORWARD, int(columns)
    name = f"normalize_{'columns' if columns else 'rows'}{'_backward' if backward else ''}_f{8 * itemsize}"
    return c_function(name, "void(intp, intp)", _driver(ZERO[itemsize], kind, lanewise))


def normalize_address(itemsize: int, *, columns: bool, backward: bool) -> int:
    """Address of the driver; compiled on first use."""
    with LOCK:
        return _compiled(backward, columns, itemsize).address
