"""Kernels of a few instructions, whose files a test can look at, and what building them says. Needs Numba."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.backends.fast.machine import jit
from fastconv.backends.fast.machine.intrinsics import integer, store
from fastconv.backends.fast.machine.launch import address


def nine(name: str = "nine") -> bool:
    """Build a kernel that writes 9.0, run it, and return whether it came from the disk."""

    def kernel(args: Any, task: Any) -> None:
        store(integer(args, 0), np.float64(9.0))

    compiled = jit.c_function(name, "void(intp, intp)", kernel)
    result = np.zeros(1)
    block = np.array([address(result)])
    compiled.ctypes(address(block), 0)
    assert result[0] == 9.0
    return jit.build_log[-1].cached


def nine_jitted() -> bool:
    """The same for what is called from Python, as the launchers are."""
    compiled = jit.jitted("nine_jitted", lambda number: number + 8, (0,), parallel=False)
    assert compiled(1) == 9
    return jit.build_log[-1].cached


def warned(build: Callable[[], bool]) -> tuple[bool, list[str]]:
    """What `build` says, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cached = build()
    return cached, [str(warning.message) for warning in caught]
