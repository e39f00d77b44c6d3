"""Kernels over many arrays at once: a row for each, and an even share of all their numbers for every task."""

from __future__ import annotations

from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.jit import helper

# What the rows of all such kernels begin with: how many numbers there are, and how many in the rows before.
SHARE = Block("START COUNT")


@helper
def share_of(row, total, task, tasks):
    """(first, stop) of the numbers of a row that are part of a task; none where `first` is not below `stop`."""
    start = row.START
    return max(total * task // tasks - start, 0), min(total * (task + 1) // tasks - start, row.COUNT)
