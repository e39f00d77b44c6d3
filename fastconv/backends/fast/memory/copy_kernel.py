"""Copies between any strides: lines along the last of five axes."""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.intrinsics import copy_bytes, load, size_of, store
from fastconv.backends.fast.machine.kernel import kernel

# sizes, and byte strides of both arrays
COPY = Block("SOURCE TARGET N0 N1 N2 N3 N4 S0 S1 S2 S3 S4 T0 T1 T2 T3 T4 TASKS", results="TARGET")


@kernel(COPY)
def copy(args, task, number):
    """Some lines of the target."""
    n1, n2, n3, n4 = args.N1, args.N2, args.N3, args.N4
    lines, tasks, item = args.N0 * n1 * n2 * n3, args.TASKS, size_of(number)
    source_step, target_step = args.S4, args.T4
    dense = source_step == item and target_step == item
    for line in range(lines * task // tasks, lines * (task + 1) // tasks):
        plane, c = line // n3, line % n3
        volume, b = plane // n2, plane % n2
        n, a = volume // n1, volume % n1
        source = args.SOURCE + n * args.S0 + a * args.S1 + b * args.S2 + c * args.S3
        target = args.TARGET + n * args.T0 + a * args.T1 + b * args.T2 + c * args.T3
        if dense:
            copy_bytes(target, source, n4 * item)
        else:
            for i in range(n4):
                store(target + i * target_step, load(source + i * source_step, number))
