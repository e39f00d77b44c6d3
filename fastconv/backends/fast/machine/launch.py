"""Running a kernel over its tasks: on one thread, or on several through Numba's threading layer; and where arrays lie.

Tasks are independent and their number does not depend on how they run, so the result is the same, to the last bit.

Python answers Ctrl-C between launches, and not in compiled code. A launch of more work than `SLICE` per thread is
therefore cut in time, into slices that Python starts one after another: into more and smaller tasks, or, where a task
adds to what it wrote before, into parts of the range that every task goes through, in its order.
"""

from __future__ import annotations

from array import array
from ctypes import c_size_t
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from fastconv.backends.fast.machine.blocks import Block, view
from fastconv.backends.fast.machine.intrinsics import (
    atomic_add,
    atomic_integer,
    atomic_or,
    call_kernel,
    fence,
    integer,
    relax,
    store_integer,
    threads_of_numba,
    use_threads_of_numba,
)
from fastconv.backends.fast.machine.jit import INTERPRETED, LOCK, helper, jitted
from fastconv.backends.fast.machine.record import Run, active, listening
from fastconv.backends.fast.machine.regions import patience_of_threads, run_region

# Numbers that a thread goes through in a slice, or 16 times as many products in tiles: 0.02 to 0.2 s here.
SLICE = 2**26
ENTRY_BYTES = 64  # of a run in a program, whose first numbers are these
KERNEL, BLOCK, FIRST, TASKS, CLAIMED, DONE, OWN, ALL = range(8)
SHARES = 63  # of the tasks of a run at most: a bit for each
# Each worker has two addresses, of a table of runs and of its argument blocks. ENTRIES are those numbers of the blocks
# that point into input or output, OFFSETS how far from where that of a group starts; X_GROUP bytes are in between two.
GROUPS = Block("WORKERS RUNS NEXT X X_GROUP X_ENTRIES X_OFFSETS X_COUNT Y Y_GROUP Y_ENTRIES Y_OFFSETS Y_COUNT")
NEXT = GROUPS.index["NEXT"]
PATIENCE, LONG = 2**8, 2**14  # looks at a number: 3 µs and 0.2 ms here


def _serial(kernel, arguments, first, tasks):
    for task in range(tasks):
        call_kernel(kernel, arguments, first + task)


@helper
def _do_runs(program, first, last):
    """Do runs on this thread, with all of their tasks."""
    for i in range(first, last):
        run = program + i * ENTRY_BYTES
        for task in range(integer(run, TASKS)):
            call_kernel(integer(run, KERNEL), integer(run, BLOCK), integer(run, FIRST) + task)


def _serial_program(program, threads, first, last):
    _do_runs(program, first, last)


def _parallel_program(program, threads, first, last):
    for i in range(first, last):
        run = program + i * ENTRY_BYTES
        store_integer(run, CLAIMED, 0)
        store_integer(run, DONE, 0)
    before = threads_of_numba()
    use_threads_of_numba(threads)
    for worker in numba.prange(threads):
        _work(program, threads, first, last, worker)
    use_threads_of_numba(before)


@helper
def _work(program, threads, first, last, worker):
    """Go through all runs; of each, do the shares of its tasks that nobody has claimed, and wait for the others.

    Whoever has claimed a share does it, however many workers there are at a time: nobody waits for one that never
    comes, or comes late. A worker begins with a share of its own, the same in every run, since what it reads is then in
    its cache. The first one, which is the calling thread, notes how many tasks it did, and of how many.
    """
    own = everything = 0
    for i in range(first, last):
        run = program + i * ENTRY_BYTES
        kernel, block, start, tasks = (
            integer(run, KERNEL),
            integer(run, BLOCK),
            integer(run, FIRST),
            integer(run, TASKS),
        )
        shares, done, waited = min(tasks, SHARES), 0, 0
        if worker >= shares:  # one of those that it is for will come at once
            while waited < PATIENCE and atomic_integer(run, DONE) < tasks:
                relax(0)
                waited += 1
        for k in range(shares):
            share = (worker * shares // threads + k) % shares
            bit = 1 << share
            if atomic_integer(run, CLAIMED) & bit == 0 and atomic_or(run, CLAIMED, bit) & bit == 0:
                for task in range(tasks * share // shares, tasks * (share + 1) // shares):
                    call_kernel(kernel, block, start + task)
                    done += 1
        if done > 0:
            fence()
            atomic_add(run, DONE, done)
        own, everything = own + done, everything + tasks
        while i + 1 < last and atomic_integer(run, DONE) < tasks:
            waited += 1
            relax(int(waited > LONG))
    if worker == 0 and first < last:
        store_integer(program + first * ENTRY_BYTES, OWN, own)
        store_integer(program + first * ENTRY_BYTES, ALL, everything)


def _serial_groups(groups, threads, first, last):
    if first < last:
        _do_groups(view(GROUPS, groups), groups, first, last, 0)


def _parallel_groups(groups, threads, first, last):
    before = threads_of_numba()
    use_threads_of_numba(threads)
    for worker in numba.prange(threads):
        if first < last:
            _do_groups(view(GROUPS, groups), groups, first, last, worker)
    use_threads_of_numba(before)


@helper
def _do_groups(args, groups, first, last, worker):
    """Do groups that nobody has begun, one after the other, in the memory of a worker."""
    program, blocks = integer(args.WORKERS, 2 * worker), integer(args.WORKERS, 2 * worker + 1)
    group = first + atomic_add(groups, NEXT, 1)
    while group < last:
        x, y = args.X + group * args.X_GROUP, args.Y + group * args.Y_GROUP
        for i in range(args.X_COUNT):
            store_integer(blocks, integer(args.X_ENTRIES, i), x + integer(args.X_OFFSETS, i))
        for i in range(args.Y_COUNT):
            store_integer(blocks, integer(args.Y_ENTRIES, i), y + integer(args.Y_OFFSETS, i))
        _do_runs(program, 0, args.RUNS)
        group = first + atomic_add(groups, NEXT, 1)


FORMS = {
    "serial": _serial,
    "serial_program": _serial_program,
    "parallel_program": _parallel_program,
    "serial_groups": _serial_groups,
    "parallel_groups": _parallel_groups,
}
_built: dict[str, Any] = {}


def launcher(name: str) -> Any:
    """Launcher of that name; compiled on first use, by one thread."""
    try:
        return _built[name]
    except KeyError:
        with LOCK:
            if name not in _built:
                parallel = name.startswith("parallel")
                with patience_of_threads():
                    _built[name] = jitted(f"launch_{name}", FORMS[name], (0, 1, 0, 0), parallel=parallel)
            return _built[name]


def threading_layer() -> str:
    """Name of the threading layer that Numba uses; starts it if need be."""
    launcher("parallel_program")
    return "none" if INTERPRETED else numba.threading_layer()


class Cut(NamedTuple):
    """Entries of an argument block by which a launch is cut into slices."""

    tasks: tuple[int, ...] = ()  # how many tasks there are: multiplied by the number of slices
    scratch: tuple[int, int] | None = None  # memory of the first task, and bytes between those of two tasks
    span: tuple[int, int] | None = None  # first and stop of the range that every task goes through


def by_tasks(block: Block, *names: str) -> Cut:
    """Slices of a kernel that divides its work by the entries `names`, if none are given by TASKS."""
    index = block.index
    scratch = (index["SCRATCH"], index["SCRATCH_STRIDE"]) if "SCRATCH_STRIDE" in index else None
    return Cut(tasks=tuple(index[name] for name in names or ("TASKS",)), scratch=scratch)


def by_span(block: Block) -> Cut:
    """Slices of a kernel whose tasks go from FIRST to STOP."""
    return Cut(span=(block.index["FIRST"], block.index["STOP"]))


def slices_of(work: float, threads: int) -> int:
    """Slices of a launch that goes through `work`, in the unit of `SLICE`."""
    return 1 if work <= SLICE else int(work // (SLICE * threads)) + 1


def launch(
    kernel: int, arguments: np.ndarray, tasks: int, threads: int, work: float = 0, cut: Cut | None = None
) -> None:
    """Run tasks 0 to ``tasks - 1`` of the kernel at an address; returns when all are done.

    `work` is what the launch goes through, in the unit of `SLICE`; it is cut by `cut` where that is much. The argument
    block belongs to the launch, which may change it.
    """
    slices = 1 if cut is None else slices_of(work, threads)
    if slices == 1 and not active and (threads <= 1 or tasks <= 1):  # a call of little work, but for the rest of this
        (_built.get("serial") or launcher("serial"))(kernel, address(arguments), 0, tasks)
    elif slices == 1 or cut is None:
        _run(kernel, arguments, 0, tasks, threads, work)
    elif cut.span is not None:
        first, stop = cut.span
        start, length = int(arguments[first]), int(arguments[stop] - arguments[first])
        for i in range(slices):
            arguments[first], arguments[stop] = start + length * i // slices, start + length * (i + 1) // slices
            _run(kernel, arguments, 0, tasks, threads, work / slices)
    else:
        arguments[list(cut.tasks)] *= slices
        scratch, stride = cut.scratch or (0, 0)
        step = tasks * int(arguments[stride]) if cut.scratch is not None else 0
        for i in range(slices):
            _run(kernel, arguments, i * tasks, tasks, threads, work / slices, (scratch, i * step))
            arguments[scratch] -= step  # the next tasks use the same memory


def _run(
    kernel: int,
    arguments: np.ndarray,
    first: int,
    tasks: int,
    threads: int,
    work: float,
    scratch: tuple[int, int] = (0, 0),
) -> None:
    """Run tasks `first` to ``first + tasks - 1``; `scratch` is as of a `Run`."""
    if active and (record := listening()):
        record.runs.append(Run(kernel, arguments.copy(), first, tasks, threads, work, scratch))
        if record.dry:
            return
    if threads <= 1 or tasks <= 1:
        launcher("serial")(kernel, address(arguments), first, tasks)
    else:
        table = array("q", (kernel, address(arguments), first, tasks, 0, 0, 0, 0))  # 2 µs less than one of NumPy
        numbers = table.buffer_info()[0], threads, 0, 1
        run_region(launcher, "program", threads, numbers, lambda: (table[OWN], table[ALL]))


def run_program(program: np.ndarray, first: int, last: int, threads: int) -> None:
    """Do runs `first` to ``last - 1`` of a table of `ENTRY_BYTES` each.

    All are one parallel region, in which threads wait for each other after every run: a region of its own for each
    takes several microseconds more.
    """
    numbers = address(program), threads, first, last
    run_region(launcher, "program", threads, numbers, lambda: (program.item(first, OWN), program.item(first, ALL)))


def run_groups(groups: np.ndarray, first: int, last: int, threads: int) -> None:
    """Do groups `first` to ``last - 1`` of a block of `GROUPS`, each on one thread."""
    groups[NEXT] = 0
    run_region(launcher, "groups", threads, (address(groups), threads, first, last), lambda: (1, threads))


# ``array.ctypes.data`` builds three objects, 0.9 µs each time, and a call of the engine needs five or six addresses.
# The data pointer is the first field of an array object after its header, a part of NumPy's stable binary interface;
# reading it takes 0.2 µs. Where a probe says otherwise, the ordinary way is used.
_HEADER = object.__basicsize__
_number_at = c_size_t.from_address


def _read(array: NDArray[Any]) -> int:
    if active and (record := listening()):
        record.arrays.append(array)
    return _number_at(id(array) + _HEADER).value


def _ask(array: NDArray[Any]) -> int:
    if active and (record := listening()):
        record.arrays.append(array)
    return int(array.ctypes.data)


_probe = np.zeros(8)[3:]
address = _read if _read(_probe) == _probe.ctypes.data else _ask
