"""Every jit option of the project, and what each is for.

- C functions (``numba.cfunc``) rather than jitted Python functions: a kernel is called by address from one generic
  launcher, so that there is one parallel function in the whole project. A parallel function costs 0.2 s to compile, a
  driver 0.1 s.
- ``error_model="numpy"``: no branch for a division by zero.
- Compiled code is kept on disk, in files of our own instead of those of ``cache=True`` (`disk_cache`). Numba's key
  contains the bytecode of the function and its closure, but neither the helpers and intrinsics that it calls nor the
  jit options; therefore a hash over the sources of this folder and of all kernels is a part of it (`origin`). Every
  kernel has a name of its own, which names its file.
  A closure may hold numbers and strings only: a jitted function in it is pickled with an identity that is new in every
  process, so that nothing would ever be found. Hence helpers are functions of a module, and take a number of the right
  type (`ZERO`) where the code depends on the type.
- ``forceinline=True`` for helpers: constants that are passed to them fold, as if they had been written there. They have
  no wrappers (``no_cpython_wrapper``, ``no_cfunc_wrapper``) and no machine code (``pipeline_class``, see `linking`).
- The garbage collector waits while anything is compiled: it found nothing in 8 % of the time.
- No signature is compiled at import: everything is built on first use (`address_of`), under one lock, and Ctrl-C waits
  until the kernel is whole.
- Where nothing is compiled, kernels are Python functions, and emitted LLVM IR has a readable twin (`emitted`).
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import types
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic

from fastconv.backends.fast.machine.disk_cache import KernelCache
from fastconv.backends.fast.machine.linking import linked
from fastconv.backends.interrupts import DeferredInterrupt

LOCK = threading.RLock()  # held while anything is compiled, and across a fork, so that a child never inherits it held
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)


_OPTIONS = {"error_model": "numpy"}

# called from kernels only
helper = numba.njit(forceinline=True, **linked(), **_OPTIONS)

# the function of a kernel, which is called in one place: without a compilation of its own, which takes as long again
inlined = numba.njit(inline="always", **_OPTIONS)

ZERO = {4: np.float32(0), 8: np.float64(0)}

# NUMBA_DISABLE_JIT: kernels run as Python functions, on the readable twins of the intrinsics (`machine.twins`)
INTERPRETED = bool(numba.config.DISABLE_JIT)
_functions: list[Callable[..., None]] = []


def emitted(twin: Callable[..., Any], *, literal: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Decorate what emits LLVM IR as a Numba intrinsic; `twin` stands for it where nothing is compiled.

    With `literal` it is told the values of constants.
    """
    return lambda function: twin if INTERPRETED else intrinsic(prefer_literal=literal)(function)


def code(signature: Any, emit: Callable[..., Any], *, in_context: bool = False) -> tuple[Any, Callable[..., Any]]:
    """Return what an intrinsic does: its signature, and a generator whose LLVM IR ``emit(builder, *values)`` writes.

    With `in_context`, `emit` gets Numba's context before these, as what compiles a Python function needs it.
    """

    def codegen(context, builder, _, values):
        result = emit(context, builder, *values) if in_context else emit(builder, *values)
        return context.get_dummy_value() if signature.return_type == types.void else result

    return signature, codegen


class Interpreted(NamedTuple):
    """What stands for a compiled function where nothing is compiled: its place in a list, plus one."""

    address: int


def interpreted(address: int) -> Callable[..., None]:
    """Python function that stands for the compiled one at `address`."""
    return _functions[address - 1]


def _interpret(name: str, function: Callable[..., None]) -> Interpreted:
    _functions.append(function)
    build_log.append(Built(name, 0.0, False))
    return Interpreted(len(_functions))


class Built(NamedTuple):
    """A kernel that was compiled or loaded from disk: its name, how long that took, and whether it was on disk."""

    name: str
    seconds: float
    cached: bool


build_log: list[Built] = []


@contextmanager
def _collector_waits() -> Iterator[None]:
    """Keep Python from looking for cycles, of which a compiler makes many that it still needs."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def c_function(name: str, signature: str, function: Callable[..., None]) -> Any:
    """Compile `function` to a C function, or load it from disk; the caller must keep the result alive."""
    if INTERPRETED:
        return _interpret(name, function)
    start = time.perf_counter()
    function.__qualname__ = name
    with DeferredInterrupt(), _collector_waits():
        compiled: Any = CFunc(function, normalize_signature(signature), {}, dict(_OPTIONS))  # as `numba.cfunc` does
        compiled._cache = KernelCache(function)
        compiled.compile()
    build_log.append(Built(name, time.perf_counter() - start, compiled.cache_hits > 0))
    return compiled


_built: dict[str, Any] = {}


def address_of(name: str, make: Callable[[], Callable[..., Any]], arguments: int = 2, returns: str = "void") -> int:
    """Address of the C function `name` of so many integers, which `make` writes in Python; built on first use."""
    if name not in _built:
        with LOCK:
            if name not in _built:
                _built[name] = c_function(name, f"{returns}({', '.join(['intp'] * arguments)})", make())
    return int(_built[name].address)


def jitted(name: str, function: Callable[..., None], arguments: tuple[int, ...], *, parallel: bool) -> Any:
    """Jit `function` without the GIL, and call it once with `arguments` so that it is compiled now."""
    if INTERPRETED:
        return function
    start = time.perf_counter()
    function.__qualname__ = name
    with DeferredInterrupt(), _collector_waits():
        compiled = numba.njit(nogil=True, parallel=parallel, **_OPTIONS)(function)
        compiled._cache = KernelCache(function)
        compiled(*arguments)
    build_log.append(Built(name, time.perf_counter() - start, bool(sum(compiled.stats.cache_hits.values()))))
    return compiled
