"""Time and memory of one call, and the time of the frozen loops."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

from fastconv.evidence.problem import Problem
from fastconv.evidence.yardstick import seed_loops
from fastconv.validation.arrays import Array

__all__ = ["Call", "once", "rounds", "seed_seconds_per_output", "settle", "workspace"]

Call = Callable[[], dict[str, Array]]

_ROUND = 0.01  # seconds that a round lasts at least: far above the resolution of the clock
_SEED_OUTPUTS, _SEED_REPEATS = 4096, 3
_LOOK, _ASLEEP, _RESTLESS = 0.005, 0.1, 0.2  # seconds between looks; share of a core that is quiet; seconds at most


def once(call: Call) -> tuple[float, dict[str, Array]]:
    """Seconds of one call, and its results."""
    start = time.perf_counter()
    results = call()
    return time.perf_counter() - start, results


def rounds(call: Call, repeats: int) -> list[float]:
    """Seconds of a call that has run before, in each of `repeats` rounds."""
    first, _ = once(call)
    calls = max(1, int(_ROUND / max(first, 1e-9)))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        seconds.append((time.perf_counter() - start) / calls)
    return seconds


def workspace(call: Call) -> int:
    """Peak of the bytes that a call allocates, less those of what it returns. NumPy reports to `tracemalloc`."""
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        results = call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not tracing:
            tracemalloc.stop()
    return max(0, peak - before - sum(array.nbytes for array in results.values()))


def seed_seconds_per_output(problem: Problem, operation: str) -> float | None:
    """Seconds per output of the frozen loops on a crop; None where they cannot do the work, which is dilation."""
    geometry = problem.geometry
    if any(axis.extent != axis.kernel for axis in geometry.axes):
        return None
    timing = seed_loops().time_per_output(
        operation,
        input_shape=geometry.input_shape,
        weight_shape=None if problem.weight is None else problem.weight.shape,
        kernel_size=geometry.kernel,
        stride=tuple(axis.stride for axis in geometry.axes),
        pad=tuple((axis.before, axis.after) for axis in geometry.axes),
        groups=getattr(geometry, "groups", 1),
        dtype=problem.dtype,
        max_outputs=_SEED_OUTPUTS,
        repeats=_SEED_REPEATS,
    )
    return float(timing.seconds_per_output)


def settle() -> None:
    """Wait until the threads of this process sleep, so that they take no core from what is timed next.

    They spin for a while after each call: 10 ms in OpenMP, 30 ms in ONNX Runtime and in OpenBLAS.
    """
    start = time.perf_counter()
    while time.perf_counter() - start < _RESTLESS:
        busy, look = time.process_time(), time.perf_counter()
        time.sleep(_LOOK)
        if time.process_time() - busy < _ASLEEP * (time.perf_counter() - look):
            return
