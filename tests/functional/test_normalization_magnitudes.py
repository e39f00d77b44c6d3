"""Normalised numbers are of the size of one, whatever the size of the input: also where squares are no float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategies import BACKENDS, Array

import fastconv as fc
from fastconv import layers
from fastconv.functional import batch_norm, batch_norm_backward, batch_norm_statistics, group_norm_backward
from fastconv.optim import SGD

SIZES = (1e-25, 1e-12, 1.0, 1e19, 1e25, 1e30, 1e35)
SHAPE = (3, 6, 5, 9)
Make = Callable[[str], layers.Layer]
# name: how to make it in a dtype, shape of its input
CASES: dict[str, tuple[Make, tuple[int, ...]]] = {
    "batch, planes": (lambda dtype: layers.BatchNorm2d(6, eps=0.0, dtype=dtype), SHAPE),
    "batch, channels last": (lambda dtype: layers.BatchNorm2d(9, eps=0.0, layout="NHWC", dtype=dtype), SHAPE),
    "batch, rows": (lambda dtype: layers.BatchNorm1d(70, eps=0.0, dtype=dtype), (11, 70)),
    "batch, blocks": (lambda dtype: layers.BatchNorm1d(2, eps=0.0, dtype=dtype), (2, 2, 2500)),
    "layer": (lambda dtype: layers.LayerNorm(SHAPE[1:], eps=0.0, dtype=dtype), SHAPE),
    "layer, rows": (lambda dtype: layers.LayerNorm(70, eps=0.0, dtype=dtype), (11, 70)),
    "group": (lambda dtype: layers.GroupNorm(2, 6, eps=0.0, dtype=dtype), SHAPE),
    "instance": (lambda dtype: layers.InstanceNorm2d(6, eps=0.0, affine=True, dtype=dtype), SHAPE),
}


def drawn(shape: tuple[int, ...], seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def results(make: Make, x: Array, dy: Array, backend: str) -> dict[str, Array]:
    layer = make(x.dtype.name)
    for parameter in layer.parameters():
        parameter.data = drawn(parameter.shape, 2)
    with fc.use_backend(backend):
        found = {"y": layer(x), "dx": layer.backward(dy)}
    found.update({f"d{name}": one.grad for name, one in layer.named_parameters()})
    return found | {name: table for name, table in layer.named_buffers() if table.dtype.kind == "f"}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_size_of_numbers_is_normalised(name: str, backend: str) -> None:
    make, shape = CASES[name]
    dy = drawn(shape, 1)
    for size in SIZES:
        x = (drawn(shape, 0) + 0.5) * np.float32(size)
        exact = results(make, x.astype(np.float64), dy.astype(np.float64), "numpy")
        for key, found in results(make, x, dy, backend).items():
            with np.errstate(over="ignore", under="ignore"):
                right = exact[key].astype(np.float32)  # a running variance may be infinite
            assert found.dtype == np.float32
            largest = np.abs(right[np.isfinite(right)]).max(initial=0)
            np.testing.assert_allclose(found, right, rtol=1e-5, atol=2e-5 * largest, err_msg=f"{key} at {size:g}")


@pytest.mark.parametrize("size", [1e15, 1e-15])
@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_and_weights_may_be_as_large_or_as_small_as_the_input(backend: str, size: float) -> None:
    """The product of the three is no float32, and every gradient is."""
    x, dy = drawn((3, 4, 3, 5), 0).astype(np.float64) * size, drawn((3, 4, 3, 5), 1).astype(np.float64) * size
    weight = drawn((4,), 2).astype(np.float64) * size

    def gradients(dtype: type, backend: str) -> list[Array | None]:
        arrays = [array.astype(dtype) for array in (dy, x, weight)]
        rest: dict[str, Any] = {"eps": 0.0, "backend": backend}
        found = batch_norm_backward(*arrays, **rest), group_norm_backward(*arrays[:2], 2, arrays[2], **rest)
        return [gradient for each in found for gradient in each]

    for found, exact in zip(gradients(np.float32, backend), gradients(np.float64, "numpy")):
        assert found is not None
        assert exact is not None
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=2e-5 * np.abs(exact).max())


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "naive"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_channels_of_different_sizes_do_not_mind_each_other(backend: str, layout: str) -> None:
    """One channel that needs other powers of two leaves the bits of its neighbours as they are."""
    channels = layout.index("C")
    x = drawn((2, 7, 7, 7), 0)
    sizes = np.array([1, 1e30, 1, 1e-25, 0, 1e20, 1], np.float32)
    mixed = x * sizes.reshape([-1 if axis == channels else 1 for axis in range(4)])
    y, alone = (batch_norm(each, eps=0.0, layout=layout, backend=backend) for each in (mixed, x))
    for c, size in enumerate(sizes):
        one, other = np.take(y, c, channels), np.take(alone, c, channels)
        if size == 1:
            np.testing.assert_array_equal(one, other)
        elif size:
            np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_float64_numbers_beyond_its_squares_agree(backend: str) -> None:
    """A variance of float64 numbers has nothing wider: it is infinite, and the result is the bias, with no NaN."""
    x = drawn((2, 3, 4, 5), 0).astype(np.float64)
    for size, spread in ((1e150, 1.0), (1e200, 0.0)):
        y = batch_norm(x * size, backend=backend)
        np.testing.assert_allclose(y.std(axis=(0, 2, 3)), spread, rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_statistics_that_are_shown_have_the_dtype_of_the_numbers(backend: str) -> None:
    mean, variance = batch_norm_statistics(np.full((2, 1, 2, 2), 1e30, np.float32) * [[[[1]], [[-1]]]], backend=backend)
    assert mean.dtype == variance.dtype == np.float64
    x = np.array([[[1e30, -1e30]]], np.float32)
    mean, variance = batch_norm_statistics(x, backend=backend)
    assert (mean.dtype, variance.dtype) == (np.float32, np.float32)
    assert (mean, variance) == (0, np.inf)


def network() -> layers.Sequential:
    return layers.Sequential(
        layers.Conv2d(3, 8, 3, padding=1, rng=0, exact=True), layers.BatchNorm2d(8), layers.ReLU(),
        layers.Residual(layers.Sequential(layers.BatchNorm2d(8)), layers.Identity()), layers.ReLU(),
        layers.GroupNorm(2, 8), layers.Flatten(), layers.Linear(8 * 6 * 5, 4, rng=0),
    )  # fmt: skip


def test_programs_and_what_they_fuse_give_the_bits_of_the_layers() -> None:
    if "fast" not in BACKENDS:
        pytest.skip("the fast backend needs Numba")
    x, labels = drawn((4, 3, 6, 5), 0) * np.float32(1e26), np.arange(4)
    model, twin = network(), network()
    loss = fc.losses.softmax_loss
    with fc.use_backend("fast"):
        optimizer = SGD(twin.parameters(), lr=0.1)
        step = fc.compile(model, x, labels, loss=loss, optimizer=SGD(model.parameters(), lr=0.1))
        for _ in range(2):
            step(x, labels)
            optimizer.zero_grad()
            twin.backward(loss(twin(x), labels)[1])
            optimizer.step()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, twin.state_dict()[name], err_msg=name)
        assert "var" in name or np.isfinite(array).all(), name
