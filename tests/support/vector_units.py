"""The engine as it is compiled for CPUs with other vector units."""

from __future__ import annotations

import pytest
from programs import FULL


def built_for() -> str:
    """Name of the vector unit of this process."""
    from fastconv.backends.fast.machine.target import host

    return host().name


PATHS = {
    "avx2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    "sse2": {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""},
}

# Everything is compiled from nothing for each: in the usual run, one dtype for each unit, or one unit.
SHORT_PATHS = [*PATHS] if FULL else ["avx2"]
OTHER_UNITS = [("avx2", "float32"), ("sse2", "float64")]
if FULL:
    OTHER_UNITS += [("avx2", "float64"), ("sse2", "float32")]


def only_where_it_runs(path: str) -> None:
    import llvmlite.binding as llvm

    if not llvm.get_process_triple().startswith("x86_64"):
        pytest.skip("these vector units are those of x86")
    host = llvm.get_host_cpu_features()
    if path == "avx2" and not (host.get("avx2") and host.get("fma")):
        pytest.skip("this CPU has no AVX2")
