"""The tests of the original, whose numbers its text prints: an image, sensitivities, and a layer to put them through.

The functions whose names begin with ``test`` print, as there. They are marked so that pytest does not take them for
tests of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastconv.compat.tutorial.activators import IdentityActivator
from fastconv.compat.tutorial.convolution import ConvLayer
from fastconv.compat.tutorial.pooling import MaxPoolingLayer
from fastconv.validation.arrays import Array

__all__ = ["gradient_check", "init_pool_test", "init_test", "test", "test_bp", "test_pool", "test_pool_bp"]

Function = TypeVar("Function", bound=Callable[..., Any])


def _prints(function: Function) -> Function:
    """Mark a function as none of pytest's."""
    function.__test__ = False  # type: ignore[attr-defined]
    return function


def init_test() -> tuple[Array, Array, ConvLayer]:
    """Return the image, the sensitivities and the layer of the published example.

    Returns
    -------
    a : ndarray of int, shape (3, 5, 5)
        The image.
    b : ndarray of int, shape (2, 3, 3)
        Sensitivities of the output.
    cl : ConvLayer
        Two 3×3 filters, padding 1, stride 2, no activation, learning rate 0.001.

    Examples
    --------
    >>> a, b, cl = init_test()
    >>> cl.forward(a)
    >>> cl.output_array[0]
    array([[ 6.,  7.,  5.],
           [ 3., -1., -1.],
           [ 2., -1.,  4.]])
    """
    a = np.array(
        [
            [[0, 1, 1, 0, 2], [2, 2, 2, 2, 1], [1, 0, 0, 2, 0], [0, 1, 1, 0, 0], [1, 2, 0, 0, 2]],
            [[1, 0, 2, 2, 0], [0, 0, 0, 2, 0], [1, 2, 1, 2, 1], [1, 0, 0, 0, 0], [1, 2, 1, 1, 1]],
            [[2, 1, 2, 0, 0], [1, 0, 0, 1, 0], [0, 2, 1, 0, 1], [0, 1, 2, 2, 2], [2, 1, 0, 0, 1]],
        ]
    )
    b = np.array([[[0, 1, 1], [2, 2, 2], [1, 0, 0]], [[1, 0, 2], [0, 0, 0], [1, 2, 1]]])
    cl = ConvLayer(5, 5, 3, 3, 3, 2, 1, 2, IdentityActivator(), 0.001)
    cl.filters[0].weights = np.array(
        [
            [[-1, 1, 0], [0, 1, 0], [0, 1, 1]],
            [[-1, -1, 0], [0, 0, 0], [0, -1, 0]],
            [[0, 0, -1], [0, 1, 0], [1, -1, -1]],
        ],
        dtype=np.float64,
    )
    cl.filters[0].bias = 1
    cl.filters[1].weights = np.array(
        [
            [[1, 1, -1], [-1, -1, 1], [0, -1, 1]],
            [[0, 1, 0], [-1, 0, -1], [-1, 1, 0]],
            [[-1, 0, 0], [-1, 0, 1], [-1, 0, 0]],
        ],
        dtype=np.float64,
    )
    return a, b, cl


@_prints
def test() -> None:
    """Print the output of the published example, and its filters after one backward pass and one step."""
    a, b, cl = init_test()
    cl.forward(a)
    print("output of the forward pass:", cl.output_array)
    cl.backward(a, b, IdentityActivator())
    cl.update()
    for i, filter_ in enumerate(cl.filters, 1):
        print(f"filter{i} after backward pass and update:", filter_)


@_prints
def test_bp() -> None:
    """Print the filters of the published example after one backward pass and one step."""
    a, b, cl = init_test()
    cl.backward(a, b, IdentityActivator())
    cl.update()
    for filter_ in cl.filters:
        print(filter_)


def gradient_check() -> None:
    """Print the gradient of every weight of the first filter by differences, and as `ConvLayer.backward` has it.

    The loss is the sum of all outputs. Each line is ``weights(d,i,j): expected - actural e - a``, spelt as
    in the original, so that the two outputs can be compared as text.
    """
    a, _, cl = init_test()
    cl.forward(a)
    cl.backward(a, np.ones(cl.output_array.shape), IdentityActivator())
    weights, epsilon = cl.filters[0].weights, 10e-4
    for place in np.ndindex(weights.shape):
        sums = []
        for sign in (1, -1):
            weights[place] += sign * epsilon
            cl.forward(a)
            sums.append(cl.output_array.sum())
            weights[place] -= sign * epsilon
        expected, actual = (sums[0] - sums[1]) / (2 * epsilon), cl.filters[0].weights_grad[place]
        d, i, j = place
        print(f"weights({d},{i},{j}): expected - actural {expected:f} - {actual:f}")


def init_pool_test() -> tuple[Array, Array, MaxPoolingLayer]:
    """Return the image (2, 4, 4), the sensitivities (2, 2, 2) and the 2×2 pooling of the published example.

    Examples
    --------
    >>> a, b, mpl = init_pool_test()
    >>> mpl.forward(a)
    >>> mpl.output_array.tolist()
    [[[6.0, 8.0], [3.0, 4.0]], [[5.0, 7.0], [9.0, 6.0]]]
    """
    a = np.array(
        [
            [[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]],
            [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [3, 4, 5, 6]],
        ],
        dtype=np.float64,
    )
    b = np.array([[[1, 2], [2, 4]], [[3, 5], [8, 2]]], dtype=np.float64)
    return a, b, MaxPoolingLayer(4, 4, 2, 2, 2, 2)


@_prints
def test_pool() -> None:
    """Print image and output of the published pooling."""
    a, _, mpl = init_pool_test()
    mpl.forward(a)
    print(f"input array:\n{a}\noutput array:\n{mpl.output_array}")


@_prints
def test_pool_bp() -> None:
    """Print image, sensitivities and delta of the published pooling."""
    a, b, mpl = init_pool_test()
    mpl.backward(a, b)
    print(f"input array:\n{a}\nsensitivity array:\n{b}\ndelta array:\n{mpl.delta_array}")
