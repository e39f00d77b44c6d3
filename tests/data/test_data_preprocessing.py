"""Preprocessing against its definition in float64, and that nothing of it is float64."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from fastconv.data import Dataset, as_float, channel_statistics, normalise, subtract_mean_image
from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.testing import assert_close

Array = np.ndarray


def drawn(count: int = 7, dtype: str = "uint8") -> Array:
    """Bytes, or numbers between 0 and 1."""
    values = np.random.default_rng(0).integers(0, 256, (count, 3, 4, 5))
    return values.astype(dtype) if dtype == "uint8" else (values / 255).astype(dtype)


def assert_float32(result: Array, expected: Array, size: Any) -> None:
    """Held against float64, to within the rounding error of float32."""
    assert result.dtype == np.float32
    assert_close(result, expected.astype(np.float32), magnitude=size)


def test_bytes_become_float32_between_0_and_1() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    result = as_float(every)
    assert_float32(result, np.arange(256).reshape(1, 1, 16, 16) / 255, 1.0)
    assert (result[0, 0, 0, 0], result[0, 0, 15, 15]) == (0, 1)


def test_float_images_are_left_alone() -> None:
    x = drawn(dtype="float32")
    assert as_float(x) is x
    data = Dataset(x, np.zeros(7, int))
    assert as_float(data) is data


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("count", [1, 7, 600])  # 600: more than one block
def test_statistics_of_each_channel(count: int, dtype: str) -> None:
    x = drawn(count, dtype)
    mean, std = channel_statistics(x)
    wide = x.astype(np.float64)
    assert_float32(mean, wide.mean(axis=(0, 2, 3)), np.abs(wide).max())
    assert_float32(std, wide.std(axis=(0, 2, 3)), np.abs(wide).max())


def test_statistics_do_not_lose_digits_of_many_pixels() -> None:
    x = np.full((300, 1, 64, 64), 1000, np.float32)
    x[::2] += 1
    mean, std = channel_statistics(x)
    assert (mean.tolist(), std.tolist()) == ([1000.5], [0.5])


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_normalised_images_have_mean_0_and_deviation_1(dtype: str) -> None:
    x = drawn(40, dtype)
    before = x.copy()
    result = normalise(x, *channel_statistics(x))
    np.testing.assert_array_equal(x, before)
    wide = x.astype(np.float64)
    axes = (0, 2, 3)
    expected = (wide - wide.mean(axes, keepdims=True)) / wide.std(axes, keepdims=True)
    size = (np.abs(wide) + wide.mean(axes, keepdims=True)) / wide.std(axes, keepdims=True)
    assert_float32(result, expected, size)


def test_normalise_takes_one_number_for_all_channels() -> None:
    x = drawn()
    np.testing.assert_array_equal(normalise(x, 2, 4.0), normalise(x, [2, 2, 2], np.full(3, 4)))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_mean_image_is_that_of_the_training_images(dtype: str) -> None:
    train, other = drawn(7, dtype), drawn(3, dtype)
    kept = train.copy(), other.copy()
    results = subtract_mean_image(train, other, train[:0])
    mean = train.astype(np.float64).mean(axis=0)
    for result, source in zip(results, (train, other, train[:0])):
        assert_float32(result, source.astype(np.float64) - mean, source + mean)
    np.testing.assert_array_equal(train, kept[0])
    np.testing.assert_array_equal(other, kept[1])


def test_datasets_go_in_and_come_out() -> None:
    data = Dataset(drawn(), np.arange(7) % 2, ("a", "b"), "some")
    statistics = channel_statistics(data)
    np.testing.assert_array_equal(statistics, channel_statistics(data.images))
    (centred,) = subtract_mean_image(data)
    for result, pixels in (
        (as_float(data), as_float(data.images)),
        (normalise(data, *statistics), normalise(data.images, *statistics)),
        (centred, subtract_mean_image(data.images)[0]),
    ):
        assert isinstance(result, Dataset)
        np.testing.assert_array_equal(result.images, pixels)
        assert result.labels is data.labels
        assert (result.classes, result.name) == (data.classes, data.name)


def test_large_temporaries_are_not_float64() -> None:
    x = drawn(2000)  # 60,000 cells for each channel
    statistics = channel_statistics(x)
    tracemalloc.start()
    result = normalise(x, *statistics)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.25 * result.nbytes


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: channel_statistics(drawn()[:0]), InvalidValueError, r"images must not be empty, but got shape \(0, 3"),
        (lambda: subtract_mean_image(drawn()[:0]), InvalidValueError, "train must not be empty"),
        (
            lambda: subtract_mean_image(drawn(), drawn()[:, :, 1:]),
            InvalidValueError,
            r"\(3, 4, 5\), but got \(3, 3, 5\)",
        ),
        (lambda: normalise(drawn(), 0, [1, 0, 1]), InvalidValueError, r"std must be positive.*\[1.0, 0.0, 1.0\]"),
        (lambda: normalise(drawn(), 0, np.nan), InvalidValueError, "std must be positive"),
        (
            lambda: normalise(drawn(), [1, 2], 1),
            InvalidValueError,
            r"mean must be one number or have shape \(3,\).*\(2,\)",
        ),
        (lambda: as_float(drawn().astype(int)), InvalidTypeError, "as_float: images must be uint8 or float32"),
        (lambda: as_float(drawn()[0]), InvalidValueError, r"as_float: images must have 4 axes"),
    ],
)
def test_what_cannot_be(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
