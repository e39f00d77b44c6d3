"""Sums in registers that are put aside before they grow long: the loop nest of the micro-kernels.

A term of a sum goes through every rounding from its own addition on, and each costs it half an eps at most. So the
error of a sum is bounded by half of its *depth*, the most additions that one term goes through. A register that adds up
n terms has depth n, and the bound is sharp: of one 1 and many numbers a little below half an eps, each of these is
lost. Therefore a register adds up `MOST` terms, then it is added to a number in memory that stays in the L1 cache, and
starts at zero again: depth `MOST` plus one for each part. The multiply-adds that follow do not wait for it, so that it
costs a few percent at most.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir
from numba.core import cgutils

from fastconv.backends.fast.machine.emitter import Emitter, constant

MOST = 64  # terms that one register adds up

Values = list[ir.Value]


class _Block:
    """A basic block and the values that it takes over from those before it."""

    def __init__(self, builder: ir.IRBuilder, name: str) -> None:
        self.builder, self.block = builder, builder.append_basic_block(name)
        self.phis: list[ir.PhiInstr] = []

    def open(self, like: Values) -> Values:
        """Go on here; return what stands for values of these types."""
        self.builder.position_at_end(self.block)
        self.phis = [self.builder.phi(value.type) for value in like]
        return list(self.phis)

    def take(self, values: Values, before: ir.Block) -> None:
        """Say what the values are where the block is reached from `before`."""
        for phi, value in zip(self.phis, values, strict=True):
            phi.add_incoming(value, before)


class _Aside:
    """Memory on the stack with a number for each sum, and whether something was put there: 0 or 1."""

    def __init__(self, emit: Emitter, count: int) -> None:
        self.emit, self.builder = emit, emit.builder
        memory = cgutils.alloca_once(self.builder, emit.vector, size=count)
        self.address = self.builder.ptrtoint(memory, ir.IntType(64))

    def _place(self, number: int) -> ir.Value:
        return self.emit.pointer(self.address, self.emit.vector_bytes(number), self.emit.vector)

    def store(self, sums: Values) -> None:
        """Put the first sums aside."""
        for number, value in enumerate(sums):
            self.builder.store(value, self._place(number))

    def added_to(self, sums: Values) -> Values:
        """What was put aside plus these sums."""
        return [self.builder.fadd(self.builder.load(self._place(number)), value) for number, value in enumerate(sums)]

    def put(self, sums: Values, filled: ir.Value) -> list[ir.Block]:
        """Put sums aside, added to what is there if anything is; return the blocks in which that ends, left open."""
        first, again = (self.builder.append_basic_block(name) for name in ("first", "again"))
        self.builder.cbranch(self.builder.icmp_signed("==", filled, constant(0)), first, again)
        self.builder.position_at_end(first)
        self.store(sums)
        self.builder.position_at_end(again)
        self.store(self.added_to(sums))
        return [first, again]

    def total(self, sums: Values, filled: ir.Value) -> Values:
        """All of it."""
        gather, total = self.builder.append_basic_block("gather"), _Block(self.builder, "total")
        before = self.builder.block
        self.builder.cbranch(self.builder.icmp_signed("==", filled, constant(0)), total.block, gather)
        self.builder.position_at_end(gather)
        gathered = self.added_to(sums)
        self.builder.branch(total.block)
        values = total.open(sums)
        total.take(sums, before)
        total.take(gathered, gather)
        return values


def emit_sums(
    emit: Emitter, count: int, times: ir.Value, steps: ir.Value, most: int, start: Values,
    enter: Callable[[Values], Values],
    body: Callable[[Values, Values], tuple[Values, Values]],
    leave: Callable[[Values, Values], Values],
) -> Values:  # fmt: skip
    """Emit two nested loops that add to `count` vectors from zero, `most` steps at a time; both run at least once.

    The outer loop, which runs `times` times, carries values that begin as `start`; ``enter`` makes those of the inner
    loop of them, ``body(values, sums)`` returns both after a step of it, and ``leave(outer, inner)`` the outer
    ones after its `steps`. What is carried is in registers; positions are integers.
    """
    builder, aside = emit.builder, _Aside(emit, count)
    outer, part, run, inner = (_Block(builder, name) for name in ("outer", "part", "run", "inner"))
    zero, one, full, before = constant(0), constant(1), constant(most), builder.block
    builder.branch(outer.block)

    # `room` is how many steps the registers may still take; `filled` whether something was put aside
    first = [zero, full, zero, *start, *[emit.zero] * count]
    time, room, filled, *carried = outer.open(first)
    outer.take(first, before)
    outer_values, sums = carried[: len(start)], carried[len(start) :]
    values = enter(outer_values)
    builder.branch(part.block)

    first = [zero, room, filled, *values, *sums]
    step, room, filled, *carried = part.open(first)
    part.take(first, outer.block)
    values, sums = carried[: len(values)], carried[len(values) :]
    put = builder.append_basic_block("put")
    builder.cbranch(builder.icmp_signed("==", room, zero), put, run.block)
    builder.position_at_end(put)
    ends = aside.put(sums, filled)
    for end in ends:
        builder.position_at_end(end)
        builder.branch(run.block)

    first = [room, filled, *sums]
    room, filled, *sums = run.open(first)
    run.take(first, part.block)
    for end in ends:
        run.take([full, one, *[emit.zero] * count], end)
    left = builder.sub(steps, step)
    some = builder.select(builder.icmp_signed("<", left, room), left, room)
    stop, room = builder.add(step, some), builder.sub(room, some)
    builder.branch(inner.block)

    first = [step, *values, *sums]
    step, *carried = inner.open(first)
    inner.take(first, run.block)
    values, sums = body(carried[: len(values)], carried[len(values) :])
    step = builder.add(step, one)
    inner.take([step, *values, *sums], inner.block)
    again, out, done = (builder.append_basic_block(name) for name in ("run_end", "outer_end", "done"))
    builder.cbranch(builder.icmp_signed("<", step, stop), inner.block, again)
    builder.position_at_end(again)
    part.take([step, room, filled, *values, *sums], again)
    builder.cbranch(builder.icmp_signed("<", step, steps), part.block, out)

    builder.position_at_end(out)
    time = builder.add(time, one)
    outer.take([time, room, filled, *leave(outer_values, values), *sums], out)
    builder.cbranch(builder.icmp_signed("<", time, times), outer.block, done)
    builder.position_at_end(done)
    return aside.total(sums, filled)
