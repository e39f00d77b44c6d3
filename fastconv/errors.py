"""The exceptions of fastconv: each is also the builtin exception that a NumPy user would expect.

And the words in them for what somebody passed, which may be anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
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
    "KernelCacheError",
    "LearningWarning",
    "MemoryLimitError",
    "ModelFileError",
    "NotRunError",
    "StaleProgramError",
    "StateFileError",
    "UnknownNameError",
]


class FastconvError(Exception):
    """Base class of every error that fastconv raises on purpose."""


class InvalidValueError(FastconvError, ValueError):
    """An argument has a legal type but an impossible value, size or shape."""


class UnknownNameError(InvalidValueError, KeyError):
    """A dictionary of fastconv, such as `fastconv.optim.OPTIMIZERS`, was asked for a name that it does not have."""

    __str__ = Exception.__str__  # that of a KeyError is its repr


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


class KernelCacheError(FastconvError, OSError):
    """Compiled kernels cannot be kept, or a file of them is damaged or was made for another machine."""


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


_NEAR, _NEARER = 0.6, 0.05  # how like names are that may be meant, of 1, and by how much the best may be better
_LONGEST_NAME = 80  # signs of a name that is looked at
_MANY = 16  # names that are read in an error
_ELSEWHERE = {  # what others call it, without case and signs
    "channelsfirst": ("NCHW", "NCW", "NCDHW"),
    "channelslast": ("NHWC", "NWC", "NDHWC"),
    "crossentropy": ("softmax",),
    "hinge": ("svm",),
    "mse": ("squared_error",),
    "kaiming": ("he_normal", "he_uniform"),
    "kaimingnormal": ("he_normal",),
    "kaiminguniform": ("he_uniform",),
    "learningrate": ("lr",),
    "filters": ("out_channels",),
    "numclasses": ("classes",),
    "softmaxcrossentropy": ("softmax",),
}


def unknown_name(
    operation: str, subject: str, name: object, known: Collection[str], *, others: str = "", bare: bool = False
) -> InvalidValueError | InvalidTypeError:
    """Return the error of a name that is none of those that are known, and say which was likely meant.

    `others` says what else may stand there; `bare` names are those that are typed on a command line, too.
    """
    kind = InvalidValueError if isinstance(name, str) else InvalidTypeError
    hint = meant(name, known)
    listed = one_of_names(known if bare else [*map(repr, known)], hint)
    return kind(f"{operation}: {subject} must be {listed}{others}, but got {shown(name)}.{hint}")


def one_of_names(known: Collection[str], hint: str) -> str:
    """Return "one of" and the names, or of many only how many, where a hint has the likely one."""
    return f"one of {len(known)} names" if hint and len(known) > _MANY else f"one of {', '.join(known)}"


def meant(name: object, known: Iterable[str]) -> str:
    """Return a sentence that offers the known names closest to another, after a space; nothing if none is close."""
    found = closest(name, known) if isinstance(name, str) and len(name) <= _LONGEST_NAME else []
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names closest to another, the closest first; case and signs count for nothing."""
    from difflib import SequenceMatcher  # where something is wrong already

    names, wanted = [*known], _bare(name)
    if foreign := [one for one in names if one in _ELSEWHERE.get(wanted, ())]:
        return foreign
    longer = [one for one in names if wanted and _bare(one).startswith(wanted)]
    likeness = {one: SequenceMatcher(None, wanted, _bare(one)).ratio() for one in longer or names}
    best = max(likeness.values(), default=0.0)
    least = max(_NEAR, best - _NEARER if best < 1 else 1.0)
    return sorted((one for one, ratio in likeness.items() if ratio >= least), key=lambda one: -likeness[one])[:3]


def _bare(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())
