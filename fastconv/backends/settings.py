"""Settings of the running program: number of threads, exactness, workspace limit.

A setting is a process-wide value, which a context manager can override for its own context (`contextvars`): an
override is seen neither by other threads nor by other asyncio tasks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from functools import wraps
from operator import index
from typing import ParamSpec, TypeVar

from fastconv.backends.cores import affine_cores, available_cores
from fastconv.errors import InvalidTypeError, InvalidValueError, meant, shown

P = ParamSpec("P")
R = TypeVar("R")

_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")  # of FASTCONV_EXACT


@dataclass(frozen=True)
class Options:
    """The options of the engine.

    Parameters
    ----------
    exact : bool
        With True, every element of a convolution and of its gradients is within ``64 * eps * sum |x·w|`` of the exact
        result. With False, convolutions in float32 may use algorithms that multiply less, which round in relation to a
        whole tile of the input: every element is then within ``64 * g * eps * sum over channels of (max |x| over the
        tile that its window lies in) * (sum |w| over the taps)``, where g is what one rounding error can grow to, 308
        with 3×3 taps; ordinary numbers stay within a hundredth of g. float64, `fastconv.compat`,
        `fastconv.accelerate` and ``fastconv check`` are exact whatever it says. By default what the environment
        variable ``FASTCONV_EXACT`` says, or else False.
    max_workspace : int
        Bytes of scratch memory that one call may take per thread for its columns or haloed rows. What cannot be
        smaller (one packed copy of the weights, one block of one window) is taken all the same.
    """

    exact: bool = False
    max_workspace: int = 2**26


_defaults: Options | None = None
_override: ContextVar[Options | None] = ContextVar("fastconv_options", default=None)
_threads: int | None = None
_threads_override: ContextVar[int | None] = ContextVar("fastconv_threads", default=None)


def get_options() -> Options:
    """Return the options in force here.

    Returns
    -------
    Options
        The override of the innermost `options` block of this context, or else the process-wide options.

    Raises
    ------
    ValueError
        If ``FASTCONV_EXACT`` is no word for yes or no; the message lists them.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.get_options().max_workspace
    67108864
    """
    return _override.get() or _defaults or _process_options()


def _process_options() -> Options:
    """Those of the whole process, which begin with what the environment says."""
    global _defaults
    if _defaults is None:
        _defaults = Options(exact=_exact_from_environment())
    return _defaults


def _exact_from_environment() -> bool:
    setting = os.environ.get("FASTCONV_EXACT", "").strip()
    if setting.lower() not in ("", *_ON, *_OFF):
        words = ", ".join((*_ON, *_OFF))
        raise InvalidValueError(f"FASTCONV_EXACT: the setting must be one of {words}, but got {shown(setting)}.")
    return setting.lower() in _ON


def with_exact(exact: bool | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function with `Options.exact` as it is given, or with None as it is."""
    if exact is None:
        return function(*args, **kwargs)
    here = get_options()
    if here.exact == exact:
        return function(*args, **kwargs)
    token = _override.set(replace(here, exact=exact))
    try:
        return function(*args, **kwargs)
    finally:
        _override.reset(token)


def exactly(function: Callable[P, R]) -> Callable[P, R]:
    """Return the same function, always with ``exact=True``."""

    @wraps(function)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        return with_exact(True, function, *args, **kwargs)

    return computed


def _changed(current: Options, changes: dict[str, object]) -> Options:
    names = [field.name for field in fields(Options)]
    for name, value in changes.items():
        if name not in names:
            listed, hint = ", ".join(names), meant(name, names)
            raise InvalidTypeError(f"set_options: an option must be one of {listed}, but got {shown(name)}.{hint}")
        if name == "exact":
            if type(value).__name__ not in ("bool", "bool_"):  # NumPy's, whose name depends on the version
                raise InvalidTypeError(f"set_options: exact must be True or False, but got {shown(value)}.")
            changes[name] = bool(value)
        if name == "max_workspace":
            changes[name] = _positive_int("set_options", "max_workspace", value, "bytes")
    return replace(current, **changes)  # type: ignore[arg-type]


def _positive_int(operation: str, subject: str, value: object, unit: str) -> int:
    try:
        number = index(value)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - a foreign object raises anything
        number = None
    if number is None or isinstance(value, bool):
        raise InvalidTypeError(f"{operation}: {subject} must be an integer ({unit}), but got {shown(value)}.")
    if number < 1:
        raise InvalidValueError(f"{operation}: {subject} must be at least 1 ({unit}), but got {shown(number)}.")
    return number


def set_options(**changes: object) -> None:
    """Change options for the whole process.

    Parameters
    ----------
    **changes
        ``exact=`` (bool): keep convolutions in float32, too, within ``64 * eps * sum |x·w|``, without algorithms that
        multiply less. ``max_workspace=`` (bytes, int): scratch memory of a call on each thread.

    Raises
    ------
    TypeError
        If an option is unknown or has the wrong type.
    ValueError
        If ``max_workspace`` is not positive.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.set_options(max_workspace=2**26)
    """
    global _defaults
    _defaults = _changed(_process_options(), changes)


@contextmanager
def options(**changes: object) -> Iterator[Options]:
    """Change options inside a ``with`` block, for this context only.

    Parameters
    ----------
    **changes
        As for `set_options`.

    Examples
    --------
    >>> import fastconv as fc
    >>> with fc.options(exact=True) as here:
    ...     here.exact
    True
    """
    token = _override.set(_changed(get_options(), changes))
    try:
        yield get_options()
    finally:
        _override.reset(token)


def thread_limit() -> int:
    """Return the largest number of threads: Numba's own limit, which is fixed when Numba is imported.

    Numba is not imported to find out: until it is, the limit is what it will be (``NUMBA_NUM_THREADS``, or else the
    cores that the process may use).
    """
    numba = sys.modules.get("numba")
    if numba is not None and hasattr(numba, "config"):
        return int(numba.config.NUMBA_NUM_THREADS)
    setting = os.environ.get("NUMBA_NUM_THREADS", "")
    if setting.strip().isdigit():
        return max(1, int(setting))
    return affine_cores()


def _checked_threads(source: str, value: object) -> int:
    number = _positive_int(source, "the number of threads", value, "threads")
    limit = thread_limit()
    if number > limit:
        raise InvalidValueError(
            f"{source}: the number of threads must be at most Numba's limit, {limit}, but got {shown(number)}. "
            f"Set the environment variable NUMBA_NUM_THREADS={shown(number)} before Numba is imported to raise it."
        )
    return number


def set_num_threads(n: int) -> None:
    """Set the number of threads that the fast backend uses, for the whole process.

    Parameters
    ----------
    n : int
        From 1 to Numba's limit (``NUMBA_NUM_THREADS``, by default the cores of the process).

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is less than 1, or beyond the limit; the message says how to raise it.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.set_num_threads(fc.get_num_threads())
    """
    global _threads
    _threads = _checked_threads("set_num_threads", n)


def get_num_threads() -> int:
    """Return the number of threads that the fast backend uses here.

    Returns
    -------
    int
        The innermost `use_num_threads`, else `set_num_threads`, else the environment variable
        ``FASTCONV_NUM_THREADS``, else ``NUMBA_NUM_THREADS``, else as many as there are cores for this process: those
        of its affinity, and no more than the CPU quota of its container (control groups of Linux), rounded up.
    """
    override = _threads_override.get()
    if override is not None:
        return override
    global _threads
    if _threads is None:
        _threads = _threads_from_environment()
    return _threads


def threads_are_chosen() -> bool:
    """Whether somebody has said how many threads there are to be, other than all."""
    if _threads_override.get() is not None or os.environ.get("FASTCONV_NUM_THREADS", "").strip():
        return True
    return _threads is not None and _threads < min(thread_limit(), available_cores())


def _threads_from_environment() -> int:
    setting = os.environ.get("FASTCONV_NUM_THREADS", "").strip()
    if not setting:
        chosen = os.environ.get("NUMBA_NUM_THREADS", "").strip()
        return thread_limit() if chosen else min(thread_limit(), available_cores())
    try:
        number = int(setting)
    except ValueError:
        raise InvalidValueError(
            f"FASTCONV_NUM_THREADS: the number of threads must be an integer, but got {shown(setting)}."
        ) from None
    return _checked_threads("FASTCONV_NUM_THREADS", number)


@contextmanager
def use_num_threads(n: int) -> Iterator[int]:
    """Use `n` threads inside a ``with`` block, for this context only.

    Parameters
    ----------
    n : int
        As for `set_num_threads`.

    Examples
    --------
    >>> import fastconv as fc
    >>> with fc.use_num_threads(1):
    ...     fc.get_num_threads()
    1
    """
    token = _threads_override.set(_checked_threads("use_num_threads", n))
    try:
        yield n
    finally:
        _threads_override.reset(token)
