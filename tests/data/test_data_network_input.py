"""From pictures to a batch: sizes, channels, numbers, layouts, presets, and what cannot be."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from fastconv.data import PRESETS, Dataset, Preprocessing, as_float, channel_statistics, normalise
from fastconv.errors import InvalidTypeError, InvalidValueError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 8), np.uint8)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_by_default_bytes_are_divided_by_255_and_floats_are_left() -> None:
    np.testing.assert_array_equal(Preprocessing()(IMAGES), as_float(IMAGES))
    np.testing.assert_array_equal(Preprocessing()(as_float(IMAGES)), as_float(IMAGES))
    np.testing.assert_array_equal(Preprocessing()(as_float(IMAGES).astype(np.float64)), as_float(IMAGES))


def test_it_has_the_bits_of_normalise() -> None:
    mean, std = channel_statistics(IMAGES)
    prepare = Preprocessing(mean=tuple(mean / np.float64(255)), std=tuple(std / np.float64(255)))
    np.testing.assert_array_equal(prepare(IMAGES), normalise(IMAGES, mean, std))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_fitted_gives_mean_0_and_deviation_1_to_channels_that_are_not_constant(channels: int, dtype: Any) -> None:
    images = np.random.default_rng(0).integers(20, 90, (7, channels, 5, 4)).astype(dtype)
    images[:, 0] //= 3
    prepared = Preprocessing.fitted(images)(images)
    axes = (0, 2, 3) if channels in (1, 3) else None
    np.testing.assert_allclose(prepared.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(prepared.std(axes), 1, atol=1e-5)
    data = Dataset(images, np.zeros(7, int))
    np.testing.assert_array_equal(Preprocessing.fitted(data)(images), prepared)
    flat = np.full_like(images, 7)
    np.testing.assert_allclose(Preprocessing.fitted(flat)(flat), 0, atol=1e-6)


@pytest.mark.parametrize("make", [Preprocessing.fitted, Preprocessing.leaving])
@pytest.mark.parametrize("white", [1, 255])
def test_bytes_count_as_the_floats_that_a_network_has_learned_from(make: Any, white: int) -> None:
    floats = as_float(IMAGES) * np.float32(white)
    floats[0, 0, 0, 0], floats[0, 0, 0, 1] = -0.01 * white, 1.01 * white  # as where pictures were resized
    prepare = make(floats)
    assert prepare.white == white
    np.testing.assert_allclose(prepare(IMAGES)[1:], prepare(floats)[1:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(prepare.of_files()(as_float(IMAGES)), prepare(IMAGES), rtol=1e-5, atol=1e-5)
    if make == Preprocessing.leaving:
        np.testing.assert_allclose(prepare(floats), floats, rtol=1e-6)


@pytest.mark.parametrize("make", [Preprocessing.fitted, Preprocessing.leaving])
@pytest.mark.parametrize("change", [lambda x: x - 0.5, lambda x: 16 * x, lambda x: 1000 * x])
def test_bytes_are_refused_where_nobody_knows_what_white_was(make: Any, change: Any) -> None:
    floats = change(as_float(IMAGES))
    prepare = make(floats)
    np.testing.assert_allclose(prepare(floats), floats if make == Preprocessing.leaving else prepare(floats))
    with pytest.raises(InvalidValueError, match=r"Preprocessing: white must be known .* but the images .*scale"):
        prepare(IMAGES)


def test_the_formula_for_bytes_and_for_floats() -> None:
    prepare = Preprocessing(scale=1 / 128, mean=MEAN, std=STD)
    expected = (IMAGES / 128 - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
    np.testing.assert_allclose(prepare(IMAGES), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(prepare(as_float(IMAGES)), expected, rtol=1e-5, atol=1e-6)
    assert prepare(IMAGES).dtype == np.float32


def test_a_batch_of_the_right_size_equals_its_pictures_one_by_one() -> None:
    prepare = Preprocessing(size=(6, 8), mean=MEAN, std=STD)
    np.testing.assert_array_equal(prepare(IMAGES), prepare(list(IMAGES)))


def test_channels_last_is_the_same_batch() -> None:
    prepare = Preprocessing(mean=MEAN, std=STD, crop=(4, 2))
    last = replace(prepare, layout="NHWC")(IMAGES)
    np.testing.assert_array_equal(last, prepare(IMAGES).transpose(0, 2, 3, 1))
    assert last.flags.c_contiguous


def test_a_crop_is_the_centre() -> None:
    np.testing.assert_array_equal(Preprocessing(scale=1, crop=(4, 2))(IMAGES), IMAGES[:, :, 1:5, 3:5])


def test_gray_and_colours() -> None:
    gray, clear = IMAGES[0, :1], np.concatenate([IMAGES[0], IMAGES[0, :1]])
    np.testing.assert_array_equal(Preprocessing(scale=1, channels=3)([gray])[0], np.repeat(gray, 3, axis=0))
    np.testing.assert_array_equal(Preprocessing(scale=1)([clear])[0], IMAGES[0])
    found = Preprocessing(scale=1, channels=1)(IMAGES)[:, 0]
    luma = np.tensordot([0.299, 0.587, 0.114], IMAGES, (0, 1))
    assert np.abs(found - luma).max() <= 0.51
    np.testing.assert_allclose(Preprocessing(channels=1)(as_float(IMAGES))[:, 0], luma / 255, atol=1e-4)
    assert Preprocessing(mean=MEAN).channels == 3
    assert [Preprocessing(channels=n).color for n in (None, 1, 3)] == ["auto", "gray", "rgb"]


def test_resizing_is_that_of_pillow() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    picture = image.fromarray(IMAGES[0].transpose(1, 2, 0)).resize((5, 9), image.Resampling.BILINEAR)
    found = Preprocessing(size=(9, 5), scale=1)([IMAGES[0]])[0]
    np.testing.assert_array_equal(found, np.asarray(picture).transpose(2, 0, 1))
    floats = Preprocessing(size=(9, 5))([as_float(IMAGES)[0]])[0]
    assert np.abs(floats * 255 - found).max() < 1.1  # bytes are rounded twice


def test_one_size_is_a_square_and_with_a_crop_the_shorter_side() -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed")
    tall = np.zeros((3, 13, 7), np.uint8)
    assert Preprocessing(size=4).size == (4, 4)
    assert Preprocessing(size=4)([tall, IMAGES[0]]).shape == (2, 3, 4, 4)
    shrunk = Preprocessing(size=14, crop=(26, 10))  # 13×7 becomes 26×14
    assert shrunk([tall]).shape == (1, 3, 26, 10)
    assert PRESETS["imagenet"]([IMAGES[0], tall]).shape == (2, 3, 224, 224)


def test_presets_have_the_shapes_of_their_data() -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed")
    shapes = {name: preset([IMAGES[0]]).shape for name, preset in PRESETS.items()}
    assert shapes == {"imagenet": (1, 3, 224, 224), "mnist": (1, 1, 28, 28), "cifar10": (1, 3, 32, 32)}
    mnist = np.zeros((2, 1, 28, 28), np.uint8)
    assert PRESETS["mnist"](mnist).shape == mnist.shape


def test_plain_values_make_it_again() -> None:
    for preset in PRESETS.values():
        assert Preprocessing(**asdict(preset)) == preset
    assert Preprocessing(mean=[0.5, 0.5, 0.5], size=[4, 5]) == Preprocessing(mean=(0.5,) * 3, size=(4, 5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"size": 0}, "size must be at least 1"),
        ({"size": (1, 2, 3)}, "size must be one integer or a sequence of 2"),
        ({"crop": (-1, 2)}, "crop must be at least 1"),
        ({"size": 0, "crop": 2}, "size must be at least 1"),
        ({"scale": 0}, "scale must be positive"),
        ({"scale": float("nan")}, "scale must be a finite number"),
        ({"std": (1.0, 0.0, 1.0)}, "std must be positive"),
        ({"mean": ()}, "mean must have a number"),
        ({"channels": 2}, "channels must be 1 or 3"),
        ({"channels": 1, "mean": MEAN}, "mean must be one number, or one for each of 1 channels"),
        ({"mean": (0.1, 0.2)}, "channels must be 1 or 3"),
        ({"layout": "CHW"}, "layout must be 'NCHW' or 'NHWC'"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], rule: str) -> None:
    with pytest.raises(InvalidValueError, match=f"Preprocessing: {rule}"):
        Preprocessing(**options)


@pytest.mark.parametrize("options", [{"size": 2.0}, {"mean": "0.5"}, {"channels": True}, {"std": None}])
def test_other_types_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidTypeError, match="Preprocessing: "):
        Preprocessing(**options)


def test_pictures_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"must have 4 axes \(N, C, H, W\)"):
        Preprocessing()(IMAGES[0])
    with pytest.raises(InvalidValueError, match=r"a picture must have shape \(C, H, W\)"):
        Preprocessing(channels=1)([IMAGES])
    with pytest.raises(InvalidTypeError, match="uint8 or float"):
        Preprocessing()([IMAGES[0].astype(np.int64)])
    with pytest.raises(InvalidValueError, match=r"pictures must have one size .* Give size"):
        Preprocessing()([IMAGES[0], IMAGES[0, :, :5]])
    with pytest.raises(InvalidValueError, match="crop must be at most the size of a picture"):
        Preprocessing(crop=(7, 7))(IMAGES)
    with pytest.raises(InvalidValueError, match="pictures must have one size"):
        Preprocessing(size=4)([])
