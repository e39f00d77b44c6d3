"""What the CPU has: lanes of a vector and number of vector registers, and the tiles that follow from them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import llvmlite.binding as llvm
import numba
from numba.core.codegen import get_host_cpu_features

from fastconv.backends.interrupts import DeferredInterrupt


class Target(NamedTuple):
    """Vector unit of a CPU; `accumulators` and `rows` bound the tiles to what spills no register in any mode."""

    name: str
    vector_bytes: int
    registers: int
    accumulators: int
    rows: int

    def lanes(self, itemsize: int) -> int:
        """Numbers of `itemsize` bytes in one vector."""
        return self.vector_bytes // itemsize

    def tile_rows(self, vectors: int) -> int:
        """Rows of the tallest tile whose accumulators, b vectors and one broadcast fit in the registers."""
        free = min(self.registers - vectors - 1, self.accumulators)
        return max(1, min(self.rows, free // vectors))

    def group_tile_rows(self, depth: int, *, summed: bool) -> int:
        """Rows of the tallest tile of one vector in which small groups stand side by side.

        Each is one result that sums up a group, or a result for each of its channels.
        """
        if not summed:
            return max(1, self.accumulators // depth)
        return min(self.rows, 3 * self.accumulators // 4, 15 * self.registers // 4 // depth)


# The bounds were found by compiling, see test_codegen.py. On AVX-512 a mask has registers of its own, and a
# broadcast is an operand. On AVX2 the mask of the last vector takes a register (12 accumulators spill where it is in
# the loop; tiles of one vector and 7 or 8 rows are unrolled for Zen 3, and spill then), on NEON every broadcast and
# every lanewise operand does (28 spill, 20 of a lanewise tile too), on SSE2 every product. What is left fills the
# multiply-add units, except for one vector on AVX2: latency × units is 8 to 10 there, 8 to 16 on NEON.
# Tiles of small groups spill from 16 rows of groups of 8 on, and of groups of 2 from 24 with AVX-512, from 12 with NEON
# and from 6 with SSE2.
AVX512 = Target("avx512", 64, 32, 28, 28)
AVX2 = Target("avx2", 32, 16, 10, 6)
NEON = Target("neon", 16, 32, 14, 14)
SSE2 = Target("sse2", 16, 16, 8, 4)

_PROBE = """
define <16 x float> @probe(<16 x float> %x) {
  %y = call <16 x float> @llvm.fmuladd.v16f32(<16 x float> %x, <16 x float> %x, <16 x float> %x)
  ret <16 x float> %y
}
declare <16 x float> @llvm.fmuladd.v16f32(<16 x float>, <16 x float>, <16 x float>)
"""


def _vector_unit(cpu: str, features: str) -> Target:
    """Vector unit of an x86 CPU, read off what LLVM makes of sixteen multiply-adds; takes about 1 ms."""
    with DeferredInterrupt():
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=0)
        assembly = machine.emit_assembly(llvm.parse_assembly(_PROBE))
    if "vfmadd" not in assembly:
        return SSE2
    return AVX512 if "zmm" in assembly else AVX2


@lru_cache(maxsize=1)
def host() -> Target:
    """Vector unit that this process compiles for.

    Numba compiles for NUMBA_CPU_NAME and NUMBA_CPU_FEATURES. A name alone leaves all features of the real CPU switched
    on (Numba adds them), but says which tiles are wanted: the narrower of the two counts.
    """
    if llvm.get_process_triple().startswith(("aarch64", "arm64")):
        return NEON
    name, features = numba.config.CPU_NAME, numba.config.CPU_FEATURES
    passed = get_host_cpu_features() if features is None else features  # without AVX where NUMBA_ENABLE_AVX=0
    compiled = _vector_unit(name or llvm.get_host_cpu_name(), passed)
    if name is None or features is not None:
        return compiled
    return min(compiled, _vector_unit(name, "+64bit"), key=lambda target: target.vector_bytes)
