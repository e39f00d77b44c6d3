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
from functools import lru_cache

import numba
import numpy as np

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


@lru_cache(maxsize=1)
def _serial():
    return jitted("launch_serial", _launchers()[0], (0, 0, 0), parallel=False)


@lru_cache(maxsize=1)
def _parallel():
    return jitted("launch_parallel", _launchers()[1], (0, 0, 0), parallel=True)


@lru_cache(maxsize=1)
def _ready() -> bool:
    """Build both launchers; returns whether several Python threads may be inside a parallel function at once."""
    _serial()
    _parallel()
    return INTERPRETED or numba.threading_layer() != "workqueue"


def threading_layer() -> str:
    """Name of the threading layer that Numba uses; starts it if need be."""
    with LOCK:
        _ready()
    return "none" if INTERPRETED else numba.threading_layer()


def launch(kernel: int, arguments: np.ndarray, tasks: int, threads: int) -> None:
    """Run tasks 0 to ``tasks - 1`` of the kernel at an address; returns when all are done."""
    address = arguments.ctypes.data
    if threads <= 1 or tasks <= 1 or _forked:
        with LOCK:
            serial = _serial()
        serial(kernel, address, tasks)
        return
    with LOCK:
        reentrant = _ready()
    if reentrant:
        _run_parallel(kernel, address, tasks, threads)
    elif _workqueue.acquire(blocking=False):
        try:
            _run_parallel(kernel, address, tasks, threads)
        finally:
            _workqueue.release()
    else:
        _serial()(kernel, address, tasks)


def _run_parallel(kernel: int, address: int, tasks: int, threads: int) -> None:
    if numba.get_num_threads() != threads:  # a setting of this Python thread
        numba.set_num_threads(threads)
    _parallel()(kernel, address, tasks)
