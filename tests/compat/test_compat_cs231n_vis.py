"""Grids of images of CS231n: where every pixel goes, and images that are the same everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strategies import Array, normal

from fastconv.compat.cs231n.vis_utils import vis_grid, vis_nn, visualize_grid
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import assert_close


def side_of(count: int) -> int:
    return next(side for side in range(1, count + 1) if side * side >= count)


def placed(images: list[Array], rows: int, columns: int, gap: int, fill: float) -> Array:
    """Pixel by pixel, with a gap below and to the right of each image."""
    H, W, C = images[0].shape
    grid = np.full((rows * (H + gap), columns * (W + gap), C), fill)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        for y, x, c in np.ndindex(H, W, C):
            grid[row * (H + gap) + y, column * (W + gap) + x, c] = image[y, x, c]
    return grid


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("count", [1, 2, 4, 5, 7])
def test_visualize_grid(count: int, padding: int) -> None:
    Xs = normal((count, 3, 2, 3), count)
    stretched = [9.0 * (image - image.min()) / (image.max() - image.min()) for image in Xs]
    side = side_of(count)
    expected = placed(stretched, side, side, padding, 0.0)
    expected = expected[: expected.shape[0] - padding, : expected.shape[1] - padding]
    grid = visualize_grid(Xs, 9.0, padding)
    assert grid.shape == (3 * side + padding * (side - 1), 2 * side + padding * (side - 1), 3)
    np.testing.assert_array_equal(grid, expected)


def test_visualize_grid_by_default() -> None:
    grid = visualize_grid(np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3))
    assert grid.shape == (5, 5, 3)
    assert (grid.min(), grid.max(), grid.dtype) == (0.0, 255.0, np.float64)
    assert grid[0, 1].tolist() == [255.0 * value / 11 for value in (3, 4, 5)]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_vis_grid(count: int) -> None:
    Xs = normal((count, 2, 3, 1), 0)
    side = side_of(count)
    expected = placed(list(Xs), side, side, 1, Xs.min())
    np.testing.assert_array_equal(vis_grid(Xs), (expected - Xs.min()) / (Xs.max() - Xs.min()))


def test_vis_nn() -> None:
    Xs = 5 * normal((6, 2, 3, 2), 1)
    expected = placed(list(Xs), 2, 3, 1, 1.0)
    low, high = expected.min(), expected.max()
    rows = [list(Xs[:3]), list(Xs[3:])]
    np.testing.assert_array_equal(vis_nn(rows), (expected - low) / (high - low))
    assert vis_nn(rows).shape == (6, 12, 2)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "float32", "float64"])
def test_dtypes(dtype: str) -> None:
    Xs = np.array([-128 if dtype == "int8" else 0, 127, 3, 100]).astype(dtype).reshape(1, 2, 2, 1)
    wanted = np.float32 if dtype == "float32" else np.float64
    span = float(Xs.max()) - float(Xs.min())
    right = (Xs[0].astype(np.float64) - float(Xs.min())) / span
    assert_close(vis_grid(Xs)[:2, :2], right, dtype=wanted)
    assert_close(visualize_grid(Xs, 1.0), right if wanted == np.float64 else right.astype(np.float32).astype(float))
    assert vis_nn([[Xs[0]]]).dtype == wanted


def test_images_that_are_the_same_everywhere_are_black() -> None:
    Xs = np.stack([np.full((2, 2, 1), 7.0), np.arange(4.0).reshape(2, 2, 1)])
    grid = visualize_grid(Xs, 3.0, padding=0)
    np.testing.assert_array_equal(grid[:2, :, 0], [[0, 0, 0, 1], [0, 0, 2, 3]])
    np.testing.assert_array_equal(vis_grid(Xs[:1]), 0.0)
    np.testing.assert_array_equal(vis_nn([[np.ones((2, 3, 3))]]), 0.0)


@pytest.mark.parametrize("function", [visualize_grid, vis_grid])
@pytest.mark.parametrize("shape", [(2, 3, 4), (0, 2, 2, 3), (2, 2, 0, 3)])
def test_shapes_that_are_no_images(function: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match=rf"^{function.__name__}: Xs must be images \(N, H, W, C\)"):
        function(np.zeros(shape))


def test_bad_arguments() -> None:
    Xs = np.zeros((2, 2, 2, 3))
    with pytest.raises(InvalidValueError, match="visualize_grid: padding must"):
        visualize_grid(Xs, padding=-1)
    with pytest.raises(InvalidTypeError, match="visualize_grid: ubound must be a number"):
        visualize_grid(Xs, ubound="255")  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="vis_grid: Xs must have a float16"):
        vis_grid(Xs.astype(complex))
    for rows in ([], [[]], [[Xs[0]], [Xs[0], Xs[1]]], [[Xs[0], Xs[0][:1]]]):
        with pytest.raises(InvalidValueError, match=r"vis_nn: rows must"):
            vis_nn(rows)
