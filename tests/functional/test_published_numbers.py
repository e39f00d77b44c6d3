"""The numbers that the hand-written ``ConvLayer`` and ``MaxPoolingLayer`` tutorial prints, on every backend.

A 3x5x5 image, two 3x3x3 filters, stride 2, padding 1, identity activation: its two feature maps, the filters and
biases after one backward pass and one update, and the sums of its gradient check. The arrays keep the tutorial's
dtypes: integer image and sensitivities, float64 filters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

import fastconv as fc

Array = NDArray[Any]

IMAGE = np.array(
    [
        [[0, 1, 1, 0, 2], [2, 2, 2, 2, 1], [1, 0, 0, 2, 0], [0, 1, 1, 0, 0], [1, 2, 0, 0, 2]],
        [[1, 0, 2, 2, 0], [0, 0, 0, 2, 0], [1, 2, 1, 2, 1], [1, 0, 0, 0, 0], [1, 2, 1, 1, 1]],
        [[2, 1, 2, 0, 0], [1, 0, 0, 1, 0], [0, 2, 1, 0, 1], [0, 1, 2, 2, 2], [2, 1, 0, 0, 1]],
    ]
)
FILTERS = np.array(
    [
        [
            [[-1, 1, 0], [0, 1, 0], [0, 1, 1]],
            [[-1, -1, 0], [0, 0, 0], [0, -1, 0]],
            [[0, 0, -1], [0, 1, 0], [1, -1, -1]],
        ],
        [
            [[1, 1, -1], [-1, -1, 1], [0, -1, 1]],
            [[0, 1, 0], [-1, 0, -1], [-1, 1, 0]],
            [[-1, 0, 0], [-1, 0, 1], [-1, 0, 0]],
        ],
    ],
    dtype=np.float64,
)
BIASES = np.array([1.0, 0.0])
SENSITIVITY = np.array([[[0, 1, 1], [2, 2, 2], [1, 0, 0]], [[1, 0, 2], [0, 0, 0], [1, 2, 1]]])
LEARNING_RATE = 0.001

FEATURE_MAPS = [[[6, 7, 5], [3, -1, -1], [2, -1, 4]], [[2, -5, -8], [1, -4, -4], [0, -5, -5]]]
UPDATED_FILTERS = [
    [
        [[-1.008, 0.99, -0.009], [-0.005, 0.994, -0.006], [-0.006, 0.995, 0.996]],
        [[-1.004, -1.001, -0.004], [-0.01, -0.009, -0.012], [-0.002, -1.002, -0.002]],
        [[-0.002, -0.002, -1.003], [-0.005, 0.992, -0.005], [0.993, -1.008, -1.007]],
    ],
    [
        [[0.998, 0.998, -1.001], [-1.004, -1.007, 0.997], [-0.004, -1.004, 0.998]],
        [[0.0, 0.999, 0.0], [-1.009, -0.005, -1.004], [-1.004, 1.0, 0.0]],
        [[-1.004, -0.006, -0.005], [-1.002, -0.005, 0.998], [-1.002, -0.001, 0.0]],
    ],
]
UPDATED_BIASES = [0.991, -0.007]
# Gradient of the sum of the outputs with respect to the first filter.
CHECKED_GRADIENT = [
    [[5, 6, 5], [5, 7, 5], [5, 6, 5]],
    [[2, 1, 2], [9, 9, 9], [2, 1, 2]],
    [[4, 5, 4], [4, 9, 4], [4, 5, 4]],
]
# Not printed in the tutorial: what its code computes for the first channel of the image.
IMAGE_GRADIENT = [[-1, 1, 1, -2, -1], [1, -1, 3, -1, 1], [2, 0, 2, 0, 2], [4, 3, 4, 1, 3], [0, -1, -2, 1, -1]]

POOL_IMAGE = np.array(
    [
        [[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]],
        [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [3, 4, 5, 6]],
    ],
    dtype=np.float64,
)
POOL_SENSITIVITY = np.array([[[1, 2], [2, 4]], [[3, 5], [8, 2]]], dtype=np.float64)
POOLED = [[[6, 8], [3, 4]], [[5, 7], [9, 6]]]
POOL_GRADIENT = [
    [[0, 0, 0, 0], [0, 1, 0, 2], [2, 0, 0, 0], [0, 0, 0, 4]],
    [[0, 0, 0, 0], [0, 3, 0, 5], [0, 8, 0, 0], [0, 0, 0, 2]],
]

backends = pytest.mark.parametrize("backend", ["naive", "numpy", "fast"])


def backward(sensitivity: Array, backend: str) -> Any:
    return fc.conv2d_backward(sensitivity[None], IMAGE[None], FILTERS, stride=2, padding=1, backend=backend)


@backends
def test_feature_maps(backend: str) -> None:
    y = fc.conv2d(IMAGE[None], FILTERS, BIASES, stride=2, padding=1, backend=backend)
    assert y.dtype == np.float64
    assert_array_equal(y, [FEATURE_MAPS])


@backends
def test_filters_and_biases_after_one_update(backend: str) -> None:
    gradients = backward(SENSITIVITY, backend)
    assert_allclose(FILTERS - LEARNING_RATE * gradients.dweight, UPDATED_FILTERS, rtol=0, atol=1e-12)
    assert_allclose(BIASES - LEARNING_RATE * gradients.dbias, UPDATED_BIASES, rtol=0, atol=1e-12)


@backends
def test_gradient_of_the_image(backend: str) -> None:
    assert_array_equal(backward(SENSITIVITY, backend).dx[0, 0], IMAGE_GRADIENT)


@backends
def test_sums_of_the_gradient_check(backend: str) -> None:
    gradient = backward(np.ones_like(SENSITIVITY), backend).dweight[0]
    assert_array_equal(gradient, CHECKED_GRADIENT)


@backends
def test_gradient_check_by_differences(backend: str) -> None:
    step = 10e-4  # as printed; the sum is linear in each weight, so that any step is exact to rounding
    for index in np.ndindex(3, 3, 3):
        sums = []
        for sign in (1, -1):
            moved = FILTERS.copy()
            moved[(0, *index)] += sign * step
            sums.append(fc.conv2d(IMAGE[None], moved, BIASES, stride=2, padding=1, backend=backend).sum())
        assert_allclose((sums[0] - sums[1]) / (2 * step), np.array(CHECKED_GRADIENT)[index], rtol=0, atol=1e-9)


@backends
def test_max_pooling(backend: str) -> None:
    y, indices = fc.max_pool2d(POOL_IMAGE[None], 2, stride=2, return_indices=True, backend=backend)
    assert_array_equal(y, [POOLED])
    dx = fc.max_pool2d_backward(POOL_SENSITIVITY[None], indices, (1, *POOL_IMAGE.shape), backend=backend)
    assert_array_equal(dx, [POOL_GRADIENT])
