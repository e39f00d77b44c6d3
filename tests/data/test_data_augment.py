"""Augmentation against loops: the same draws, one image and one pixel at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import MEMORY, stored

from fastconv.data.augment import MODES, Augmentation, Compose, RandomCrop, RandomFlip, RandomShift
from fastconv.errors import InvalidTypeError, InvalidValueError

Array = np.ndarray


def batch(shape: tuple[int, ...] = (7, 3, 5, 4), dtype: str = "uint8") -> Array:
    """Every pixel is different, as far as the dtype goes."""
    return np.arange(1, np.prod(shape) + 1).reshape(shape).astype(dtype)


def at(plane: Array, i: int, j: int, mode: str) -> Any:
    """A pixel of a plane that goes on beyond its border."""
    H, W = plane.shape
    if mode == "constant":
        return plane[i, j] if 0 <= i < H and 0 <= j < W else 0
    return plane[_mirrored(i, H, mode), _mirrored(j, W, mode)]


def _mirrored(i: int, size: int, mode: str) -> int:
    if mode == "edge":
        return min(max(i, 0), size - 1)
    if mode == "wrap":
        return i % size
    twice = 0 if mode == "reflect" else 1  # whether the border itself is repeated
    if i < 0:
        return -i - twice
    return 2 * (size - 1) - i + twice if i >= size else i


def cropped(images: Array, tops: Array, lefts: Array, size: tuple[int, int], mode: str) -> Array:
    """Windows whose corners are at (top, left) of the images before padding."""
    N, C, _, _ = images.shape
    out = np.zeros((N, C, *size), images.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(size[0]):
                for j in range(size[1]):
                    out[n, c, i, j] = at(images[n, c], i + tops[n], j + lefts[n], mode)
    return out


# each against its loop


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "float64"])
@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_flip(p: float, dtype: str) -> None:
    images = batch(dtype=dtype)
    result = RandomFlip(p)(images, np.random.default_rng(1))
    draws = np.random.default_rng(1).random(len(images), dtype=np.float32)
    expected = np.stack([image[:, :, ::-1] if draw < p else image for image, draw in zip(images, draws)])
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == dtype


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pixels", [0, 1, (3, 2), (0, 3)])
def test_shift(pixels: Any, mode: str) -> None:
    images = batch()
    if mode == "reflect" and pixels == (0, 3):
        images = batch((5, 1, 2, 5))
    result = RandomShift(pixels, mode)(images, np.random.default_rng(2))
    rng = np.random.default_rng(2)
    ph, pw = (pixels, pixels) if isinstance(pixels, int) else pixels
    N, _, H, W = images.shape
    tops, lefts = rng.integers(0, 2 * ph + 1, N) - ph, rng.integers(0, 2 * pw + 1, N) - pw
    np.testing.assert_array_equal(result, cropped(images, tops, lefts, (H, W), mode))
    assert result.dtype == images.dtype


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
@pytest.mark.parametrize(("size", "padding"), [(3, 0), ((5, 4), 0), ((2, 4), (0, 1)), ((6, 3), (2, 1)), (1, 2)])
def test_crop(size: Any, padding: Any, mode: str) -> None:
    images = batch(dtype="float32")
    result = RandomCrop(size, padding, mode)(images, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    h, w = (size, size) if isinstance(size, int) else size
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    N, _, H, W = images.shape
    tops, lefts = rng.integers(0, H + 2 * ph - h + 1, N) - ph, rng.integers(0, W + 2 * pw - w + 1, N) - pw
    np.testing.assert_array_equal(result, cropped(images, tops, lefts, (h, w), mode))
    assert result.dtype == np.float32


def test_every_position_comes_up() -> None:
    images = np.zeros((2000, 1, 3, 4), np.uint8)
    images[:, 0, 1, 1] = 1
    moved = RandomShift((1, 2))(images, np.random.default_rng(0))
    count = moved.sum(axis=(0, 1), dtype=int)
    assert (count > 0).all()  # shifts of -1..1 and -2..2 take the pixel to any place of 3 x 4, or out of sight
    assert count.sum() < 2000
    flips = RandomFlip(0.3)(np.tile(np.array([[[[1, 0]]]], np.uint8), (2000, 1, 1, 1)), np.random.default_rng(0))
    assert 500 < flips[:, 0, 0, 1].sum(dtype=int) < 700


def test_compose_hands_the_generator_on() -> None:
    images, steps = batch(), (RandomFlip(), RandomCrop((4, 3), 1), RandomShift(1, "edge"))
    result = Compose(*steps)(images, np.random.default_rng(4))
    rng, expected = np.random.default_rng(4), images
    for step in steps:
        expected = step(expected, rng)
    np.testing.assert_array_equal(result, expected)
    assert result.shape == (7, 3, 4, 3)
    assert (
        repr(Compose(RandomFlip(), RandomShift(2)))
        == "Compose(RandomFlip(p=0.5), RandomShift(pixels=2, mode='constant'))"
    )
    assert Compose(lambda images, rng: images + np.uint8(1))(images, np.random.default_rng(0))[0, 0, 0, 0] == 2


# what all of them promise

STEPS = (
    RandomFlip(0.5),
    RandomShift((1, 2)),
    RandomShift(2, "wrap"),
    RandomCrop((3, 4)),
    RandomCrop((5, 4), 1, "edge"),
    Compose(RandomFlip(), RandomCrop(4, 2)),
)


@pytest.mark.parametrize("order", sorted(MEMORY))
@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_input_is_kept_whatever_its_strides(step: Augmentation, order: str) -> None:
    images = batch()
    given_as = stored(images, order)
    before = given_as.copy()
    result = step(given_as, np.random.default_rng(5))
    np.testing.assert_array_equal(given_as, before)
    assert not np.shares_memory(result, given_as)
    np.testing.assert_array_equal(result, step(images, np.random.default_rng(5)))


@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_an_empty_batch_and_one_image(step: Augmentation) -> None:
    whole = step(batch(), np.random.default_rng(0))
    assert step(batch()[:0], np.random.default_rng(0)).shape == (0, *whole.shape[1:])
    assert step(batch()[:1], np.random.default_rng(0)).shape == (1, *whole.shape[1:])


@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_the_generator_decides(step: Augmentation) -> None:
    images, rng = batch((40, 1, 5, 4)), np.random.default_rng(6)
    first, second = step(images, rng), step(images, rng)
    np.testing.assert_array_equal(first, step(images, np.random.default_rng(6)))
    assert (first != second).any()


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 3), st.integers(0, 3), st.integers(0, 99))
def test_a_crop_of_whole_images_is_a_shift(height: int, width: int, ph: int, pw: int, seed: int) -> None:
    images = batch((4, 2, height, width))
    shifted = RandomShift((ph, pw))(images, np.random.default_rng(seed))
    crop = RandomCrop((height, width), (ph, pw))(images, np.random.default_rng(seed))
    np.testing.assert_array_equal(shifted, crop)


# what is refused


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (
            lambda: RandomFlip(1.5),
            InvalidValueError,
            "RandomFlip: p must be a probability between 0 and 1, but got 1.5",
        ),
        (lambda: RandomFlip("half"), InvalidTypeError, "p must be a number, but got 'half'"),
        (lambda: RandomShift(-1), InvalidValueError, "pixels must be at least 0"),
        (lambda: RandomShift(1.0), InvalidTypeError, "pixels must be an integer or a sequence"),
        (lambda: RandomShift(1, "blur"), InvalidValueError, "mode must be one of 'constant', 'edge'.*'blur'"),
        (lambda: RandomCrop(0), InvalidValueError, "size must be at least 1"),
        (lambda: RandomCrop(3, (1, 2, 3)), InvalidValueError, "padding must be one integer or a sequence of 2"),
        (lambda: Compose([RandomFlip()]), InvalidTypeError, "every step must be callable.*one by one"),
    ],
)
def test_steps_that_cannot_be(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


@pytest.mark.parametrize(
    ("step", "images", "rng", "kind", "message"),
    [
        (RandomCrop(6), batch(), 0, InvalidTypeError, "rng must be a numpy.random.Generator.*but got 0"),
        (RandomFlip(), batch(), 0, InvalidTypeError, "RandomFlip: rng must be a numpy.random.Generator"),
        (RandomFlip(), batch()[0], None, InvalidValueError, r"images must have 4 axes \(N, C, H, W\)"),
        (
            RandomCrop((6, 4)),
            batch(),
            None,
            InvalidValueError,
            r"size must fit into the padded images, but got 6x4 of 5x4",
        ),
        (
            RandomShift((0, 4), "reflect"),
            batch(),
            None,
            InvalidValueError,
            "at most 3 cells.*along W with mode 'reflect'",
        ),
        (RandomShift((6, 0), "wrap"), batch(), None, InvalidValueError, "at most 5 cells.*along H with mode 'wrap'"),
    ],
)
def test_calls_that_cannot_be(step: Augmentation, images: Array, rng: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        step(images, np.random.default_rng(0) if rng is None else rng)
