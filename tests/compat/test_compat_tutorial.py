"""The hand-written network of the tutorials: its numbers, its names, and loops of its own kind as the oracle."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from contextlib import redirect_stdout
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import ROOT
from strategies import BACKENDS, Array

import fastconv as fc
from fastconv.compat import tutorial
from fastconv.compat.tutorial import activators, cnn
from fastconv.compat.tutorial.cnn import ConvLayer, Filter, MaxPoolingLayer, init_pool_test, init_test
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.testing import assert_close

on_every_backend = pytest.mark.parametrize("backend", BACKENDS)

# Written out from the text, so that a changed number in the library cannot change its test.
FORWARD = [[[6, 7, 5], [3, -1, -1], [2, -1, 4]], [[2, -5, -8], [1, -4, -4], [0, -5, -5]]]
# What the text prints, with the NumPy of its time; blank space aside.
PRINTED_FORWARD = "[[[ 6.  7.  5.]  [ 3. -1. -1.]  [ 2. -1.  4.]] [[ 2. -5. -8.]  [ 1. -4. -4.]  [ 0. -5. -5.]]]"
PRINTED_FILTERS = [
    """
filter weights:
array([[[-1.008,  0.99 , -0.009],        [-0.005,  0.994, -0.006],        [-0.006,  0.995,  0.996]],
       [[-1.004, -1.001, -0.004],        [-0.01 , -0.009, -0.012],        [-0.002, -1.002, -0.002]],
       [[-0.002, -0.002, -1.003],        [-0.005,  0.992, -0.005],        [ 0.993, -1.008, -1.007]]])
bias:
0.99099999999999999
""",
    """
filter weights:
array([[[  9.98000000e-01,   9.98000000e-01,  -1.00100000e+00],
        [ -1.00400000e+00,  -1.00700000e+00,   9.97000000e-01],
        [ -4.00000000e-03,  -1.00400000e+00,   9.98000000e-01]],
       [[  0.00000000e+00,   9.99000000e-01,   0.00000000e+00],
        [ -1.00900000e+00,  -5.00000000e-03,  -1.00400000e+00],
        [ -1.00400000e+00,   1.00000000e+00,   0.00000000e+00]],
       [[ -1.00400000e+00,  -6.00000000e-03,  -5.00000000e-03],
        [ -1.00200000e+00,  -5.00000000e-03,   9.98000000e-01],
        [ -1.00200000e+00,  -1.00000000e-03,   0.00000000e+00]]])
bias:
-0.0070000000000000001
""",
]
PRINTED = "".join(PRINTED_FILTERS)
CHECKED = [
    [[5, 6, 5], [5, 7, 5], [5, 6, 5]],
    [[2, 1, 2], [9, 9, 9], [2, 1, 2]],
    [[4, 5, 4], [4, 9, 4], [4, 5, 4]],
]
DELTA = [[-1, 1, 1, -2, -1], [1, -1, 3, -1, 1], [2, 0, 2, 0, 2], [4, 3, 4, 1, 3], [0, -1, -2, 1, -1]]
POOLED = [[[6, 8], [3, 4]], [[5, 7], [9, 6]]]
POOL_DELTA = [
    [[0, 0, 0, 0], [0, 1, 0, 2], [2, 0, 0, 0], [0, 0, 0, 4]],
    [[0, 0, 0, 0], [0, 3, 0, 5], [0, 8, 0, 0], [0, 0, 0, 2]],
]

# width, height, channels, filter width, filter height, filters, padding, stride
GEOMETRIES = [
    (5, 5, 3, 3, 3, 2, 1, 2),
    (7, 4, 2, 3, 2, 3, 0, 1),  # rectangular filters, where the original is wrong
    (4, 7, 2, 1, 3, 2, 2, 1),  # more padding than filter, where it raises
    (8, 6, 1, 2, 3, 4, 1, 3),  # strides that do not divide
    (6, 5, 3, 2, 2, 1, 0, 4),  # and leave cells out
    (3, 2, 2, 3, 2, 2, 0, 1),  # one window
]
# width, height, channels, window width, window height, stride
POOLS = [(4, 4, 2, 2, 2, 2), (7, 5, 2, 3, 3, 1), (6, 8, 3, 3, 2, 2), (5, 7, 1, 1, 2, 3), (4, 3, 2, 4, 3, 1)]


def without_space(text: str) -> str:
    return "".join(text.split())


# The mathematics, window by window.


def windows(width: int, height: int, fw: int, fh: int, pad: int, stride: int) -> list[tuple[int, int, int, int]]:
    """(output row, output column, first row, first column) of every window; cells below 0 are padding."""
    rows = [(i, i * stride - pad) for i in range(height + 2 * pad) if i * stride + fh <= height + 2 * pad]
    columns = [(j, j * stride - pad) for j in range(width + 2 * pad) if j * stride + fw <= width + 2 * pad]
    return [(i, j, top, left) for (i, top), (j, left) in product(rows, columns)]


def loop_conv(x: Array, weights: Array, biases: Array, pad: int, stride: int) -> Array:
    """Every output as a sum over its window."""
    filters, channels, fh, fw = weights.shape
    _, height, width = x.shape
    found = windows(width, height, fw, fh, pad, stride)
    y = np.zeros((filters, found[-1][0] + 1, found[-1][1] + 1))
    for f, (i, j, top, left) in product(range(filters), found):
        y[f, i, j] = biases[f]
        for c, k, m in product(range(channels), range(fh), range(fw)):
            if 0 <= top + k < height and 0 <= left + m < width:
                y[f, i, j] += x[c, top + k, left + m] * weights[f, c, k, m]
    return y


def loop_conv_gradients(dy: Array, x: Array, weights: Array, pad: int, stride: int) -> tuple[Array, Array, Array]:
    """Gradients of image, weights and biases: every product of the forward pass, the other way round."""
    filters, channels, fh, fw = weights.shape
    _, height, width = x.shape
    dx, dweights = np.zeros(x.shape), np.zeros(weights.shape)
    for f, (i, j, top, left) in product(range(filters), windows(width, height, fw, fh, pad, stride)):
        for c, k, m in product(range(channels), range(fh), range(fw)):
            if 0 <= top + k < height and 0 <= left + m < width:
                dx[c, top + k, left + m] += dy[f, i, j] * weights[f, c, k, m]
                dweights[f, c, k, m] += dy[f, i, j] * x[c, top + k, left + m]
    return dx, dweights, dy.sum(axis=(1, 2))


def loop_pool(x: Array, fw: int, fh: int, stride: int, dy: Array | None = None) -> tuple[Array, Array]:
    """Maxima, and the gradient that sends every `dy` to the first maximum of its window."""
    channels, height, width = x.shape
    found = windows(width, height, fw, fh, 0, stride)
    y, dx = np.zeros((channels, found[-1][0] + 1, found[-1][1] + 1)), np.zeros(x.shape)
    for c, (i, j, top, left) in product(range(channels), found):
        best = (top, left)
        for k, m in product(range(top, top + fh), range(left, left + fw)):
            if x[c, k, m] > x[(c, *best)]:
                best = (k, m)
        y[c, i, j] = x[(c, *best)]
        if dy is not None:
            dx[(c, *best)] += dy[c, i, j]
    return y, dx


def made(geometry: tuple[int, ...], activator: Any = None, seed: int = 0) -> tuple[ConvLayer, Array, Array, Array]:
    """A layer with weights of order one, an image, and weights and biases as arrays."""
    rng = np.random.default_rng(seed)
    width, height, channels, fw, fh, filters, pad, stride = geometry
    layer = ConvLayer(
        width, height, channels, fw, fh, filters, pad, stride, activator or tutorial.IdentityActivator(), 0.1
    )
    weights, biases = rng.standard_normal((filters, channels, fh, fw)), rng.standard_normal(filters)
    for filter_, weight, bias in zip(layer.filters, weights, biases):
        filter_.weights, filter_.bias = weight.copy(), bias
    return layer, rng.standard_normal((channels, height, width)), weights, biases


def gradients_of(layer: ConvLayer) -> tuple[Array, Array]:
    return np.array([f.weights_grad for f in layer.filters]), np.array([f.bias_grad for f in layer.filters])


# The published numbers.


@on_every_backend
def test_published_output_and_step(backend: str) -> None:
    with fc.use_backend(backend):
        a, b, cl = init_test()
        cl.forward(a)
        np.testing.assert_array_equal(cl.output_array, FORWARD)
        cl.backward(a, b, tutorial.IdentityActivator())
        np.testing.assert_array_equal(cl.delta_array[0], DELTA)
        cl.update()
    with np.printoptions(legacy="1.13"):
        printed = "".join(map(repr, cl.filters))
    assert without_space(printed) == without_space(PRINTED)


def test_a_filter_prints_its_bias_as_a_number() -> None:
    filter_ = Filter(1, 1, 1)
    filter_.weights[:] = 0.5
    assert repr(filter_) == "filter weights:\narray([[[0.5]]])\nbias:\n0"
    filter_.bias = np.float64(0.991)
    assert repr(filter_).endswith("bias:\n0.991")


@on_every_backend
def test_published_gradient_check(backend: str) -> None:
    output = io.StringIO()
    with fc.use_backend(backend), redirect_stdout(output):
        cnn.gradient_check()
    wanted = [
        f"weights({d},{i},{j}): expected - actural {CHECKED[d][i][j]:f} - {CHECKED[d][i][j]:f}"
        for d, i, j in product(range(3), repeat=3)
    ]
    assert output.getvalue().splitlines() == wanted


@on_every_backend
def test_published_pooling(backend: str) -> None:
    with fc.use_backend(backend):
        a, b, mpl = init_pool_test()
        mpl.forward(a)
        mpl.backward(a, b)
    np.testing.assert_array_equal(mpl.output_array, POOLED)
    np.testing.assert_array_equal(mpl.delta_array, POOL_DELTA)


def test_what_the_tests_of_the_original_print(capsys: pytest.CaptureFixture[str]) -> None:
    with np.printoptions(legacy="1.13"):
        cnn.test_bp()
        assert without_space(capsys.readouterr().out) == without_space(PRINTED)
        cnn.test()
    labels = ["output of the forward pass:", *(f"filter{i} after backward pass and update:" for i in (1, 2))]
    wanted = zip(labels, [PRINTED_FORWARD, *PRINTED_FILTERS])
    assert without_space(capsys.readouterr().out) == without_space("".join(a + b for a, b in wanted))
    cnn.test_pool()
    assert capsys.readouterr().out.endswith("output array:\n[[[6. 8.]\n  [3. 4.]]\n\n [[5. 7.]\n  [9. 6.]]]\n")
    cnn.test_pool_bp()
    assert "delta array:\n[[[0. 0. 0. 0.]\n  [0. 1. 0. 2.]" in capsys.readouterr().out


def test_pytest_leaves_the_tests_of_the_original_alone(tmp_path: Path) -> None:
    file = tmp_path / "test_user.py"
    file.write_text(
        "from fastconv.compat.tutorial.cnn import *\n\ndef test_of_the_user():\n    pass\n", encoding="utf-8"
    )
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "-c", str(tmp_path / "pytest.ini")]
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", *options, str(file)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert [line for line in run.stdout.splitlines() if "::" in line] == ["test_user.py::test_of_the_user"], run.stdout


def test_every_name_is_in_the_package_too() -> None:
    for module in (cnn, activators):
        for name in module.__all__:
            if name not in ("Activator", "np"):
                assert getattr(tutorial, name) is getattr(module, name)


# Against the loops.


@on_every_backend
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_convolution_against_loops(geometry: tuple[int, ...], backend: str) -> None:
    layer, x, weights, biases = made(geometry)
    pad, stride = geometry[-2:]
    y = loop_conv(x, weights, biases, pad, stride)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    with fc.use_backend(backend):
        layer.backward(x, dy, tutorial.IdentityActivator())
    assert (layer.output_height, layer.output_width) == y.shape[1:]
    assert_close(layer.output_array, y)
    dx, dweights, dbiases = loop_conv_gradients(dy, x, weights, pad, stride)
    assert_close(layer.delta_array, dx, name="delta_array")
    for actual, wanted in zip(gradients_of(layer), (dweights, dbiases)):
        assert_close(actual, wanted)
    layer.update()
    assert_close(np.array([f.weights for f in layer.filters]), weights - 0.1 * dweights)
    assert_close(np.array([f.bias for f in layer.filters]), biases - 0.1 * dbiases)


@on_every_backend
@pytest.mark.parametrize("geometry", POOLS, ids=str)
def test_pooling_against_loops(geometry: tuple[int, ...], backend: str) -> None:
    width, height, channels, fw, fh, stride = geometry
    x = np.random.default_rng(2).integers(-2, 3, (channels, height, width))  # with ties
    y, _ = loop_pool(x, fw, fh, stride)
    dy = np.random.default_rng(3).standard_normal(y.shape)
    _, dx = loop_pool(x, fw, fh, stride, dy)
    layer = MaxPoolingLayer(*geometry)
    with fc.use_backend(backend):
        layer.forward(x)
        layer.backward(x, dy)
    assert (layer.output_height, layer.output_width) == y.shape[1:]
    np.testing.assert_array_equal(layer.output_array, y)
    assert_close(layer.delta_array, dx)


def test_overlapping_windows_add_up() -> None:
    x = np.zeros((1, 5, 5))
    x[0, 2, 2] = 1.0
    layer = MaxPoolingLayer(5, 5, 1, 3, 3, 1)
    layer.backward(x, np.ones((1, 3, 3)))
    assert layer.delta_array[0, 2, 2] == layer.delta_array.sum() == 9


@pytest.mark.parametrize("geometry", GEOMETRIES[:4], ids=str)
def test_a_batch_is_its_images_one_by_one(geometry: tuple[int, ...]) -> None:
    layer, _, _, _ = made(geometry, tutorial.TanhActivator())
    rng = np.random.default_rng(4)
    images = rng.standard_normal((3, geometry[2], geometry[1], geometry[0]))
    dy = rng.standard_normal((3, geometry[5], layer.output_height, layer.output_width))
    alone = []
    for image, sensitivity in zip(images, dy):
        layer.backward(image, sensitivity, tutorial.SigmoidActivator())
        alone.append((layer.output_array.copy(), layer.delta_array, *gradients_of(layer)))
    layer.backward(images, dy, tutorial.SigmoidActivator())
    outputs, deltas, dweights, dbiases = (np.array(each) for each in zip(*alone))
    assert_close(layer.output_array, outputs)
    assert_close(layer.delta_array, deltas)
    for actual, wanted in zip(gradients_of(layer), (dweights.sum(axis=0), dbiases.sum(axis=0))):
        assert_close(actual, wanted)


def test_a_batch_of_pooling_is_its_images_one_by_one() -> None:
    layer = MaxPoolingLayer(7, 5, 2, 3, 2, 2)
    images = np.random.default_rng(5).standard_normal((4, 2, 5, 7))
    dy = np.random.default_rng(6).standard_normal((4, 2, 2, 3))
    layer.forward(images)
    layer.backward(images, dy)
    for i in range(4):
        y, dx = loop_pool(images[i], 3, 2, 2, dy[i])
        np.testing.assert_array_equal(layer.output_array[i], y)
        assert_close(layer.delta_array[i], dx)


def test_an_empty_batch() -> None:
    layer, _, _, _ = made(GEOMETRIES[1], Scalar())
    layer.backward(np.zeros((0, 2, 4, 7)), np.zeros((0, 3, 3, 5)), Scalar())
    assert layer.output_array.shape == (0, 3, 3, 5)
    assert layer.delta_array.shape == (0, 2, 4, 7)


def test_one_plane_where_there_is_one_channel() -> None:
    layer, x, _, _ = made((8, 6, 1, 2, 3, 4, 1, 3))
    layer.forward(x[0])
    plane = layer.output_array.copy()
    layer.backward(x, np.ones(plane.shape), tutorial.TanhActivator())
    np.testing.assert_array_equal(plane, layer.output_array)
    image = layer.delta_array
    layer.backward(x[0], np.ones(plane.shape), tutorial.TanhActivator())
    np.testing.assert_array_equal(layer.delta_array, image)
    pool = MaxPoolingLayer(8, 6, 1, 2, 3, 2)
    pool.backward(x[0], np.ones((1, 2, 4)))
    assert pool.delta_array.shape == (6, 8)


# Activators.


class Scalar:
    """Takes single numbers alone, and counts them."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def forward(self, weighted_input: Any) -> float:
        self.seen.append(float(weighted_input))
        return math.tanh(max(weighted_input, -0.5))

    def backward(self, output: Any) -> float:
        return math.exp(output) if output > 0 else 2.0


def test_an_activator_of_single_numbers_sees_every_element_once() -> None:
    plain, x, _, _ = made(GEOMETRIES[1])
    plain.forward(x)
    activator = Scalar()
    layer, _, _, _ = made(GEOMETRIES[1], activator)
    layer.forward(x)
    assert activator.seen == plain.output_array.ravel().tolist()
    assert_close(layer.output_array, np.tanh(np.maximum(plain.output_array, -0.5)))


def test_the_derivative_is_that_of_the_layer_before_at_its_output() -> None:
    layer, x, weights, _ = made(GEOMETRIES[0])
    dy = np.random.default_rng(7).standard_normal(layer.output_array.shape)
    layer.backward(x, dy, Scalar())
    dx, _, _ = loop_conv_gradients(dy, x, weights, *GEOMETRIES[0][-2:])
    assert_close(layer.delta_array, dx * np.where(x > 0, np.exp(x), 2.0))


def test_derivatives_of_an_integer_image_are_not_cut_to_integers() -> None:
    a, b, cl = init_test()
    cl.backward(a, b, tutorial.IdentityActivator())
    plain = cl.delta_array
    cl.backward(a, b, type("Half", (), {"backward": lambda self, output: 0.5})())
    np.testing.assert_array_equal(cl.delta_array, 0.5 * plain)


@pytest.mark.parametrize("name", ["ReluActivator", "IdentityActivator", "SigmoidActivator", "TanhActivator"])
def test_activators_give_arrays_what_they_give_numbers(name: str) -> None:
    activator = getattr(tutorial, name)()
    values = np.array([[-800.0, -1.5, -0.0], [0.0, 0.25, 800.0]])
    for function in (activator.forward, activator.backward):
        whole, apart = values.copy(), values.copy()
        tutorial.element_wise_op(whole, function)
        tutorial.element_wise_op(apart, lambda value, function=function: function(float(value)))
        assert_close(whole, apart)


def test_activators_by_hand() -> None:
    relu, sigmoid, tanh = tutorial.ReluActivator(), tutorial.SigmoidActivator(), tutorial.TanhActivator()
    assert [relu.forward(-3), relu.forward(4), relu.backward(0), relu.backward(4)] == [0, 4, 0, 1]
    rectified = relu.forward(np.array([np.nan, 1.0, -0.0, -np.inf, np.inf] * 9))
    assert rectified.tolist() == [0, 1, 0, 0, np.inf] * 9  # max(0, NaN) is 0
    assert not np.signbit(rectified).any()
    assert relu.backward(np.array([np.nan, 1.0, -0.0, -2.0])).tolist() == [0, 1, 0, 0]
    assert sigmoid.forward(math.log(3)) == pytest.approx(0.75)
    assert (sigmoid.backward(0.75), tanh.backward(0.5)) == (0.1875, 0.75)
    assert tanh.forward(0.5) == pytest.approx(math.tanh(0.5))


def test_an_overridden_activator_is_called_for_every_element() -> None:
    class Shifted(tutorial.ReluActivator):
        def forward(self, weighted_input: Any) -> Any:
            return max(1, weighted_input)

    array = np.array([[-1.0, 3.0]])
    tutorial.element_wise_op(array, Shifted().forward)
    assert array.tolist() == [[1, 3]]


def test_a_ufunc_is_called_once() -> None:
    array = np.array([[1.0, 4.0], [9.0, 16.0]])[:, ::-1]
    tutorial.element_wise_op(array, np.sqrt)
    assert array.tolist() == [[2, 1], [4, 3]]


# What is live.


def test_weights_and_biases_count_however_they_are_set() -> None:
    layer, x, weights, biases = made(GEOMETRIES[1])
    layer.filters[0].weights *= 2
    layer.filters[1].weights = weights[1] - 1
    layer.filters[2] = Filter(3, 2, 2)
    layer.filters[2].weights[...] = 0.25
    layer.filters[0].bias = 3
    layer.filters[1].bias += 1
    layer.forward(x)
    wanted = np.array([2 * weights[0], weights[1] - 1, np.full((2, 2, 3), 0.25)])
    assert_close(layer.output_array, loop_conv(x, wanted, np.array([3, biases[1] + 1, 0]), 0, 1))


def test_integer_weights_can_be_trained() -> None:
    filter_ = Filter(2, 1, 1)
    filter_.weights, filter_.weights_grad = np.array([[[1, 2]]]), np.array([[[10.0, 0]]])
    filter_.update(0.01)
    assert filter_.weights.tolist() == [[[0.9, 2.0]]]


def test_a_step_is_seen_through_views() -> None:
    layer, x, _, _ = made(GEOMETRIES[0])
    view = layer.filters[0].weights[1]
    layer.backward(x, np.ones((2, 3, 3)), tutorial.IdentityActivator())
    layer.update()
    assert view.base is layer.filters[0].weights


def test_the_output_is_one_array_for_all_passes() -> None:
    layer, x, _, _ = made(GEOMETRIES[0])
    first = layer.output_array
    layer.forward(x)
    assert layer.output_array is first
    assert first.flags.c_contiguous
    layer.forward(np.stack([x, x]))
    assert layer.output_array is not first


def test_filters_are_drawn_as_there() -> None:
    np.random.seed(3)  # noqa: NPY002 - the generator of the original
    layer = ConvLayer(5, 6, 2, 3, 2, 2, 0, 1, tutorial.IdentityActivator(), 0.1)
    np.random.seed(3)  # noqa: NPY002 - the generator of the original
    for filter_ in layer.filters:
        drawn = np.random.uniform(-1e-4, 1e-4, (2, 2, 3))  # noqa: NPY002
        np.testing.assert_array_equal(filter_.weights, drawn)
        assert filter_.bias == 0
        assert filter_.get_weights() is filter_.weights


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "int32", "bool"])
def test_results_are_float64_whatever_comes_in(dtype: str) -> None:
    layer, x, weights, biases = made(GEOMETRIES[0])
    image = np.asfortranarray(x.astype(dtype))
    layer.backward(image, np.ones((2, 3, 3), "float32"), tutorial.IdentityActivator())
    assert_close(layer.output_array, loop_conv(image.astype(np.float64), weights, biases, 1, 2))
    assert layer.delta_array.dtype == layer.filters[0].weights_grad.dtype == np.float64
    pool = MaxPoolingLayer(5, 5, 3, 2, 2, 2)
    pool.forward(image)
    pool.backward(image, np.ones((3, 2, 2), "float32"))
    assert pool.output_array.dtype == pool.delta_array.dtype == np.float64


# The functions under the layers.


def test_get_patch_is_a_view() -> None:
    image = np.arange(2 * 4 * 5).reshape(2, 4, 5)
    patch = tutorial.get_patch(image, 1, 0, 3, 2, 2)
    np.testing.assert_array_equal(patch, image[:, 2:4, 0:3])
    patch[...] = 0
    assert image[1, 3, 2] == 0
    np.testing.assert_array_equal(tutorial.get_patch(image[0], 0, 1, 2, 1, 3), image[0, 0:1, 3:5])


def test_get_max_index_takes_the_first() -> None:
    assert tutorial.get_max_index(np.array([[1, 3, 3], [3, 0, 3]])) == (0, 1)
    assert tutorial.get_max_index(np.array([[-2.0], [-1.0]])) == (1, 0)


@on_every_backend
def test_conv_writes_into_its_output(backend: str) -> None:
    rng = np.random.default_rng(8)
    image, kernel = rng.standard_normal((2, 6, 7)), rng.standard_normal((2, 3, 2))
    wanted = loop_conv(image, kernel[None], np.array([0.5]), 0, 2)[0]
    big = np.zeros((6, 4))
    output = big[1::2, ::-1][:2, :3]  # of any strides
    with fc.use_backend(backend):
        tutorial.conv(image, kernel, output, 2, 0.5)
    assert_close(output, wanted)
    assert np.count_nonzero(big) == 6


def test_conv_of_planes() -> None:
    rng = np.random.default_rng(9)
    image, kernel = rng.standard_normal((3, 6, 7)), rng.standard_normal((3, 2, 3))
    for x, w in ((image[0], kernel[0]), (image, kernel[0]), (image[0], kernel)):
        output = np.zeros((3, 2))
        tutorial.conv(x, w, output, 2, 1)
        x, w = (np.broadcast_to(each, ((max(x.ndim, w.ndim) == 3 and 3) or 1, *each.shape[-2:])) for each in (x, w))
        assert_close(output, loop_conv(x, w[None], np.array([1.0]), 0, 2)[0, :3, :2])


def test_conv_stores_in_the_dtype_of_its_output() -> None:
    output = np.zeros((1, 1), np.int16)
    tutorial.conv(np.ones((2, 2), int), np.full((2, 2), 3), output, 1, 1)
    assert output.tolist() == [[13]]


def test_padding() -> None:
    image = np.array([[1, 2], [3, 4]], np.float32)
    assert tutorial.padding(image, 0) is image
    padded = tutorial.padding(image, 1)
    assert padded.dtype == np.float64
    assert padded.tolist() == [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]]
    for shape in ((3, 2, 4), (2, 3, 2, 4)):
        padded = tutorial.padding(np.ones(shape), 2)
        assert padded.shape == (*shape[:-2], 6, 8)
        assert padded.sum() == np.prod(shape)


def test_the_padded_input_is_there() -> None:
    layer, x, _, _ = made(GEOMETRIES[2])
    layer.forward(x)
    np.testing.assert_array_equal(layer.padded_input_array, np.pad(x, [(0, 0), (2, 2), (2, 2)]))
    assert layer.padded_input_array is layer.padded_input_array
    layer.forward(x + 1)
    np.testing.assert_array_equal(layer.padded_input_array, np.pad(x + 1, [(0, 0), (2, 2), (2, 2)]))


def test_a_layer_of_ones_own_with_the_forward_of_the_text() -> None:
    class Written(ConvLayer):
        def forward(self, input_array: Array) -> None:
            self.input_array = input_array
            self.padded_input_array = cnn.padding(input_array, self.zero_padding)
            for f in range(self.filter_number):
                each = self.filters[f]
                cnn.conv(
                    self.padded_input_array, each.get_weights(), self.output_array[f], self.stride, each.get_bias()
                )
            cnn.element_wise_op(self.output_array, self.activator.forward)

    layer, x, _, _ = made(GEOMETRIES[2], tutorial.ReluActivator())
    written = Written(*GEOMETRIES[2], tutorial.ReluActivator(), 0.1)
    written.filters = layer.filters
    dy = np.ones(layer.output_array.shape)
    layer.backward(x, dy, tutorial.SigmoidActivator())
    wanted = gradients_of(layer)
    written.backward(x, dy, tutorial.SigmoidActivator())
    assert_close(written.output_array, layer.output_array)
    assert_close(written.delta_array, layer.delta_array)
    for actual, expected in zip(gradients_of(written), wanted):
        assert_close(actual, expected)


def test_expanded_sensitivities_stand_where_the_stride_puts_them() -> None:
    layer, _, _, _ = made((8, 6, 1, 2, 3, 4, 1, 3))
    dy = np.arange(4 * 2 * 3).reshape(4, 2, 3) + 1
    expanded = layer.expand_sensitivity_map(dy)
    assert expanded.shape == (4, 6, 9)
    np.testing.assert_array_equal(expanded[:, [0, 3]][:, :, [0, 3, 6]], dy)
    assert expanded.sum() == dy.sum()
    assert layer.create_delta_array().shape == (1, 6, 8)
    with pytest.raises(InvalidValueError, match=r"expand_sensitivity_map: sensitivity_array must have shape \(2, 3\)"):
        layer.expand_sensitivity_map(np.ones((4, 1, 1)))


@pytest.mark.parametrize(
    ("size", "filter_", "pad", "stride", "wanted"), [(5, 3, 1, 2, 3), (8, 3, 0, 2, 3), (4, 1, 2, 5, 2)]
)
def test_output_sizes(size: int, filter_: int, pad: int, stride: int, wanted: int) -> None:
    assert ConvLayer.calculate_output_size(size, filter_, pad, stride) == wanted


# What is refused.


def layer_of(**changed: Any) -> ConvLayer:
    arguments = {
        "input_width": 6, "input_height": 5, "channel_number": 3, "filter_width": 3, "filter_height": 2,
        "filter_number": 4, "zero_padding": 1, "stride": 2,
    }  # fmt: skip
    return ConvLayer(**{**arguments, **changed}, activator=tutorial.IdentityActivator(), learning_rate=0.1)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"stride": 0}, InvalidValueError, "ConvLayer: stride must be at least 1, but got 0"),
        ({"filter_width": 3.0}, InvalidTypeError, "ConvLayer: filter_width must be an integer, but got 3.0"),
        ({"zero_padding": -1}, InvalidValueError, "ConvLayer: zero_padding must be at least 0"),
        ({"filter_height": 8}, InvalidValueError, "ConvLayer: the window must fit .* window of 8 cells .* along H"),
        ({"filter_number": 0}, InvalidValueError, "ConvLayer: filter_number must be at least 1"),
    ],
)
def test_impossible_layers(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        layer_of(**changed)


def test_inputs_of_another_shape() -> None:
    layer, identity = layer_of(), tutorial.IdentityActivator()
    with pytest.raises(InvalidValueError, match=r"input_array must have shape \(3, 5, 6\) \(depth, height, width\)"):
        layer.forward(np.zeros((3, 4, 6)))
    with pytest.raises(InvalidValueError, match="The constructor takes widths before heights"):
        layer.forward(np.zeros((3, 6, 5)))
    with pytest.raises(InvalidTypeError, match=r"input_array must have a float16.* complex128"):
        layer.forward(np.zeros((3, 5, 6), complex))
    with pytest.raises(InvalidValueError, match=r"sensitivity_array must have shape \(4, 3, 3\) .*got \(4, 3, 4\)"):
        layer.backward(np.zeros((3, 5, 6)), np.zeros((4, 3, 4)), identity)
    with pytest.raises(InvalidValueError, match="sensitivity_array must have as many images as input_array, 2, but"):
        layer.backward(np.zeros((2, 3, 5, 6)), np.zeros((4, 3, 3)), identity)
    with pytest.raises(InvalidValueError, match=r"MaxPoolingLayer.forward: input_array must have shape \(2, 4, 4\)"):
        init_pool_test()[2].forward(np.zeros((4, 4)))


def test_filters_of_another_shape() -> None:
    layer, x = layer_of(), np.zeros((3, 5, 6))
    layer.filters[1].weights = np.zeros((3, 3, 2))
    with pytest.raises(InvalidValueError, match=r"filters\[1\].weights must have shape \(3, 2, 3\) \(depth, h"):
        layer.forward(x)
    for bias in (np.zeros(4), None, "3", 1j):
        layer = layer_of()
        layer.filters[2].bias = bias
        with pytest.raises(InvalidTypeError, match=r"filters\[2\].bias must be one real number"):
            layer.forward(x)
    layer = layer_of()
    layer.filters.pop()
    with pytest.raises(InvalidValueError, match="filters must have filter_number=4 filters, but got 3"):
        layer.forward(x)


def test_gradients_before_a_forward_pass() -> None:
    with pytest.raises(NotRunError, match=r"ConvLayer.bp_gradient: forward must run first"):
        layer_of().bp_gradient(np.zeros((4, 3, 3)))


def test_functions_refuse_what_does_not_fit() -> None:
    with pytest.raises(InvalidValueError, match="conv: output_array must have at most 2 rows and 3 columns"):
        tutorial.conv(np.zeros((3, 4)), np.zeros((2, 2)), np.zeros((3, 3)), 1, 0)
    with pytest.raises(InvalidValueError, match="kernel_array must have the channels of input_array, 3, but got 2"):
        tutorial.conv(np.zeros((3, 4, 4)), np.zeros((2, 2, 2)), np.zeros((1, 1)), 1, 0)
    with pytest.raises(InvalidValueError, match="conv: input_array must have 2 or 3 axes"):
        tutorial.conv(np.zeros(3), np.zeros((2, 2)), np.zeros((1, 1)), 1, 0)
    with pytest.raises(InvalidTypeError, match="conv: output_array must be an array with two axes"):
        tutorial.conv(np.zeros((3, 4)), np.zeros((2, 2)), [[0]], 1, 0)
    for shape in ((3,), (0, 3)):
        with pytest.raises(InvalidValueError, match="get_max_index: array must have two axes"):
            tutorial.get_max_index(np.zeros(shape))
    with pytest.raises(InvalidValueError, match="get_patch: input_array must have at least two axes"):
        tutorial.get_patch(np.zeros(3), 0, 0, 1, 1, 1)
    with pytest.raises(InvalidValueError, match="padding: zp must be at least 0"):
        tutorial.padding(np.zeros((2, 2)), -1)
