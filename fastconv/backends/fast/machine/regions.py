"""Parallel regions: whether the next one is worth it, and how the threads of OpenMP wait for it.

Whichever layer Numba has, calls from several Python threads at once and from forked children are right:

- the OpenMP and TBB layers are entered from several Python threads at once;
- the workqueue layer aborts the process when two threads enter it, so only one may: the others run on one thread;
- a forked child of a process that used OpenMP must not use it, so forked children run on one thread.

A region ends when its last thread comes, and where other programs want the cores that may be milliseconds after the
work was done. So time is accounted for: a region that took longer than its work would have on the calling thread alone
is a loss, any other a gain. When losses come to `LOSS` more than gains, the calling thread works alone for `ALONE`
times as long, and then it tries again. To ask for the time of the processor is a call of the system, of a microsecond:
while regions are short and none is seen to lose, it is asked for one, and not for the next `CALM`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, thread_time
from typing import Any

import numba

from fastconv.backends.fast.machine.jit import INTERPRETED

LOSS = 5e-4  # seconds
ALONE, ALONE_MOST = 8, 0.2  # times the loss, and seconds
CALM, SHORT = 15, 1e-4  # regions, and seconds
# Idle threads look for work so often before they sleep, 0.3 ms here: longer than Python takes from one region to the
# next. OpenMP would have them go on for 300,000, and who waits for them as well: time in which they could run.
LOOKS = "30000"
SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # any of which is somebody's choice

Work = Callable[[], tuple[int, int]]  # tasks that the calling thread did, and all of them

_workqueue = threading.Lock()
_forked = False
_lost = 0.0  # seconds, by all regions since the last time alone, less what they gained; never negative
_alone_until = 0.0  # on the clock of `perf_counter`
_unseen = 0  # regions to come of which no account is taken, unless one is long


def _after_fork() -> None:
    global _forked, _workqueue
    _forked, _workqueue = True, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def patience_of_threads() -> Iterator[None]:
    """Let OpenMP be loaded inside, which reads the environment then; programs started later get none of this."""
    if any(name in os.environ for name in SETTINGS):
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = LOOKS
    try:
        yield
    finally:
        os.environ.pop("GOMP_SPINCOUNT", None)


def run_region(launcher: Callable[[str], Any], form: str, threads: int, numbers: tuple[int, ...], work: Work) -> None:
    """Call a launcher with these numbers, on several threads where that is allowed and worth it."""
    global _unseen
    began = perf_counter()
    if threads <= 1 or _forked or began < _alone_until:
        launcher("serial_" + form)(*numbers)
        return
    parallel = launcher("parallel_" + form)
    layer = "none" if INTERPRETED else numba.threading_layer()
    if layer == "omp" and _unseen <= 0:  # where the calling thread is known to take part, as the first one
        began, used = perf_counter(), thread_time()
        parallel(*numbers)
        _account(began, thread_time() - used, *work())
    elif layer != "workqueue":
        parallel(*numbers)
        _unseen = _unseen - 1 if perf_counter() - began < SHORT else 0
    elif _workqueue.acquire(blocking=False):
        try:
            parallel(*numbers)
        finally:
            _workqueue.release()
    else:
        launcher("serial_" + form)(*numbers)


def _account(began: float, used: float, own: int, tasks: int) -> None:
    """Note a region in which the calling thread computed for `used` seconds, and did `own` of all tasks."""
    global _lost, _alone_until, _unseen
    ended = perf_counter()
    _lost = max(0.0, _lost + ended - began - used * tasks / max(own, 1))
    _unseen = CALM if _lost == 0 and ended - began < SHORT else 0
    if _lost > LOSS:
        _alone_until = ended + min(ALONE * _lost, ALONE_MOST)
        _lost = 0.0
