"""Plans that outlive a call: caches like `functools.lru_cache`, all of which share one bound in bytes.

A hit is a hit of `lru_cache`, and costs nothing more. A new plan is weighed; when all that were made since the caches
were last empty would be more than the bound, they are emptied first. So at most `CACHED_BYTES` bytes are kept, and the
newest plan where that alone is larger: it is no larger than a few of the numbers that its call was given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

import numpy as np

from fastconv.backends.fast.machine.record import active
from fastconv.backends.locks import RenewedLock

CACHED_BYTES = 2**26  # bytes; a plan has 2 to 50 KB, but for weights with very many taps or channels

_Function = TypeVar("_Function", bound=Callable[..., Any])

_caches: list[Any] = []
_lock = RenewedLock()
_bytes = 0  # of what was made since the caches were last empty: of what is in them, at most


def plan_cache(maxsize: int) -> Callable[[_Function], _Function]:
    """Return a decorator that keeps the last `maxsize` results of a function, within the bound of all caches."""

    def decorate(function: _Function) -> _Function:
        @wraps(function)
        def make(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            _make_room(weight_of((arguments, options, result)))
            if active:  # whichever thread made it
                active[0].plans.extend(arrays_of(result))
            return result

        cached = lru_cache(maxsize)(make)
        _caches.append(cached)
        return cast(_Function, cached)

    return decorate


def _make_room(nbytes: int) -> None:
    global _bytes
    with _lock.now:
        full = _bytes + nbytes > CACHED_BYTES
        _bytes = nbytes if full else _bytes + nbytes
    if full:
        _empty()


def _empty() -> None:
    for cached in _caches:
        cached.cache_clear()


def forget_plans() -> None:
    """Empty all caches."""
    global _bytes
    with _lock.now:
        _bytes = 0
    _empty()


def cached_bytes() -> int:
    """Bytes of all plans that are kept, or more."""
    return _bytes


def arrays_of(value: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Arrays of a plan or of a part of one."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from arrays_of(part)
    elif not isinstance(value, type):
        yield from arrays_of([*getattr(value, "__dict__", {}).values()])


def weight_of(value: Any) -> int:
    """Bytes of a plan or of a part of one: arrays, containers, and objects with attributes."""
    if isinstance(value, np.ndarray):
        return sys.getsizeof(value) + (0 if value.base is None else value.nbytes)
    if isinstance(value, (tuple, list)):
        return sys.getsizeof(value) + sum(map(weight_of, value))
    if isinstance(value, dict):
        return sys.getsizeof(value) + sum(map(weight_of, value.values()))
    own = getattr(value, "__dict__", None)
    if own is not None and not isinstance(value, type):
        return sys.getsizeof(value) + weight_of(own)
    return sys.getsizeof(value)
