"""The functions under the layers of the original: windows, convolution of one image, padding, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.functional.exact import conv2d
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_integer

_LONGEST = 500  # characters of a message


def get_patch(input_array: Array, i: int, j: int, filter_width: int, filter_height: int, stride: int) -> Array:
    """Return the window under an output position, as a view.

    ``(..., H, W) -> (..., filter_height, filter_width)``

    Parameters
    ----------
    input_array : ndarray, shape (H, W) or (C, H, W)
        The image.
    i, j : int
        Row and column of the output.
    filter_width, filter_height : int
        Size of the window, width first.
    stride : int
        Cells between neighbouring windows.

    Returns
    -------
    ndarray
        A view; smaller than the window where that reaches over the edge.

    Raises
    ------
    ValueError
        If the array has fewer than two axes.

    Examples
    --------
    >>> import numpy as np
    >>> get_patch(np.arange(20).reshape(4, 5), 1, 0, filter_width=3, filter_height=2, stride=2)
    array([[10, 11, 12],
           [15, 16, 17]])
    """
    _check_axes("get_patch", "input_array", input_array)
    try:
        rows = slice(i * stride, i * stride + filter_height)
        columns = slice(j * stride, j * stride + filter_width)
        return input_array[..., rows, columns]
    except Exception as error:  # noqa: BLE001 - checked beforehand, small windows would take twice as long
        raise InvalidTypeError(
            "get_patch: input_array must be an array, and i, j, filter_width, filter_height and stride integers, but "
            f"got {shown(input_array)} and {shown((i, j, filter_width, filter_height, stride))} ({error})."[:_LONGEST]
        ) from None


def get_max_index(array: Array) -> tuple[int, int]:
    """Return row and column of the largest element of a window; of equal ones the first in row-major order.

    Parameters
    ----------
    array : ndarray, shape (H, W)
        The window. A NaN counts as larger than any number, as in the maximum itself.

    Returns
    -------
    (int, int)
        Row, column.

    Raises
    ------
    ValueError
        If the array has not two axes, or is empty.

    Examples
    --------
    >>> import numpy as np
    >>> get_max_index(np.array([[1, 7, 2], [7, 0, 3]]))
    (0, 1)
    """
    array = check_array("get_max_index", "array", array)
    if array.ndim != 2 or not array.size:
        raise InvalidValueError(
            f"get_max_index: array must have two axes (height, width), not empty, but got shape {array.shape}."
        )
    row, column = np.unravel_index(array.argmax(), array.shape)
    return int(row), int(column)


def conv(input_array: Any, kernel_array: Any, output_array: Any, stride: int, bias: float) -> None:
    """Convolve one image with one filter, and write the result into `output_array`.

    ``(C, H, W) * (C, KH, KW) -> (OH, OW)``

    Parameters
    ----------
    input_array : array_like, shape (H, W) or (C, H, W)
        The image.
    kernel_array : array_like, shape (KH, KW) or (C, KH, KW)
        The filter; a plane serves for all channels.
    output_array : ndarray, shape (OH, OW)
        Where the result goes, in its dtype; of any strides. As there, its shape says how many windows are wanted.
    stride : int
        Cells between neighbouring windows.
    bias : float
        Added to every output.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or `output_array` has more windows than there are.
    TypeError
        If an array has a dtype that is not taken.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.zeros((1, 2))
    >>> conv(np.arange(12).reshape(3, 4), np.ones((3, 3)), y, 1, 0.5)
    >>> y
    array([[45.5, 54.5]])
    """
    image, kernel = check_array("conv", "input_array", input_array), check_array("conv", "kernel_array", kernel_array)
    for name, array in (("input_array", image), ("kernel_array", kernel)):
        if array.ndim not in (2, 3):
            raise InvalidValueError(f"conv: {name} must have 2 or 3 axes, but got {array.ndim} (shape {array.shape}).")
    if not isinstance(output_array, np.ndarray) or output_array.ndim != 2:
        raise InvalidTypeError(f"conv: output_array must be an array with two axes, but got {shown(output_array)}.")
    if image.ndim < kernel.ndim:
        image = np.broadcast_to(image, (len(kernel), *image.shape))
    elif kernel.ndim < image.ndim:
        kernel = np.broadcast_to(kernel, (len(image), *kernel.shape))
    if image.ndim == 2:
        image, kernel = image[None], kernel[None]
    if len(image) != len(kernel):
        raise InvalidValueError(
            f"conv: kernel_array must have the channels of input_array, {len(image)}, but got {len(kernel)} "
            f"(kernel_array {np.shape(kernel_array)}, input_array {np.shape(input_array)})."
        )
    y = conv2d(
        image[None],
        kernel[None],
        check_array("conv", "bias", bias).reshape(-1),
        stride=check_integer("conv", "stride", stride, 1),
    )[0, 0]
    height, width = output_array.shape
    if height > y.shape[0] or width > y.shape[1]:
        raise InvalidValueError(
            f"conv: output_array must have at most {y.shape[0]} rows and {y.shape[1]} columns, the windows that there "
            f"are, but got shape {output_array.shape}."
        )
    output_array[...] = y[:height, :width]


def padding(input_array: Any, zp: int) -> Any:
    """Put `zp` zeros around every plane.

    ``(..., H, W) -> (..., H + 2 zp, W + 2 zp)``

    Parameters
    ----------
    input_array : ndarray, shape (H, W), (C, H, W) or (N, C, H, W)
        The image.
    zp : int
        Zeros on every side.

    Returns
    -------
    ndarray
        With ``zp == 0`` the same object; otherwise a new array of float64.

    Raises
    ------
    ValueError
        If the array has fewer than two axes, or `zp` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> padding(np.array([[1, 2]]), 1)
    array([[0., 0., 0., 0.],
           [0., 1., 2., 0.],
           [0., 0., 0., 0.]])
    """
    if check_integer("padding", "zp", zp, 0) == 0:
        return input_array
    array = check_array("padding", "input_array", input_array)
    _check_axes("padding", "input_array", array)
    shape = (*array.shape[:-2], *(size + 2 * zp for size in array.shape[-2:]))
    check_fits("padding", "the padded array", shape, np.dtype(np.float64).itemsize)
    return np.pad(array.astype(np.float64), [(0, 0)] * (array.ndim - 2) + [(zp, zp)] * 2)


def element_wise_op(array: Array, op: Callable[[Any], Any]) -> None:
    """Replace every element of an array by a function of it, in place.

    Parameters
    ----------
    array : ndarray
        Of any shape and strides.
    op : callable
        A function of one number, called exactly once for every element. NumPy's ufuncs and functions marked with
        `takes_arrays`, such as those of the activators here, get the whole array in one call instead.

    Examples
    --------
    >>> import numpy as np
    >>> array = np.array([[-1.0, 2.0], [3.0, -4.0]])
    >>> element_wise_op(array, lambda value: max(0, value))
    >>> array
    array([[0., 2.],
           [3., 0.]])
    """
    given: Any = array
    if not (isinstance(given, np.ndarray) and given.flags.writeable):
        raise InvalidTypeError(
            f"element_wise_op: array must be an array that can be written to, but got {shown(array)}."
        )
    if not callable(op):
        raise InvalidTypeError(f"element_wise_op: op must be a function of a number, but got {shown(op)}.")
    if getattr(op, "takes_arrays", False) is True or isinstance(op, np.ufunc):
        _put(array, op(array))
        return
    elements: Any = np.nditer(array, flags=["zerosize_ok", "refs_ok"], op_flags=["readwrite"])
    for element in elements:
        _put(element, op(element))


def _put(array: Array, values: Any) -> None:
    try:
        array[...] = values
    except Exception:  # noqa: BLE001 - a foreign object raises anything
        raise InvalidTypeError(
            f"element_wise_op: op must give numbers for {array.dtype} and shape {array.shape}, but got {shown(values)}."
        ) from None


def _check_axes(operation: str, name: str, array: Array) -> None:
    if np.ndim(array) < 2:
        raise InvalidValueError(
            f"{operation}: {name} must have at least two axes (height, width), but got shape {np.shape(array)}."
        )
