"""Norms, limits on them, and penalties by kernels: two launches for a sum, and one for each dtype that is changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastconv.backends.base import Array, Backend
from fastconv.backends.fast.machine.kernel import Kernel
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.update.norm_kernel import (
    CHUNK,
    SQUARES,
    TOTAL,
    add_scaled,
    limit_norm,
    sum_squares,
    total_squares,
)
from fastconv.backends.fast.update.rows import is_plain, tasks_for
from fastconv.backends.settings import get_num_threads


class Norms(Backend):
    """Sums over all gradients or parameters, and what is done to all of them."""

    def norm(self, arrays: Sequence[Array], out: Array | None = None) -> Array:
        """Euclidean norm of all arrays together."""
        return _total(arrays, out, root=True)

    def sum_of_squares(self, arrays: Sequence[Array], out: Array | None = None) -> Array:
        """Sum of the squares of all numbers."""
        return _total(arrays, out, root=False)

    def limit_norm(self, arrays: Sequence[Array], norm: Array, limit: Array) -> None:
        """Scale arrays whose norm is above a limit."""
        places = {"NORM": address(norm), "LIMIT": address(limit)}
        left = _launch_rows(limit_norm, [(array,) for array in arrays], **places)
        super().limit_norm([array for (array,) in left], norm, limit)

    def add_scaled(self, targets: Sequence[Array], sources: Sequence[Array], factor: Array) -> None:
        """Add ``factor[0] * source`` to each target."""
        left = _launch_rows(add_scaled, list(zip(targets, sources)), FACTOR=address(factor))
        super().add_scaled([target for target, _ in left], [source for _, source in left], factor)


def _total(arrays: Sequence[Array], out: Array | None, *, root: bool) -> Array:
    """Sum of all squares or the root of it; arrays of other dtypes and in other orders are copied first."""
    given = [
        array if is_plain((array,)) else np.ascontiguousarray(array, np.result_type(array.dtype, np.float32))
        for array in arrays
    ]
    chunks, done = sum(-(-array.size // CHUNK) for array in given), 0
    parts, out = np.empty((max(chunks, 1), 2)), np.empty(1) if out is None else out
    for itemsize in sorted({array.itemsize for array in given}):
        done += _sum_squares([array for array in given if array.itemsize == itemsize], parts[done:])
    block = TOTAL.fill(PARTS=address(parts), CHUNKS=chunks, OUT=address(out))
    launch(total_squares.address(root), block, 1, 1)
    return out


def _sum_squares(arrays: list[Array], parts: Array) -> int:
    """Start the kernel over arrays of one dtype; return the number of their chunks."""
    rows, chunks = [], 0
    for array in arrays:
        rows.append((chunks, -(-array.size // CHUNK), address(array), array.size))
        chunks += rows[-1][1]
    if chunks:
        tasks = tasks_for(sum(array.nbytes for array in arrays), get_num_threads())
        block = SQUARES.with_rows(rows, OUT=address(parts), ROWS=len(rows), TOTAL=chunks, TASKS=tasks)
        launch(sum_squares.address(arrays[0].itemsize), block, tasks, tasks, chunks * CHUNK, by_tasks(SQUARES))
    return chunks


def _launch_rows(kernel: Kernel, rows: Sequence[tuple[Array, ...]], **places: int) -> list[tuple[Array, ...]]:
    """Start a kernel over rows of arrays, the first of which it changes; return those that are left to NumPy."""
    if len({id(row[0]) for row in rows}) < len(rows):  # one after the other, as is asked for
        return list(rows)
    alike: dict[int, list[tuple[Array, ...]]] = {}
    left = []
    for row in rows:
        if is_plain(row):
            alike.setdefault(row[0].itemsize, []).append(row)
        else:
            left.append(row)
    for itemsize, some in alike.items():
        table, total = [], 0
        for row in some:
            table.append((total, row[0].size, *map(address, row)))
            total += row[0].size
        tasks = tasks_for(2 * total * itemsize, get_num_threads())
        block = kernel.block.with_rows(table, **places, ROWS=len(table), TOTAL=total, TASKS=tasks)
        launch(kernel.address(itemsize), block, tasks, tasks, total, by_tasks(kernel.block))
    return left
