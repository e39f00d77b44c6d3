"""Random changes of a batch of images that leave its labels true.

Each is called as ``augment(images, rng)`` on an (N, C, H, W) array, keeps its dtype, never modifies it, and draws for
every image on its own. The same generator state gives the same images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.data.dataset import check_generator
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.validation.arrays import Array, check_array, check_rank
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice, check_sizes

Augmentation = Callable[[Array, np.random.Generator], Array]

# As np.pad names them.
MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def _batch(operation: str, images: object) -> Array:
    array = check_array(operation, "images", images)
    check_rank(operation, "images", array.shape, 2, channels_last=False)
    return array


def _padded(operation: str, images: Array, padding: tuple[int, ...], mode: str) -> Array:
    if padding == (0, 0):
        return images
    largest = {"reflect": -1, "symmetric": 0, "wrap": 0}.get(mode)
    for letter, pad, extent in zip("HW", padding, images.shape[2:]):
        if largest is not None and pad > extent + largest:
            raise InvalidValueError(
                f"{operation}: at most {extent + largest} cells must be padded along {letter} with mode {mode!r}, but "
                f"got {pad} (images {images.shape})."
            )
    out = (*images.shape[:2], *(size + 2 * pad for size, pad in zip(images.shape[2:], padding)))
    check_fits(operation, "the padded images", out, images.itemsize)
    widths = ((0, 0), (0, 0), *((pad, pad) for pad in padding))
    return np.pad(images, widths, mode=mode)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True)
class RandomFlip:
    """Mirror images left to right.

    Parameters
    ----------
    p : float
        Probability for each image.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data.augment import RandomFlip
    >>> RandomFlip(p=1)(np.array([[[[1, 2, 3]]]], np.uint8), np.random.default_rng(0))
    array([[[[3, 2, 1]]]], dtype=uint8)
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.p, bool) or not isinstance(self.p, (int, float, np.floating)):
            raise InvalidTypeError(f"RandomFlip: p must be a number, but got {shown(self.p)}.")
        if not 0 <= self.p <= 1:
            raise InvalidValueError(f"RandomFlip: p must be a probability between 0 and 1, but got {shown(self.p)}.")

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return images (N, C, H, W) of the same shape and dtype; draws N numbers."""
        batch = _batch("RandomFlip", images)
        chosen = check_generator("RandomFlip", rng).random(len(batch), dtype=np.float32) < self.p
        flipped = batch.copy()
        flipped[chosen] = batch[chosen, :, :, ::-1]
        return flipped


@dataclass(frozen=True)
class RandomShift:
    """Move images by whole pixels, up or down and left or right, in place of what was there.

    Parameters
    ----------
    pixels : int or (int, int)
        Largest shift, per axis (height first); each shift from ``-pixels`` to ``pixels`` is equally likely.
    mode : {"constant", "edge", "reflect", "symmetric", "wrap"}
        What comes in at the border, as `numpy.pad` names it; "constant" is zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data.augment import RandomShift
    >>> images = np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4)
    >>> RandomShift((0, 1))(images, np.random.default_rng(3))[0, 0]
    array([[ 1,  2,  3,  0],
           [ 5,  6,  7,  0],
           [ 9, 10, 11,  0]], dtype=uint8)
    """

    pixels: int | tuple[int, int]
    mode: str = "constant"

    def __post_init__(self) -> None:
        check_sizes("RandomShift", "pixels", self.pixels, 2, 0)
        check_choice("RandomShift", "mode", self.mode, MODES)

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return images (N, C, H, W) of the same shape and dtype; draws N vertical, then N horizontal positions."""
        batch = _batch("RandomShift", images)
        return _crop("RandomShift", batch, batch.shape[2:], self.pixels, self.mode, rng)


@dataclass(frozen=True)
class RandomCrop:
    """Pad images, and cut a window out of each at a random place.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the result.
    padding : int or (int, int)
        Cells added on each side before, per axis (height first).
    mode : {"constant", "edge", "reflect", "symmetric", "wrap"}
        What is in them, as `numpy.pad` names it; "constant" is zeros.

    Notes
    -----
    ``RandomCrop(32, padding=4)`` after a `RandomFlip` is the augmentation of He et al. (2016), "Deep Residual Learning
    for Image Recognition", section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data.augment import RandomCrop
    >>> images = np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4)
    >>> RandomCrop((2, 3))(images, np.random.default_rng(0))[0, 0]
    array([[ 5,  6,  7],
           [ 9, 10, 11]], dtype=uint8)
    """

    size: int | tuple[int, int]
    padding: int | tuple[int, int] = 0
    mode: str = "constant"

    def __post_init__(self) -> None:
        check_sizes("RandomCrop", "size", self.size, 2, 1)
        check_sizes("RandomCrop", "padding", self.padding, 2, 0)
        check_choice("RandomCrop", "mode", self.mode, MODES)

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return images (N, C) + size of the same dtype; draws N vertical, then N horizontal positions."""
        size = check_sizes("RandomCrop", "size", self.size, 2, 1)
        return _crop("RandomCrop", _batch("RandomCrop", images), size, self.padding, self.mode, rng)


def _crop(
    operation: str, batch: Array, size: tuple[int, ...], padding: Any, mode: str, rng: np.random.Generator
) -> Array:
    """Pad images, and cut a window of `size` out of each at its own place."""
    generator = check_generator(operation, rng)
    height, width = size
    padded = _padded(operation, batch, check_sizes(operation, "padding", padding, 2, 0), mode)
    N, _, PH, PW = padded.shape
    if height > PH or width > PW:
        raise InvalidValueError(
            f"{operation}: size must fit into the padded images, but got {height}x{width} of {PH}x{PW} (images "
            f"{batch.shape}, padding {padding})."
        )
    top, left = (generator.integers(0, room + 1, N) for room in (PH - height, PW - width))
    views = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))  # (N, C, tops, lefts, H, W)
    cut: Array = views[np.arange(N), :, top, left]
    return cut


class Compose:
    """Apply augmentations one after the other.

    Parameters
    ----------
    *steps : callable
        Each is called as ``step(images, rng)``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data.augment import Compose, RandomCrop, RandomFlip
    >>> augment = Compose(RandomFlip(), RandomCrop((32, 30), padding=4))
    >>> augment
    Compose(RandomFlip(p=0.5), RandomCrop(size=(32, 30), padding=4, mode='constant'))
    >>> augment(np.zeros((5, 3, 32, 32), np.float32), np.random.default_rng(0)).shape
    (5, 3, 32, 30)
    """

    def __init__(self, *steps: Augmentation) -> None:
        for step in steps:
            if not callable(step):
                raise InvalidTypeError(
                    f"Compose: every step must be callable as step(images, rng), but got {step!r}. Pass the steps one "
                    "by one, not as a list."
                )
        self.steps = steps

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return what the last step returns; the generator is handed to the steps in turn."""
        for step in self.steps:
            images = step(images, rng)
        return images

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.steps))})"
