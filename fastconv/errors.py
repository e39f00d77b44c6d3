"""The exceptions of fastconv: each is also the builtin exception that a NumPy user would expect.

And the words in them for what somebody passed, which may be anything.
"""

from __future__ import annotations

from reprlib import Repr
from typing import Any

__all__ = [
    "AccelerationError",
    "AccelerationWarning",
    "BackendUnavailableError",
    "DataError",
    "DataNotFoundError",
    "DivergedError",
    "DownloadError",
    "ExaminationError",
    "FastconvError",
    "InvalidTypeError",
    "InvalidValueError",
    "LearningWarning",
    "MemoryLimitError",
    "ModelFileError",
    "NotRunError",
    "StaleProgramError",
    "StateFileError",
]


class FastconvError(Exception):
    """Base class of every error that fastconv raises on purpose."""


class InvalidValueError(FastconvError, ValueError):
    """An argument has a legal type but an impossible value, size or shape."""


class InvalidTypeError(FastconvError, TypeError):
    """An argument has a type or dtype that the operation does not take."""


class MemoryLimitError(FastconvError, MemoryError):
    """A result or a workspace would be larger than the memory of the machine (or of its cgroup)."""


class AccelerationError(FastconvError, ValueError):
    """Somebody's function does not compute what its fast equivalent computes, so it was left as it is."""


class AccelerationWarning(UserWarning):
    """Somebody's function was left as it is; the message says why."""


class LearningWarning(UserWarning):
    """A network does not learn; the message says what to try."""


class ExaminationError(FastconvError, RuntimeError):
    """Something is wrong with fastconv itself, or its process, so that nothing is known of somebody's code."""


class BackendUnavailableError(FastconvError, ImportError):
    """A backend was asked for by name, but what it needs cannot be imported."""


class NotRunError(FastconvError, RuntimeError):
    """A backward pass was asked for without a forward pass that it could belong to."""


class StaleProgramError(FastconvError, RuntimeError):
    """A program was called whose model has other weights by now."""


class DataError(FastconvError, ValueError):
    """A file of a dataset is damaged, truncated, or not what its name or its place says."""


class DataNotFoundError(FastconvError, FileNotFoundError):
    """The files of a dataset are not where they were looked for."""


class DownloadError(FastconvError, OSError):
    """A file could not be downloaded whole, or its checksum is not the published one."""


class StateFileError(FastconvError, ValueError):
    """A file of weights or a checkpoint is damaged, truncated, or something else than its name says."""


class ModelFileError(FastconvError, ValueError):
    """A file of a model is damaged, or needs what is not there; each is said with the node and the file."""


class DivergedError(FastconvError, FloatingPointError):
    """The loss or a gradient has become infinite or NaN, so that no further step could help."""


_LONGEST = 200  # characters of a value in a message
_SHORT = 8  # items of one


class _Words(Repr):
    """Short representations; of an array with many numbers, its shape and dtype."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxlong, self.maxother = 3, _LONGEST, _LONGEST, _LONGEST

    def repr_str(self, x: str, level: int) -> str:
        return self._cut(x, "")

    def repr_bytes(self, x: bytes, level: int) -> str:
        return self._cut(x, b"")

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() <= _LONGEST else f"an integer of {x.bit_length()} bits"

    def repr_instance(self, x: Any, level: int) -> str:
        return repr(x)

    def repr_ndarray(self, x: Any, level: int) -> str:
        return repr(x) if x.size <= _SHORT else f"an array of shape {x.shape} and {x.dtype}"

    def _cut(self, x: Any, kind: Any) -> str:
        short = x[:_LONGEST]
        return repr(short) + "..." * (len(short) < len(x))


def shown(value: object) -> str:
    """Words for a value that somebody passed, or that a file holds: short, and never an error of their own."""
    try:
        if isinstance(value, (list, tuple, dict, set, frozenset)) and len(value) > _SHORT:
            return f"a {type(value).__name__} of {len(value)}"
        if type(value).__repr__ is object.__repr__:
            return type(value).__name__
        text = " ".join(_Words().repr(value).split())
    except Exception:  # noqa: BLE001 - of a foreign object, whatever it is
        text = type(value).__name__
    return text if len(text) <= _LONGEST + 20 else f"{text[:_LONGEST]}..."
