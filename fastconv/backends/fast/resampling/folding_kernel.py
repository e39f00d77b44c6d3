"""The gradient of padding along an axis, over memory without gaps: (OUTER, SIZE, INNER) to (OUTER, CELLS, INNER).

The cells inside are copied, and what their copies outside got is added one by one, in their order. The twin to read is
in `backends.padding`.
"""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import copy_bytes, integer, load_at, size_of, store_at
from fastconv.backends.fast.machine.kernel import kernel

# COPIED says of each of COPIES which result it is, and then of each which cell
FOLD = Block("DY OUT COPIED COPIES OUTER SIZE CELLS BEFORE INNER TASKS", results="OUT")


@kernel(FOLD)
def fold(args, task, number):
    """Some of OUTER."""
    size, cells, inner, tasks, item = args.SIZE, args.CELLS, args.INNER, args.TASKS, size_of(number)
    line = inner * item
    for place in range(args.OUTER * task // tasks, args.OUTER * (task + 1) // tasks):
        dy, out = args.DY + place * size * line, args.OUT + place * cells * line
        copy_bytes(out, dy + args.BEFORE * line, cells * line)
        for copy in range(args.COPIES):
            source = dy + integer(args.COPIED, copy) * line
            target = out + integer(args.COPIED, args.COPIES + copy) * line
            for i in range(inner):
                store_at(target, i, load_at(target, i, number) + load_at(source, i, number))
