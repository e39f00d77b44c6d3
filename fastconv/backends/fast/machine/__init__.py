"""Numba code, and nothing but: the micro-kernel, the drivers around it, and how they are compiled and launched.

Every kernel is a C function ``kernel(arguments, task)``: `arguments` is the address of a block of int64 (sizes, byte
strides, addresses), `task` says which share of the work to do. Kernels take addresses, write to addresses, allocate
nothing, check nothing and return nothing; what they mean is said by the plans in `fastconv.backends.fast`.
"""

from fastconv.backends.interrupts import DeferredInterrupt

with DeferredInterrupt():
    try:
        import numba  # noqa: F401 - first of all, and whole
    except ImportError:
        raise
    except Exception as error:  # what a damaged or ill-matched installation raises, out of itself or out of llvmlite
        raise ImportError(f"{type(error).__name__}: {error}", name="numba") from error
