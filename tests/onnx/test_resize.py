"""Resize: against PyTorch's meaning, which `upsample` has, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_operators import output

import fastconv as fc

X = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)


def sizes(*numbers: int) -> tuple[None, None, np.ndarray]:
    return None, None, np.array(numbers)


@pytest.mark.parametrize("size", [(8, 10), (7, 3), (1, 1), (9, 11)])
def test_nearest_cells_are_those_of_upsample(size: tuple[int, int]) -> None:
    options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    y = output("Resize", X, *sizes(2, 3, *size), **options)
    np.testing.assert_array_equal(y, fc.functional.upsample(X, size))


@pytest.mark.parametrize("size", [(8, 10), (7, 3), (1, 1), (9, 11)])
@pytest.mark.parametrize(("aligned", "mode"), [(False, "pytorch_half_pixel"), (True, "align_corners")])
def test_linear_interpolation_is_that_of_upsample(size: tuple[int, int], aligned: bool, mode: str) -> None:
    y = output("Resize", X, *sizes(2, 3, *size), mode="linear", coordinate_transformation_mode=mode)
    expected = fc.functional.upsample(X, size, mode="bilinear", align_corners=aligned)
    if 1 in size and not aligned:  # of one cell, ONNX has the first and PyTorch the middle
        expected = X[:, :, :1, :1]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_nearest_cells_are_exact_where_sizes_do_not_divide() -> None:
    for cells in range(1, 40):
        for out in range(1, 40):
            y = output(
                "Resize",
                np.arange(cells),
                *sizes(out),
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
            np.testing.assert_array_equal(y, np.arange(out) * cells // out)


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ("round_prefer_floor", [0, 0, 1, 1]),
        ("round_prefer_ceil", [0, 1, 1, 1]),
        ("floor", [0, 0, 1, 1]),
        ("ceil", [0, 1, 1, 1]),
    ],
)
def test_halves_are_rounded_as_is_said(rounding: str, expected: list[int]) -> None:
    options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": rounding}
    np.testing.assert_array_equal(output("Resize", np.arange(2), *sizes(4), **options), expected)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("antialias", [0, 1])
@pytest.mark.parametrize("size", [3, 7, 20])
def test_a_constant_stays_one(mode: str, antialias: int, size: int) -> None:
    x = np.full((1, 1, 7, 7), 2.5, np.float32)
    y = output("Resize", x, *sizes(1, 1, size, size), mode=mode, antialias=antialias)
    np.testing.assert_allclose(y, 2.5, rtol=1e-6)


def test_integers_are_rounded_and_cut_off() -> None:
    x = np.array([0, 255], np.uint8)
    y = output("Resize", x, *sizes(8), mode="cubic")
    assert y.dtype == np.uint8
    assert (y[0], y[-1]) == (0, 255)
    assert (np.diff(y.astype(int)) >= 0).all()


def test_a_crop_has_another_value_outside() -> None:
    roi = np.array([-0.5, 1.5], np.float32)
    y = output(
        "Resize", np.arange(3.0), roi, None, np.array([5]), mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=9.0,
    )  # fmt: skip
    np.testing.assert_allclose(y, [9, 0, 1, 2, 9])


def test_an_empty_batch_stays_one() -> None:
    y = output("Resize", X[:0], None, np.array([1, 1, 2, 2], np.float32), mode="linear")
    assert y.shape == (0, 3, 8, 10)
    assert output("Resize", X[:0], *sizes(0, 3, 8, 10)).shape == (0, 3, 8, 10)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_large_images_one_by_one_are_those_of_a_batch(mode: str) -> None:
    x = np.random.default_rng(1).standard_normal((3, 5, 31, 33)).astype(np.float32)
    y = output("Resize", x, *sizes(3, 5, 40, 20), mode=mode)
    np.testing.assert_array_equal(
        y, np.concatenate([output("Resize", x[i : i + 1], *sizes(1, 5, 40, 20), mode=mode) for i in range(3)])
    )
