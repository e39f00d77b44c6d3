"""The floating-point peak of the machine, now: what fractions of the peak divide by. Importing it imports Numba."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastconv.backends.fast.machine import peak as kernel
from fastconv.backends.fast.machine.launch import address, launch

_STEP = 128  # bytes between the results of two threads: no cache line is shared
_WAKE = 0.1  # of the time that is measured: the run before, which wakes the threads
_GUESS = 1e11  # FLOP/s of a thread, to begin with

_rates: dict[tuple[int, int], float] = {}  # FLOP/s of a thread at the last run, by (itemsize, threads)


def measure_peak(dtype: Any, threads: int, seconds: float = 0.02) -> float:
    """Run nothing but multiply-adds on full vectors for a moment.

    Parameters
    ----------
    dtype : {float32, float64}
        Type of the numbers.
    threads : int
        Threads that run, each the same chains on its own.
    seconds : float
        About how long.

    Returns
    -------
    float
        GFLOP/s of all threads together; a multiply-add counts as two.

    Examples
    --------
    >>> measure_peak("float64", threads=1, seconds=1e-4) > 0
    True
    """
    itemsize = np.dtype(dtype).itemsize
    flops = kernel.repeat_flops(itemsize)
    if (itemsize, threads) not in _rates:  # the first run compiles, and its time means nothing
        _run(itemsize, threads, 1)
        repeats = max(1, int(_WAKE * seconds * _GUESS / flops))
        _rates[itemsize, threads] = repeats * flops / _run(itemsize, threads, repeats)
    repeats = max(1, int(seconds * _rates[itemsize, threads] / flops))
    _run(itemsize, threads, max(1, int(_WAKE * repeats)))
    rate = repeats * flops / _run(itemsize, threads, repeats)
    _rates[itemsize, threads] = rate
    return threads * rate / 1e9


def _run(itemsize: int, threads: int, repeats: int) -> float:
    """Seconds that all threads take for so many repeats each."""
    numbers = np.array([0.75, 0.25], np.float32 if itemsize == 4 else np.float64)  # every chain tends to 1
    results = np.zeros(threads * _STEP, np.uint8)
    block = kernel.PEAK.fill(
        REPEATS=repeats,
        FACTOR=address(numbers),
        TERM=address(numbers) + itemsize,
        RESULT=address(results),
        RESULT_STEP=_STEP,
    )
    start = time.perf_counter()
    launch(kernel.peak.address(itemsize), block, threads, threads)
    return time.perf_counter() - start
