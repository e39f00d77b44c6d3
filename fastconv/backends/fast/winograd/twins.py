"""The readable twins of the transforms: the same in NumPy, see `winograd.transform_kernel`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.emitter import ADDS
from fastconv.backends.fast.machine.twins import ended, integer, matrix, store_integer
from fastconv.backends.fast.winograd.points import GROUP, Matrix, points_of, transforms


def _matrix(fractions: Matrix) -> Array:
    return np.array([[float(number) for number in row] for row in fractions], np.float32)


def _both(shape: Any, number: int) -> tuple[Array, Array]:
    """Matrix number `number` of rows and of columns: AT, BT or G."""
    rows, columns = (_matrix(transforms(*axis)[number]) for axis in shape.axes)
    return rows, columns


def _points(shape: Any) -> tuple[list[int], list[int]]:
    rows, columns = (points_of(*axis) for axis in shape.axes)
    return rows, columns


def input_tiles(shape, table, pixel, first, last, channels, v, v_tile, count, *_):
    """V of a run of tiles: BT x B."""
    (bt_rows, bt_columns), (rows, columns) = _both(shape, 1), _points(shape)
    groups, (height, width) = -(-channels // GROUP), shape.points
    for t in range(count):
        x = np.zeros((len(rows), len(columns), groups * GROUP), np.float32)
        for i in range(len(rows)):
            row = integer(table, 2 * i) + t * integer(table, 2 * i + 1)
            for j in range(len(columns)):
                if first <= t * shape.columns + j < last:
                    x[i, j, :channels] = matrix(row + j * pixel, (channels,), (4,), 4)
        values = np.einsum("ai,bj,ijc->abc", bt_rows, bt_columns, x).reshape(len(rows), len(columns), groups, GROUP)
        strides = (64 * height * width, 64 * width, 64, 4)
        target = matrix(v + t * v_tile, (groups, height, width, GROUP), strides, 4)
        target[:, np.array(rows)[:, None], columns] = values.transpose(2, 0, 1, 3)


def weights(shape, w, row, tap, u, point, count, *_):
    """U of packed weights: G w GT."""
    (g_rows, g_columns), numbers = _both(shape, 2), count * shape.lanes
    taps = matrix(w, (shape.row_taps, shape.column_taps, numbers), (row, tap, 4), 4)
    height, width = shape.points
    matrix(u, (height, width, numbers), (width * point, point, 4), 4)[...] = np.einsum(
        "ai,bj,ijc->abc", g_rows, g_columns, taps
    )


def output_tiles(shape, m, m_tile, bias, y, y_row, y_pixel, filters, fine, beside, count):
    """Outputs of a run of tiles: AT M A and the bias, after an ending."""
    (at_rows, at_columns), (rows, columns), (height, width) = _both(shape, 0), _points(shape), shape.points
    place = 4 * shape.lanes * shape.vectors
    start = matrix(bias, (filters,), (4,), 4)
    for t in range(count):
        values = matrix(m + t * m_tile, (height, width, filters), (width * place, place, 4), 4)
        values = values[np.array(rows)[:, None], columns]
        result = np.einsum("ai,bj,ijc->abc", at_rows, at_columns, values) + start
        if not np.isfinite(result).all():
            store_integer(fine, 0, 0)
        size, strides = (shape.rows, shape.columns, filters), (y_row, y_pixel, 4)
        target = y + t * shape.columns * y_pixel
        if shape.ending & ADDS:
            result = result + matrix(target + beside, size, strides, 4)
        matrix(target, size, strides, 4)[...] = ended(result, shape)


def gradient_tiles(shape, dy, dy_row, dy_pixel, filters, z, z_tile, count, *_):
    """Z of a run of tiles: A dy AT."""
    (at_rows, at_columns), (rows, columns), (height, width) = _both(shape, 0), _points(shape), shape.points
    place, padded = 4 * shape.lanes * shape.vectors, -(-filters // shape.lanes) * shape.lanes
    for t in range(count):
        source = dy + t * shape.columns * dy_pixel
        numbers = np.zeros((shape.rows, shape.columns, padded), np.float32)
        numbers[..., :filters] = matrix(source, (shape.rows, shape.columns, filters), (dy_row, dy_pixel, 4), 4)
        target = matrix(z + t * z_tile, (height, width, padded), (width * place, place, 4), 4)
        target[np.array(rows)[:, None], columns] = np.einsum("ia,jb,ijc->abc", at_rows, at_columns, numbers)


def taps(shape, du, point, dw, tap, filters, fine, *_):
    """Gradient of the weights of a channel: GT dU G."""
    (g_rows, g_columns), (height, width) = _both(shape, 2), shape.points
    sums = matrix(du, (height, width, filters), (width * point, point, 4), 4)
    target = matrix(dw, (shape.row_taps, shape.column_taps, filters), (shape.column_taps * tap, tap, 4), 4)
    target[...] = np.einsum("ai,bj,abc->ijc", g_rows, g_columns, sums)
    if not np.isfinite(target).all():
        store_integer(fine, 0, 0)
