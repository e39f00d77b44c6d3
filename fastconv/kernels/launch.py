"""Running a kernel over its tasks: on one thread, or on several through Numba's threading layer.

Whichever layer Numba has, calls from several Python threads at once and from forked children are right:

- the OpenMP and TBB layers are entered from several Python threads at once;
- the workqueue layer aborts the process when two threads enter it, so only one may: the others run on one thread;
- a forked child of a process that used OpenMP must not use it, so forked children run on one thread.

Tasks are independent and their number does not depend on how they run, so the result is the same, to the last bit.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import numba
import numpy as np

from fastconv.kernels.addresses import address
from fastconv.kernels.jit import INTERPRETED, LOCK, REVISION, jitted
from fastconv.kernels.memory import call_kernel

__all__ = ["launch", "threading_layer"]

_workqueue = threading.Lock()
_forked = False


def _after_fork() -> None:
    global _forked, _workqueue
    _forked, _workqueue = True, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _launchers():
    revision = REVISION

    def serial(kernel, arguments, tasks):
        revision  # noqa: B018 (a part of the cache key)
        for task in range(tasks):
            call_kernel(kernel, arguments, task)

    def parallel(kernel, arguments, tasks):
        revision  # noqa: B018 (a part of the cache key)
        for task in numba.prange(tasks):
            call_kernel(kernel, arguments, task)

    return serial, parallel


_built: dict[str, Any] = {}


def _launcher(name: str) -> Any:
    """Launcher "serial" or "parallel"; compiled on first use, by one thread."""
    try:
        return _built[name]
    except KeyError:
        with LOCK:
            if name not in _built:
                function = _launchers()[name == "parallel"]
                _built[name] = jitted(f"launch_{name}", function, (0, 0, 0), parallel=name == "parallel")
            return _built[name]


def threading_layer() -> str:
    """Name of the threading layer that Numba uses; starts it if need be."""
    _launcher("parallel")
    return "none" if INTERPRETED else numba.threading_layer()


def launch(kernel: int, arguments: np.ndarray, tasks: int, threads: int) -> None:
    """Run tasks 0 to ``tasks - 1`` of the kernel at an address; returns when all are done."""
    block = address(arguments)
    if threads <= 1 or tasks <= 1 or _forked:
        _launcher("serial")(kernel, block, tasks)
    elif threading_layer() != "workqueue":
        _run_parallel(kernel, block, tasks, threads)
    elif _workqueue.acquire(blocking=False):
        try:
            _run_parallel(kernel, block, tasks, threads)
        finally:
            _workqueue.release()
    else:
        _launcher("serial")(kernel, block, tasks)


def _run_parallel(kernel: int, block: int, tasks: int, threads: int) -> None:
    parallel = _launcher("parallel")
    before = numba.get_num_threads()  # a setting of this Python thread, which belongs to its own jitted code
    if before == threads:
        parallel(kernel, block, tasks)
        return
    numba.set_num_threads(threads)
    try:
        parallel(kernel, block, tasks)
    finally:
        numba.set_num_threads(before)
