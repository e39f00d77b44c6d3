"""Sizes that no memory could hold, or that this one lacks: errors with the name of who asks, and the bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv import functional, layers, losses
from fastconv.backends.numpy import NumpyBackend
from fastconv.errors import InvalidTypeError, InvalidValueError, MemoryLimitError

X = np.ones((2, 3, 4, 5), np.float32)
W = np.ones((3, 3, 1, 1), np.float32)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: layers.PReLU(2**62), "PReLU: the weights must fit into memory"),
        (lambda: layers.PReLU(2**40, dtype="float64"), "but got 8796093022208 bytes"),
        (lambda: layers.Linear(2**40, 2**20), "Linear: the weight must fit into memory"),
        (lambda: layers.Conv2d(2**20, 2**20, 3), "Conv2d: the weight must fit into memory"),
        (lambda: layers.BatchNorm2d(2**50), "BatchNorm2d: the weights must fit into memory"),
    ],
)
def test_weights_that_do_not_fit(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(MemoryLimitError) as caught:
        make()
    assert says in str(caught.value)


def test_factors_beyond_every_axis() -> None:
    for factor in (1e300, 2.0**64):
        for call in (layers.Upsample, lambda scale_factor: fc.upsample(X, scale_factor=scale_factor)):
            with pytest.raises(InvalidValueError, match=r"psample: scale_factor must be at most 2\*\*63"):
                call(scale_factor=factor)
    with pytest.raises(InvalidValueError, match="upsample: the result must have at most 2\\*\\*63 - 1 elements"):
        fc.upsample(X, scale_factor=2.0**63)


def test_a_network_whose_arrays_have_no_address_has_no_summary() -> None:
    model = layers.Sequential(layers.ReLU(), layers.Upsample(scale_factor=1e18))
    with pytest.raises(
        InvalidValueError, match=r"summary: layer 1: Upsample: the output must have at most 2\*\*63 - 1"
    ):
        fc.summary(model, (1, 1, 3, 3))


@pytest.mark.parametrize("name", [10**5000, 3, b"x"], ids=["long", "number", "bytes"])
def test_a_name_that_is_no_text(name: Any) -> None:
    with pytest.raises(InvalidTypeError, match="summary: name must be a string, but got"):
        fc.summary(layers.ReLU(), (1, 2), name=name)


def full(*_: Any) -> Any:
    return np.empty(2**58, np.float64)  # more than any machine can address


def too_little(*_: Any) -> Any:
    raise MemoryError


@pytest.fixture
def names() -> Iterator[tuple[str, str]]:
    """Names of backends that have no memory: of one NumPy says so, of the other nobody."""
    for name, function in (("full", full), ("too little", too_little)):
        methods = {each: function for each in dir(NumpyBackend) if not each.startswith("_") and each != "release"}
        fc.register_backend(name, type("Full", (NumpyBackend,), methods)())
    yield "full", "too little"
    fc.unregister_backend("full")
    fc.unregister_backend("too little")


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("conv2d", lambda: fc.conv2d(X, W)),
        ("conv2d_backward", lambda: fc.conv2d_backward(X, X, W)),
        ("conv_transpose2d", lambda: fc.conv_transpose2d(X, W)),
        ("max_pool2d", lambda: fc.max_pool2d(X, 2)),
        ("avg_pool2d_backward", lambda: fc.avg_pool2d_backward(X[..., :2, :2], X.shape, 2)),
        ("im2col", lambda: fc.im2col(X, 2)),
        ("relu", lambda: fc.relu(X)),
        ("gelu_backward", lambda: fc.gelu_backward(X, X)),
        ("softmax", lambda: fc.softmax(X)),
        ("linear", lambda: fc.linear(X[0, 0], np.ones((2, 5), np.float32))),
        ("batch_norm", lambda: functional.batch_norm(X)),
        ("layer_norm_backward", lambda: functional.layer_norm_backward(X, X, 5)),
        ("local_response_norm", lambda: functional.local_response_norm(X, 3)),
        ("upsample_backward", lambda: fc.upsample_backward(X, (2, 3, 2, 5), size=(4, 5))),
        ("softmax_cross_entropy", lambda: losses.softmax_cross_entropy(X[0, 0], [0, 1, 2, 3])),
        ("squared_error", lambda: losses.squared_error(X, X)),
        ("max_pool2d", lambda: layers.MaxPool2d(2)(X)),
        ("Dropout", lambda: layers.Dropout(rng=0)(X)),
        ("Concat", lambda: layers.Concat(layers.Identity(), layers.Identity())(X)),
    ],
)
def test_a_backend_without_memory_is_said_with_the_operation(
    names: tuple[str, str], operation: str, call: Callable[[], Any]
) -> None:
    fc.conv2d(X, W)  # whose shapes are known from now on
    known, unknown = names
    for name, lacking in ((known, f"{2**61} bytes (shape ({2**58},), float64) are not there"), (unknown, "too little")):
        with fc.use_backend(name), pytest.raises(MemoryLimitError) as caught:
            call()
        assert re.match(
            rf"{operation}\b.*: its arrays must fit into memory, but .*{re.escape(lacking)}", str(caught.value)
        )
        assert caught.value.__suppress_context__
