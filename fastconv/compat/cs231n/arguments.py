"""What the old API passes: parameters in dictionaries, caches of several makers; and errors in its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np

from fastconv.errors import FastconvError, InvalidTypeError, InvalidValueError, MemoryLimitError, shown
from fastconv.validation.arrays import Array, check_array

_NAMES = {
    "weight": "w",
    "bias": "b",
    "dy": "dout",
    "padding": "pad",
    "kernel_size": "(pool_height, pool_width)",
    "scores": "x",
    "labels": "y",
}
NORM_NAMES = {**_NAMES, "weight": "gamma", "bias": "beta", "num_groups": "G"}
_LONGEST = 200  # characters of what NumPy says
_TYPES = 8  # of what is in a sequence
_POOL_CACHES = {"reshape": 3, "im2col": 4}  # what caches of the originals may begin with, and the length of the rest


class OldNames:
    """Errors of fastconv that leave this block name the operation and its arguments as the old API does."""

    def __init__(self, operation: str, names: Mapping[str, str] = _NAMES) -> None:
        self._operation, self._names = operation, names

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, FastconvError):
            said = str(error).partition(": ")[2]
            words = "|".join(map(re.escape, self._names))
            renamed = re.sub(rf"\b({words})\b", lambda word: self._names[word[0]], said)
            error.args = (f"{self._operation}: {renamed}",)


class NumPyWords:
    """Errors of NumPy that leave this block name the operation, and what it computes with; ours go on as they are."""

    def __init__(self, operation: str, subject: str) -> None:
        self._operation, self._subject = operation, subject

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _traceback: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, FastconvError):
            return
        raised = MemoryLimitError if isinstance(error, MemoryError) else InvalidTypeError
        said = f"{type(error).__name__}: {str(error)[:_LONGEST]}"
        raise raised(
            f"{self._operation}: {self._subject} must be numbers and arrays that fit together, but NumPy says {said}."
        ) from None


class PoolCache(tuple[Any, ...]):
    """The cache (x, pool_param) of a max pooling, which also knows where the maxima were."""

    indices: Array


def parameters(operation: str, subject: str, values: Any, *keys: str) -> tuple[Any, ...]:
    """Return the values of `keys`, which must be there."""
    try:
        return tuple([values[key] for key in keys])
    except KeyError as error:
        got = f"the keys {', '.join(map(shown, islice(values, _TYPES)))}" if values else "no key"
        raise InvalidValueError(f"{operation}: {subject} must have the key {error.args[0]!r}, but got {got}.") from None
    except Exception:  # noqa: BLE001 - a foreign object raises anything
        wanted = ", ".join(map(repr, keys))
        raise InvalidTypeError(
            f"{operation}: {subject} must be a dictionary with {wanted}, but got {_described(values)}."
        ) from None


def conv_options(operation: str, conv_param: Any) -> dict[str, Any]:
    """Return what `conv_param` says, as keywords of `fastconv.conv2d`."""
    stride, pad = parameters(operation, "conv_param", conv_param, "stride", "pad")
    ours = dictionary(operation, "conv_param", conv_param)
    return {
        "stride": whole(stride),
        "padding": whole(pad),
        "dilation": whole(ours.get("dilation", 1)),
        "groups": whole(ours.get("groups", 1)),
    }


def pool_options(operation: str, pool_param: Any) -> tuple[tuple[Any, Any], Any]:
    """Return kernel and stride."""
    height, width, stride = parameters(operation, "pool_param", pool_param, "pool_height", "pool_width", "stride")
    return (whole(height), whole(width)), whole(stride)


def whole(size: Any, axes: int = 2) -> Any:
    """Return a size, or a few of them, as they are; but 3.0, which (7 - 1) / 2 was not in Python 2, as 3."""
    if isinstance(size, (float, np.floating)) and float(size).is_integer():
        return int(size)
    if isinstance(size, np.ndarray) and size.ndim <= axes:
        size = size.tolist()
    return [whole(one, axes - 1) for one in size] if axes and isinstance(size, (tuple, list)) else size


def dictionary(operation: str, subject: str, values: Any) -> Mapping[str, Any]:
    """Return a dictionary of parameters."""
    if not isinstance(values, Mapping):
        raise InvalidTypeError(f"{operation}: {subject} must be a dictionary, but got {_described(values)}.")
    return values


def seed_global(operation: str, subject: str, seed: Any) -> None:
    """Put the global generator of NumPy into the state of a seed."""
    try:
        np.random.seed(seed)
    except Exception:  # noqa: BLE001 - a foreign object raises anything
        raise InvalidTypeError(
            f"{operation}: {subject} must be a seed that np.random.seed takes, but got {shown(seed)}."
        ) from None


def unpacked(operation: str, cache: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    """Return what is in a cache."""
    if isinstance(cache, (tuple, list)) and len(cache) == len(names):
        return tuple(cache)
    raise InvalidTypeError(
        f"{operation}: cache must be ({', '.join(names)}) as the forward pass returned it, but got {_described(cache)}."
    )


def conv_cache(operation: str, cache: Any) -> tuple[Any, Any, Any]:
    """Return x, w and conv_param of a cache, whoever made it."""
    if isinstance(cache, (tuple, list)):
        conv_param = _dictionary(cache[2:])
        if conv_param is not None:
            return cache[0], cache[1], conv_param
        if len(cache) in (4, 5):
            return cache[0], cache[1], cache[3]
    raise InvalidTypeError(
        f"{operation}: cache must be (x, w, b, conv_param), with or without x_cols behind, but got {_described(cache)}."
    )


def _dictionary(values: Any) -> Any:
    """Return the first dictionary: whatever else a student has stored, the parameters are in one."""
    return next((value for value in values if isinstance(value, Mapping)), None)


def pool_cache(operation: str, cache: Any) -> tuple[Any, Any, Array | None]:
    """Return x, pool_param and, where the cache is ours, the positions of the maxima."""
    if isinstance(cache, PoolCache):
        return cache[0], cache[1], cache.indices
    kept = cache
    if isinstance(cache, (tuple, list)) and len(cache) == 2 and isinstance(cache[0], str) and cache[0] in _POOL_CACHES:
        kept = cache[1]
        if not isinstance(kept, (tuple, list)) or len(kept) != _POOL_CACHES[cache[0]]:
            raise _no_pool_cache(operation, kept)
    if isinstance(kept, (tuple, list)) and kept and not isinstance(kept[0], str):
        pool_param = _dictionary(kept[1:])
        if pool_param is not None:
            return kept[0], pool_param, None
        if len(kept) in (2, 4):  # (x, pool_param) or (x, x_cols, x_cols_argmax, pool_param)
            return kept[0], kept[-1], None
        if len(kept) == 3 and len(getattr(kept[1], "shape", ())) == 6:
            _, _, _, height, _, width = kept[1].shape  # (N, C, OH, pool_height, OW, pool_width)
            return kept[0], {"pool_height": height, "pool_width": width, "stride": (height, width)}, None
    raise _no_pool_cache(operation, kept)


def _no_pool_cache(operation: str, cache: object) -> InvalidTypeError:
    return InvalidTypeError(
        f"{operation}: cache must be (x, pool_param), ('reshape', (x, x_reshaped, out)) or ('im2col', (x, x_cols, "
        f"x_cols_argmax, pool_param)), but got {_described(cache)}."
    )


def check_axes(operation: str, name: str, value: Any, letters: str) -> Array:
    """Return `value` as an array with the axes of `letters`."""
    array = check_array(operation, name, value)
    if array.ndim != len(letters.split(", ")):
        raise InvalidValueError(f"{operation}: {name} must have shape ({letters}), but got {array.shape}.")
    return array


def _described(value: object) -> str:
    """Type, and for a sequence the types in it."""
    name = type(value).__name__
    if isinstance(value, (tuple, list)):
        more = ", ..." * (len(value) > _TYPES)
        return f"a {name} of {len(value)} ({', '.join(type(one).__name__ for one in value[:_TYPES])}{more})"
    return f"{shown(value)} ({name})" if isinstance(value, (str, int, float)) or value is None else f"a {name}"
