"""Arrays that a user passes: dtypes, ranks and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.errors import InvalidTypeError, InvalidValueError, meant, shown
from fastconv.validation.memory import check_fits, out_of_memory

Array = NDArray[Any]

LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}

COLOURS = (1, 3, 4)  # what an axis of colours has

_LARGE = 2**30  # bytes from which on an array is held against the memory: a broadcast view takes none, and hours

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.float16))  # the usual ones first: looked up often


def check_array(operation: str, name: str, value: object) -> Array:
    """Return `value` as an array of a real dtype that fastconv takes; memory order and strides stay as they are."""
    if type(value) is not np.ndarray:
        if isinstance(value, np.ma.MaskedArray):
            raise InvalidTypeError(
                f"{operation}: {name} must be a plain array, but got a masked array, whose mask would be lost. "
                "Fill it first, for example with .filled(0)."
            )
        value = as_array(operation, name, value)
    if value.nbytes > _LARGE:
        check_fits(operation, name, value.shape, value.itemsize)
    dtype = value.dtype
    if dtype in _FLOATS or dtype.kind in "iub" or (dtype.kind == "f" and dtype.newbyteorder("=") in _FLOATS):
        return value
    raise InvalidTypeError(
        f"{operation}: {name} must have a float16, float32, float64, integer or boolean dtype, but got {dtype} "
        f"(shape {value.shape})." + _dtype_advice(dtype)
    )


def as_array(operation: str, name: str, value: object) -> Array:
    """Return what NumPy makes of a value that is no array."""
    try:
        return np.asarray(value)
    except MemoryError as error:
        raise out_of_memory(operation, name, error) from None
    except Exception as error:
        reason = "" if isinstance(error, ValueError) else f", which raises {shown(error)}"
        raise InvalidTypeError(
            f"{operation}: {name} must be an array of numbers, but got {shown(value)}{reason}."
        ) from error


def _dtype_advice(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "c":
        return " Convolve the real and the imaginary part apart."
    if dtype.kind in "OUSf":
        return " Convert it first, for example with .astype(np.float64)."
    return ""


def check_dtype(operation: str, value: Any) -> np.dtype[Any]:
    """Return a dtype for parameters and results."""
    try:
        dtype: np.dtype[Any] | None = None if value is None else np.dtype(value)
    except Exception:  # noqa: BLE001 - NumPy raises whatever a foreign object does
        dtype = None
    if dtype is None or dtype not in _FLOATS:  # None == float64 for NumPy
        hint = meant(value, tuple(each.name for each in _FLOATS))
        raise InvalidTypeError(f"{operation}: dtype must be float16, float32 or float64, but got {shown(value)}.{hint}")
    return dtype


def check_real(operation: str, name: str, value: object) -> Array:
    """Return `value` as an array of real numbers of any precision, which will be converted."""
    array = value if type(value) is np.ndarray else as_array(operation, name, value)
    if array.nbytes > _LARGE:
        check_fits(operation, name, array.shape, array.itemsize)
    if array.dtype.kind not in "iubf":
        raise InvalidTypeError(
            f"{operation}: {name} must be real numbers, but got {array.dtype} (shape {array.shape})."
        )
    return array


def check_index_array(operation: str, name: str, value: object) -> NDArray[np.int64]:
    """Return `value` as an array of int64 indices."""
    array = check_array(operation, name, value)
    if array.dtype.kind not in "iu":
        raise InvalidTypeError(f"{operation}: {name} must have an integer dtype, but got {array.dtype}.")
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InvalidValueError(f"{operation}: {name} must be at most 2**63 - 1, but got {int(array.max())}.")
    return array.astype(np.int64, copy=False)


def common_dtype(operation: str, *arrays: Array) -> np.dtype[Any]:
    """Dtype of a result: `np.result_type` over all arrays; float64 if that is an integer or boolean type."""
    first = arrays[0].dtype
    for array in arrays:
        if array.dtype is not first:
            break
    else:  # most calls
        if first in _FLOATS:
            return first
    dtype = np.result_type(*(array.dtype for array in arrays)).newbyteorder("=")
    if dtype.kind in "iub":
        return np.dtype(np.float64)
    if dtype not in _FLOATS:
        raise InvalidTypeError(f"{operation}: the arrays must have a common dtype up to float64, but got {dtype}.")
    return dtype


def compute_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Dtype in which a result of `dtype` is computed: float16 is accumulated in float32."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def check_layout(operation: str, layout: object, rank: int) -> bool:
    """Return whether channels come last."""
    if rank not in LAYOUTS:
        raise InvalidValueError(f"{operation}: the number of spatial axes must be 1, 2 or 3, but got {rank}.")
    first, last = LAYOUTS[rank]
    if isinstance(layout, str):
        if layout == first:
            return False
        if layout == last:
            return True
    kind, hint = InvalidValueError if isinstance(layout, str) else InvalidTypeError, meant(layout, LAYOUTS[rank])
    raise kind(f"{operation}: layout must be {shown(first)} or {shown(last)}, but got {shown(layout)}.{hint}")


def layout_advice(shape: tuple[int, ...], channels: int) -> str:
    """Return a sentence for (N, C, *planes) whose channels lie where the other layout has them; nothing otherwise.

    Axes that would make no square plane tell of no other layout, unless the channels can be colours.
    """
    if len(shape) < 4:  # of signals either axis may be either
        return ""
    first, last = (", ".join(letters) for letters in LAYOUTS[len(shape) - 2])
    if shape[-1] == channels and _are_planes(shape[1:-1], channels):
        order = (0, len(shape) - 1, *range(1, len(shape) - 1))
        return (
            f' If the channels of x come last ({last}), pass layout="{last.replace(", ", "")}", or x.transpose{order}.'
        )
    if shape[2] == channels and _are_planes((*shape[3:], shape[1]), channels):
        return f' If the channels of x come first ({first}), pass layout="{first.replace(", ", "")}".'
    return ""


def _are_planes(sizes: tuple[int, ...], channels: int) -> bool:
    return channels in COLOURS or len({*sizes}) == 1


def spatial_names(rank: int) -> str:
    """Names of the spatial axes, for messages."""
    return {1: "W", 2: "H, W", 3: "D, H, W"}[rank]


def check_rank(operation: str, name: str, shape: tuple[int, ...], rank: int, *, channels_last: bool) -> None:
    """Refuse arrays that are not batch × channels × spatial axes, or that have an empty axis other than the batch."""
    if len(shape) == rank + 2 and 0 not in shape:
        return
    letters = LAYOUTS[rank][channels_last]
    if len(shape) != rank + 2:
        hint = f" Add a batch axis of one with {name}[None]." if len(shape) == rank + 1 else ""
        raise InvalidValueError(
            f"{operation}: {name} must have {rank + 2} axes ({', '.join(letters)}), but got {len(shape)} "
            f"(shape {shape}).{hint}"
        )
    for letter, size in zip(letters, shape):
        if size == 0 and letter != "N":
            raise InvalidValueError(
                f"{operation}: axis {letter} of {name} must not be empty, but got size 0 (shape {shape}); "
                "only the batch may be empty."
            )


def check_shape(operation: str, name: str, shape: tuple[int, ...], expected: tuple[int, ...], reason: str) -> None:
    """Refuse a shape other than the one that follows from the other arguments."""
    if shape != expected:
        raise InvalidValueError(f"{operation}: {name} must have shape {expected} ({reason}), but got {shape}.")


def logical_shape(shape: tuple[int, ...], *, channels_last: bool) -> tuple[int, ...]:
    """(N, C, *spatial) of a shape in either layout."""
    return (shape[0], shape[-1], *shape[1:-1]) if channels_last else shape


def layout_shape(shape: tuple[int, ...], *, channels_last: bool) -> tuple[int, ...]:
    """Shape in the layout of the user of a logical shape (N, C, *spatial)."""
    return (shape[0], *shape[2:], shape[1]) if channels_last else shape


def bfloat16_to_float32(bits: Array) -> Array:
    """Float32 numbers of the bits of bfloat16 ones, as uint16: the upper half of each."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
