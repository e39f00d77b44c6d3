"""From the arguments of ``tf.nn`` to those of fastconv: two sizes instead of four, words in lower case."""

from __future__ import annotations

from typing import Any

from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.validation.arrays import Array, check_array, check_rank
from fastconv.validation.sizes import check_choice, check_sizes, entries_of

FORMATS = ("NHWC", "NCHW")
# axes of filters, for messages
HWIO = "height, width, in_channels, out_channels"
HWOI = "height, width, out_channels, in_channels"


def given(operation: str, **values: Any) -> Any:
    """Return the one argument that is not None of several names of the same thing."""
    found = {name: value for name, value in values.items() if value is not None}
    if len(found) != 1:
        names = " or ".join(values)
        problem = "both" if found else "nothing"
        raise InvalidTypeError(f"{operation}: {names} must be given, but got {problem}.")
    return next(iter(found.values()))


def check_planes(operation: str, name: str, value: Any, layout: str) -> Array:
    """Return images with four axes."""
    array = check_array(operation, name, value)
    check_rank(operation, name, array.shape, 2, channels_last=layout == "NHWC")
    return array


def check_filters(operation: str, name: str, value: Any, axes: str) -> Array:
    """Return filters with four axes, whose names are for the message."""
    array = check_array(operation, name, value)
    if array.ndim != 4 or 0 in array.shape:
        raise InvalidValueError(
            f"{operation}: {name} must have four axes ({axes}), none of them empty, but got shape {array.shape}."
        )
    return array


def as_weight(operation: str, name: str, filters: Any, axes: str = HWIO) -> Array:
    """(F, C // groups, KH, KW) view of filters."""
    return check_filters(operation, name, filters, axes).transpose(3, 2, 0, 1)


def channels_of(shape: tuple[int, ...], layout: str) -> int:
    """Channels of images of that shape."""
    return shape[-1] if layout == "NHWC" else shape[1]


def groups_of(operation: str, name: str, shape: tuple[int, ...], layout: str, weight: Array) -> int:
    """Groups into which the channels of images fall, from those that each filter sees."""
    channels, (filters, seen) = channels_of(shape, layout), weight.shape[:2]
    if channels % seen or filters % (channels // seen):
        raise InvalidValueError(
            f"{operation}: filters must have the in_channels of {name}, {channels}, or a divisor of them with as many "
            f"groups of out_channels, but got in_channels {seen} and out_channels {filters}."
        )
    return int(channels // seen)


def read_windows(operation: str, strides: Any, padding: Any, data_format: Any, dilations: Any = None) -> dict[str, Any]:
    """Return stride, padding, dilation and layout as fastconv names them."""
    layout = "NHWC" if data_format is None else check_choice(operation, "data_format", data_format, FORMATS)
    return {
        "stride": plane_sizes(operation, "strides", given(operation, strides=strides), layout),
        "padding": _padding(operation, given(operation, padding=padding), layout),
        "dilation": (1, 1) if dilations is None else plane_sizes(operation, "dilations", dilations, layout),
        "layout": layout,
    }


def plane_sizes(operation: str, name: str, value: Any, layout: str) -> tuple[int, int]:
    """(height, width) of one number, or of a list of one, two or four; of four, two have to be 1."""
    sizes = check_sizes(operation, name, value, _length(operation, name, value, (1, 2, 4)), 1)
    if len(sizes) == 4:
        (height, width), outer = _split(sizes, layout)
        if outer != (1, 1):
            raise InvalidValueError(
                f"{operation}: {name} must be 1 over batch and channels, but got {list(sizes)} "
                f"(data_format {layout!r}). Windows move over height and width alone."
            )
        return height, width
    return sizes[0], sizes[-1]


def _padding(operation: str, value: Any, layout: str) -> Any:
    if isinstance(value, str):
        return check_choice(operation, "padding", value.upper(), ("SAME", "VALID")).lower()
    message = (
        f"{operation}: padding must be 'SAME', 'VALID' or four pairs (before, after), one per axis, but got "
        f"{shown(value)}."
    )
    pairs = entries_of(value)
    if pairs is None:
        raise InvalidTypeError(message)
    if [len(entries_of(pair) or ()) for pair in pairs] != [2] * 4:
        raise InvalidValueError(message)
    inner, outer = _split(tuple(check_sizes(operation, "padding", pair, 2, 0) for pair in pairs), layout)
    if outer != ((0, 0), (0, 0)):
        raise InvalidValueError(
            f"{operation}: padding must be (0, 0) over batch and channels, but got {shown(value)} (data_format "
            f"{layout!r})."
        )
    return inner


def _split(values: tuple[Any, ...], layout: str) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """(of height, of width), (of batch, of channels) from one value per axis."""
    if layout == "NHWC":
        return (values[1], values[2]), (values[0], values[3])
    return (values[2], values[3]), (values[0], values[1])


def _length(operation: str, name: str, value: Any, allowed: tuple[int, ...]) -> int:
    """Numbers in a list, or 1 for a single number."""
    items = entries_of(value)
    if items is None:
        return 1
    if len(items) not in allowed:
        raise InvalidValueError(
            f"{operation}: {name} must be one integer or a list of one, two or four, but got {len(items)}: "
            f"{shown(value)}."
        )
    return len(items)
