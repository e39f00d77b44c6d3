"""The exceptions of fastconv: each is also the builtin exception that a NumPy user would expect."""

from __future__ import annotations

__all__ = ["BackendUnavailableError", "FastconvError", "InvalidTypeError", "InvalidValueError", "MemoryLimitError"]


class FastconvError(Exception):
    """Base class of every error that fastconv raises on purpose."""


class InvalidValueError(FastconvError, ValueError):
    """An argument has a legal type but an impossible value, size or shape."""


class InvalidTypeError(FastconvError, TypeError):
    """An argument has a type or dtype that the operation does not take."""


class MemoryLimitError(FastconvError, MemoryError):
    """A result or a workspace would be larger than the memory of the machine (or of its cgroup)."""


class BackendUnavailableError(FastconvError, ImportError):
    """A backend was asked for by name, but what it needs cannot be imported."""
