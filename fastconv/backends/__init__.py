"""Which backend runs: the registry, and the current choice.

Backends are imported when they are first used, so that the naive one never pays for Numba.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module

from fastconv.backends.base import Backend
from fastconv.backends.interrupts import DeferredInterrupt
from fastconv.errors import BackendUnavailableError, InvalidTypeError, InvalidValueError, shown, unknown_name

__all__ = [
    "available_backends",
    "check_backend_name",
    "get_backend",
    "register_backend",
    "release",
    "resolve_backend",
    "set_backend",
    "unregister_backend",
    "use_backend",
]

_NAMES = ("fast", "numpy", "naive")

_registered: dict[str, Backend] = {}
_current: str | None = None
_override: ContextVar[str | None] = ContextVar("fastconv_backend", default=None)


def check_backend_name(source: str, name: object) -> str:
    """Return `name`, which must be that of a backend."""
    known = (*_NAMES, *_registered)
    if isinstance(name, str) and name in known:
        return name
    raise unknown_name(source, "backend", name, known)


def _load(name: str) -> Backend:
    return _registered[name] if name in _registered else _import(name)


@lru_cache(maxsize=len(_NAMES))
def _import(name: str) -> Backend:
    with DeferredInterrupt():
        module = import_module(f"fastconv.backends.{name}")
    backend: Backend = module.BACKEND
    return backend


def _is_ours(error: ImportError) -> bool:
    """Whether the import failed inside fastconv, which is a fault of its own and not a missing package."""
    return (error.name or "").partition(".")[0] == "fastconv"


def _require(source: str, name: object) -> str:
    checked = check_backend_name(source, name)
    try:
        _load(checked)
    except ImportError as error:
        if _is_ours(error):
            raise
        raise BackendUnavailableError(
            f"{source}: the fast backend must be able to import Numba, but got {error}. "
            "Install it (pip install numba), or choose the backend 'numpy'."
        ) from None
    return checked


def _default_name() -> str:
    setting = os.environ.get("FASTCONV_BACKEND", "").strip()
    if setting:
        return _require("FASTCONV_BACKEND", setting)
    try:
        _load("fast")
    except ImportError as error:
        if _is_ours(error):
            raise
        warnings.warn(
            f"fastconv: Numba cannot be imported ({error}), so the slower 'numpy' backend runs instead. "
            "Install Numba (pip install numba) for the fast one.",
            RuntimeWarning,
            stacklevel=2,
        )
        return "numpy"
    return "fast"


def get_backend() -> str:
    """Return the name of the current backend.

    Returns
    -------
    str
        The innermost `use_backend` of this context, else `set_backend`, else the environment variable
        ``FASTCONV_BACKEND``, else "fast" ("numpy", with one warning, where Numba cannot be imported).

    Raises
    ------
    ValueError
        If ``FASTCONV_BACKEND`` names no backend.

    Examples
    --------
    >>> import fastconv as fc
    >>> with fc.use_backend("naive"):
    ...     fc.get_backend()
    'naive'
    """
    override = _override.get()
    if override is not None:
        return override
    global _current
    if _current is None:
        _current = _default_name()
    return _current


def set_backend(name: str) -> None:
    """Choose the backend for the whole process.

    Parameters
    ----------
    name : {"fast", "numpy", "naive"}
        An enclosing `use_backend` block still wins in its context.

    Raises
    ------
    ValueError
        If the name is unknown.
    ImportError
        If the backend needs something that cannot be imported.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.set_backend(fc.get_backend())
    """
    global _current
    _current = _require("set_backend", name)


@contextmanager
def use_backend(name: str) -> Iterator[str]:
    """Choose the backend inside a ``with`` block, for this context only (see `contextvars`).

    Parameters
    ----------
    name : {"fast", "numpy", "naive"}
        As for `set_backend`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> with fc.use_backend("naive"):
    ...     fc.conv2d(np.ones((1, 1, 2, 3)), np.ones((1, 1, 2, 2)))[0, 0]
    array([[4., 4.]])
    """
    token = _override.set(_require("use_backend", name))
    try:
        yield name
    finally:
        _override.reset(token)


def available_backends() -> tuple[str, ...]:
    """Return the names of the backends that can run here, fastest first.

    Returns
    -------
    tuple of str
        "fast" is missing where Numba cannot be imported. Those of `register_backend` come last.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.available_backends()
    ('fast', 'numpy', 'naive')
    """
    try:
        _load("fast")
    except ImportError:
        return (*_NAMES[1:], *_registered)
    return (*_NAMES, *_registered)


def register_backend(name: str, backend: Backend) -> None:
    """Offer one more backend under a name, for `use_backend`, ``backend=`` and all the rest.

    Parameters
    ----------
    name : str
        A name that no backend has yet; registering the same name again replaces a backend of one's own.
    backend : fastconv.backends.base.Backend
        What computes. Deriving from one of the backends that are there and overriding a method or two is the short way.

    Raises
    ------
    ValueError
        If the name belongs to one of fastconv's own backends, or is empty.
    TypeError
        If `backend` is not an instance of `Backend`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> from fastconv.backends.numpy import NumpyBackend
    >>> class Loud(NumpyBackend):
    ...     def conv(self, x, weight, bias, geometry):
    ...         print("convolving", x.shape)
    ...         return super().conv(x, weight, bias, geometry)
    >>> fc.register_backend("loud", Loud())
    >>> y = fc.conv2d(np.ones((1, 1, 2, 3)), np.ones((1, 1, 2, 2)), backend="loud")
    convolving (1, 1, 2, 3)
    >>> fc.unregister_backend("loud")
    """
    if not name or name in _NAMES:
        raise InvalidValueError(
            f"register_backend: name must be a new name, but got {shown(name)}; {', '.join(map(repr, _NAMES))} are "
            "taken."
        )
    if not isinstance(backend, Backend):
        raise InvalidTypeError(
            "register_backend: backend must be an instance of fastconv.backends.base.Backend, but got "
            f"{shown(backend)}."
        )
    _registered[name] = backend


def unregister_backend(name: str) -> None:
    """Take back what `register_backend` did; an unknown name is left alone.

    Parameters
    ----------
    name : str
        The name that was registered.
    """
    global _current
    _registered.pop(name, None)
    if _current == name:
        _current = None


def release() -> None:
    """Give memory that is kept between calls back to the system: scratch buffers, and the plans of calls made so far.

    Both are bounded: the buffers that are idle have 128 MiB at most, the plans 64 MiB. The next call of every kind
    makes them anew, which takes up to a few milliseconds. Compiled code stays. What layers keep for a backward pass is
    let go of by `Layer.release`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> y = fc.avg_pool1d(np.ones((1, 1, 1000)), 4)
    >>> fc.release()
    """
    loaded = (sys.modules.get(f"fastconv.backends.{name}") for name in _NAMES)
    for backend in (*(module.BACKEND for module in loaded if module is not None), *_registered.values()):
        backend.release()


def resolve_backend(name: str | None, operation: str = "fastconv") -> Backend:
    """Return the backend called `name`, or the current one; `operation` is who asks, for messages."""
    return _load(get_backend() if name is None else _require(operation, name))
