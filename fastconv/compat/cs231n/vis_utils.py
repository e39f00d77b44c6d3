"""Many images as one, ``vis_utils.py`` of CS231n: arrays for matplotlib's ``imshow``, which is not needed here."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np

from fastconv.compat.cs231n.arguments import NumPyWords
from fastconv.errors import InvalidValueError, shown
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_integer, check_number

__all__ = ["ceil", "np", "sqrt", "vis_grid", "vis_nn", "visualize_grid"]


def visualize_grid(Xs: Any, ubound: float = 255.0, padding: int = 1) -> Array:
    """Put images side by side in a square, each stretched to 0..ubound.

    ``(N, H, W, C) -> (G*H + (G-1)*padding, G*W + (G-1)*padding, C)``, where G is the root of N, rounded up

    Parameters
    ----------
    Xs : array_like, shape (N, H, W, C)
        Images, or filters: ``W1.transpose(0, 2, 3, 1)``.
    ubound : float
        What the largest number of each image becomes; its smallest becomes 0.
    padding : int
        Rows and columns of zeros between two images.

    Returns
    -------
    ndarray, float64
        Row after row; empty places are 0.

    Raises
    ------
    fastconv.errors.InvalidValueError
        If `Xs` has not four axes, or none of something; or `padding` is negative.

    Notes
    -----
    An image that is the same everywhere becomes 0. The original divides by zero there.

    Examples
    --------
    >>> import numpy as np
    >>> visualize_grid(np.arange(6.0).reshape(3, 1, 2, 1), ubound=9)[:, :, 0]
    array([[0., 9., 0., 0., 9.],
           [0., 0., 0., 0., 0.],
           [0., 9., 0., 0., 0.]])
    """
    images = _images("visualize_grid", "Xs", Xs)
    bound = check_number("visualize_grid", "ubound", ubound)
    gap = check_integer("visualize_grid", "padding", padding, 0)
    low, high = (reduced(axis=(1, 2, 3), keepdims=True) for reduced in (images.min, images.max))
    span = high - low
    stretched = bound * (images - low) / np.where(span == 0, 1, span)
    side = ceil(sqrt(len(images)))
    grid = _mosaic(stretched.astype(np.float64, copy=False), side, side, gap, 0)
    return np.ascontiguousarray(grid[: len(grid) - gap, : grid.shape[1] - gap])


def vis_grid(Xs: Any) -> Array:
    """Put images side by side in a square, all stretched together to 0..1.

    ``(N, H, W, C) -> (G*(H+1), G*(W+1), C)``, where G is the root of N, rounded up

    Parameters
    ----------
    Xs : array_like, shape (N, H, W, C)
        Images.

    Returns
    -------
    ndarray
        float64, or float32 where `Xs` is; one row and column after each image, and empty places, have the smallest
        number of all.

    Raises
    ------
    fastconv.errors.InvalidValueError
        If `Xs` has not four axes, or none of something.

    Examples
    --------
    >>> import numpy as np
    >>> vis_grid(np.array([[[[3.0]]], [[[5.0]]]]))[:, :, 0]
    array([[0., 0., 1., 0.],
           [0., 0., 0., 0.],
           [0., 0., 0., 0.],
           [0., 0., 0., 0.]])
    """
    images = _images("vis_grid", "Xs", Xs)
    side = ceil(sqrt(len(images)))
    return _stretched(_mosaic(images, side, side, 1, images.min()))


def vis_nn(rows: Sequence[Sequence[Any]]) -> Array:
    """Put rows of images one under the other, all stretched together to 0..1.

    ``R rows of D images (H, W, C) -> (R*(H+1), D*(W+1), C)``

    Parameters
    ----------
    rows : sequence of sequences of array_like, shape (H, W, C)
        An image and its nearest neighbours in each row, for instance.

    Returns
    -------
    ndarray
        float64, or float32 where the images are; one row and column of ones (before the stretching) after each image.

    Raises
    ------
    fastconv.errors.InvalidValueError
        If there is no image, or rows or images differ in size.

    Examples
    --------
    >>> import numpy as np
    >>> vis_nn([[np.full((1, 1, 1), 2.0), np.full((1, 1, 1), 3.0)]])[:, :, 0]
    array([[0.5, 0. , 1. , 0. ],
           [0. , 0. , 0. , 0. ]])
    """
    with NumPyWords("vis_nn", "rows of images"):
        shapes = {np.shape(image) for row in rows for image in row}
        lengths = [len(row) for row in rows]
    if len({*lengths}) != 1 or len(shapes) != 1:
        raise InvalidValueError(
            f"vis_nn: rows must have the same number of images of one shape, but got rows of {shown(lengths)} images "
            f"(shapes {shown(sorted(shapes))})."
        )
    images = _images("vis_nn", "rows", np.stack([np.asarray(image) for row in rows for image in row]))
    return _stretched(_mosaic(images, len(rows), len(rows[0]), 1, 1))


def _images(operation: str, name: str, value: object) -> Array:
    """(N, H, W, C); integers become float64, in which nothing overflows."""
    images = check_array(operation, name, value)
    if images.ndim != 4 or 0 in images.shape:
        raise InvalidValueError(
            f"{operation}: {name} must be images (N, H, W, C), none of these 0, but got shape {images.shape}."
        )
    return images.astype(np.float64) if images.dtype.kind in "iub" else images


def _mosaic(images: Array, rows: int, columns: int, gap: int, fill: Any) -> Array:
    """Tiles row after row, each with a gap under it and to its right."""
    N, H, W, C = images.shape
    check_fits("visualize_grid", "the grid", (rows * columns, H + gap, W + gap, C), images.itemsize)
    tiles = np.full((rows * columns, H + gap, W + gap, C), fill, images.dtype)
    tiles[:N, :H, :W] = images
    paired = tiles.reshape(rows, columns, H + gap, W + gap, C).swapaxes(1, 2)
    return paired.reshape(rows * (H + gap), columns * (W + gap), C)


def _stretched(grid: Array) -> Array:
    low, high = grid.min(), grid.max()
    stretched: Array = (grid - low) / (high - low if high > low else grid.dtype.type(1))
    return stretched
