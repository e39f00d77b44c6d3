"""What fits: array sizes that the machine can address and hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.errors import InvalidValueError, MemoryLimitError, shown

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_ADDRESSABLE = 2**63 - 1
_most: ContextVar[int] = ContextVar("most", default=_ADDRESSABLE)


@lru_cache(maxsize=1)
def memory_limit() -> int:
    """Bytes of the physical memory or of the cgroup, whichever is less; `_ADDRESSABLE` where neither is known."""
    limits = [_ADDRESSABLE]
    try:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        limits.append(_windows_memory())
    for path in _CGROUP_LIMITS:
        try:
            limits.append(int(Path(path).read_text(encoding="ascii")))
        except (OSError, ValueError):  # no cgroup, or no limit in it ("max")
            continue
    return min(limit for limit in limits if limit > 0)


def _windows_memory() -> int:
    try:
        import ctypes

        kilobytes = ctypes.c_ulonglong()
        system = ctypes.windll.kernel32  # type: ignore[attr-defined]
        system.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
        return kilobytes.value * 1024
    except (AttributeError, OSError):
        return _ADDRESSABLE


@contextmanager
def memory_at_most(nbytes: int) -> Iterator[None]:
    """Let `check_fits` take the memory to have no more bytes."""
    token = _most.set(nbytes)
    try:
        yield
    finally:
        _most.reset(token)


def check_addressable(operation: str, subject: str, shape: tuple[int, ...]) -> None:
    """Refuse a shape that no memory of any size could hold."""
    elements = prod(max(size, 1) for size in shape)  # NumPy refuses such shapes for empty arrays too
    if elements > _ADDRESSABLE:
        raise InvalidValueError(
            f"{operation}: {subject} must have at most 2**63 - 1 elements, but got {shown(elements)} (shape "
            f"{shown(shape)})."
        )


def check_fits(operation: str, subject: str, shape: tuple[int, ...], itemsize: int) -> None:
    """Refuse a shape that cannot be addressed, or that is larger than the memory, before it is allocated."""
    limit = min(memory_limit(), _most.get())
    if 0 < prod(shape) * itemsize <= limit:  # most calls
        return
    check_addressable(operation, subject, shape)
    needed = prod(shape) * itemsize
    if needed > limit:
        raise MemoryLimitError(
            f"{operation}: {subject} must fit into memory ({limit} bytes), but got {shown(needed)} bytes "
            f"(shape {shown(shape)}). Use a smaller batch or smaller planes."
        )


def out_of_memory(operation: str, subject: str, error: MemoryError) -> MemoryLimitError:
    """Return the error of memory that is not there, with the bytes that were asked for where they are known."""
    if isinstance(error, MemoryLimitError):
        return error
    shape, dtype = getattr(error, "shape", None), getattr(error, "dtype", None)  # those of NumPy
    if isinstance(shape, tuple) and isinstance(dtype, np.dtype):
        lacking = f"{prod(shape) * dtype.itemsize} bytes (shape {shown(shape)}, {dtype}) are not there"
    else:
        lacking = shown(str(error))[1:-1] or "there is too little"
    return MemoryLimitError(
        f"{operation}: {subject} must fit into memory, but {lacking}. Use a smaller batch or smaller planes."
    )


def allocate(operation: str, subject: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a new array for what a file says that it has; the memory is taken as it is written."""
    check_fits(operation, subject, shape, dtype.itemsize)
    try:
        return np.empty(shape, dtype)
    except MemoryError as error:
        raise out_of_memory(operation, subject, error) from None
