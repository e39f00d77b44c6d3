"""The gradient of a bias, where pixels with few channels are added up several at a time."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv as fc

pytest.importorskip("numba", reason="the fast backend needs Numba")

from fastconv.backends.fast.conv.bias import bias_gradient, plan_sums
from fastconv.backends.fast.memory.layout import empty_channels_last

SHAPES = [
    (2, 1, 64, 96), (3, 5, 53, 41), (2, 6, 64, 48), (1, 33, 64, 130), (2, 70, 40, 64), (9, 3, 7), (2, 2, 16, 16, 17),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_pixel_counts_once(shape: tuple[int, ...], dtype: str) -> None:
    dy = empty_channels_last(shape, np.dtype(dtype))
    dy[...] = np.random.default_rng(0).integers(-9, 10, shape)  # whose sums are exact
    expected = dy.sum(axis=(0, *range(2, len(shape))))
    for threads in sorted({1, fc.get_num_threads()}):
        np.testing.assert_array_equal(bias_gradient(dy, threads), expected)


def test_bits_do_not_depend_on_threads() -> None:
    dy = np.random.default_rng(1).standard_normal((8, 3, 64, 66)).astype(np.float32)
    x, weight = np.ones((8, 1, 64, 66), np.float32), np.ones((3, 1, 1, 1), np.float32)
    found = []
    for threads in sorted({1, fc.get_num_threads()}):
        with fc.use_num_threads(threads):
            found.append(fc.conv2d_backward(dy, x, weight, needs=("bias",), backend="fast").dbias)
    for dbias in found:
        np.testing.assert_array_equal(dbias, found[0])


@pytest.mark.parametrize(
    ("channels", "pixels", "totals"),
    [(6, 4096, 4), (6, 4098, 4), (6, 4097, 4), (6, 1024, 1), (65, 4096, 4), (1, 2**17, 128)],
)
def test_pixels_are_taken_together_where_enough_are_left(channels: int, pixels: int, totals: int) -> None:
    assert plan_sums(channels, pixels, np.dtype(np.float32), 1).totals == totals
