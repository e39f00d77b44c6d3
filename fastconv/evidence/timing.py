"""Time and memory of one call, and the frozen loops of the seeds, which times are compared with."""

from __future__ import annotations

import sys
import time
import tracemalloc
from functools import lru_cache
from importlib import import_module, util
from pathlib import Path
from types import ModuleType

from fastconv.backends import resolve_backend
from fastconv.evidence.problem import Call, OperationProblem
from fastconv.evidence.process import PACKAGE
from fastconv.validation.arrays import Array

_INSTALLED = "fastconv._seed_loops"
_IN_CHECKOUT = PACKAGE.parent / "benchmarks" / "seed_loops.py"
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


def workspace(call: Call, backend: str | None = None) -> int:
    """Peak of the bytes that a call allocates, less those of what it returns. NumPy reports to `tracemalloc`.

    What a backend keeps from call to call counts where it is named: it lets go of it before.
    """
    release = None if backend is None else getattr(resolve_backend(backend), "release", None)
    if release is not None:
        release()
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


def seed_seconds_per_output(problem: OperationProblem, operation: str) -> float | None:
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


@lru_cache(maxsize=1)
def seed_loops() -> ModuleType:
    """Return the module of the frozen loops that every "times faster" divides by.

    Returns
    -------
    module
        ``fastconv._seed_loops`` of an installed wheel, or else ``benchmarks/seed_loops.py`` of the checkout.

    Raises
    ------
    ImportError
        If neither is there.

    Examples
    --------
    >>> timing = seed_loops().time_per_output(
    ...     "max_pool2d", input_shape=(1, 2, 4, 6), kernel_size=2, stride=2, pad=0
    ... )
    >>> timing.outputs_total
    12
    """
    if util.find_spec(_INSTALLED) is not None:
        return import_module(_INSTALLED)
    return _load(_IN_CHECKOUT)


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise ImportError(
            f"seed_loops: the frozen loops must be in the package or in the checkout, but got neither {_INSTALLED} nor "
            f"{path}. Install fastconv again."
        )
    spec = util.spec_from_file_location(_INSTALLED, path)
    assert spec is not None  # a .py file always has a spec and a loader
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[_INSTALLED] = module  # where its classes will be looked up, as of any other module
    spec.loader.exec_module(module)
    return module
