"""What the CPU has: lanes of a vector and number of vector registers, and the tiles that follow from them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import llvmlite.binding as llvm
import numba

__all__ = ["Target", "host"]


class Target(NamedTuple):
    """Vector unit of a CPU."""

    name: str
    vector_bytes: int
    registers: int

    def lanes(self, itemsize: int) -> int:
        """Numbers of `itemsize` bytes in one vector."""
        return self.vector_bytes // itemsize

    def tile_rows(self, vectors: int) -> int:
        """Rows of the tallest tile whose accumulators, b vectors and one broadcast fit in the registers."""
        return max(1, min(28, (self.registers - vectors - 1) // vectors))


AVX512, AVX2, SSE2 = Target("avx512", 64, 32), Target("avx2", 32, 16), Target("sse2", 16, 16)
NEON = Target("neon", 16, 32)


def _features() -> set[str]:
    """Features that Numba compiles for: those of the CPU, or those that the user chose."""
    if numba.config.CPU_FEATURES is not None:
        return {name[1:] for name in numba.config.CPU_FEATURES.split(",") if name.startswith("+")}
    if numba.config.CPU_NAME not in (None, llvm.get_host_cpu_name()):
        return _features_of(numba.config.CPU_NAME)
    return {name for name, has in llvm.get_host_cpu_features().items() if has}


def _features_of(cpu: str) -> set[str]:
    """Features implied by a CPU name that the user set, as far as tiles depend on them."""
    if cpu in ("haswell", "broadwell", "skylake", "alderlake", "znver1", "znver2", "znver3", "x86-64-v3"):
        return {"avx2", "fma"}
    if cpu in ("generic", "x86-64", "x86-64-v2", "nehalem", "westmere"):
        return set()
    return {name for name, has in llvm.get_host_cpu_features().items() if has}


@lru_cache(maxsize=1)
def host() -> Target:
    """Vector unit that this process compiles for."""
    features = _features()
    if "avx512f" in features:
        return AVX512
    if "avx2" in features:
        return AVX2
    if llvm.get_process_triple().startswith(("aarch64", "arm64")):
        return NEON
    return SSE2
