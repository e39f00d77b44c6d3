"""From stored images to what a network takes: float32, centred, scaled."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastconv.data.dataset import Dataset, check_images
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import Array, check_array

Images = TypeVar("Images", NDArray[Any], Dataset)
Float32 = NDArray[np.float32]

_BLOCK = 256  # images that are float64 at a time: 6 MB of CIFAR-10


def _pixels(operation: str, images: object) -> Array:
    return images.images if isinstance(images, Dataset) else check_images(operation, images)


def _like(images: object, pixels: Array) -> Any:
    """Return pixels as what they came in."""
    return images.with_images(pixels) if isinstance(images, Dataset) else pixels


def as_float(images: Images) -> Images:
    """Turn bytes into float32 between 0 and 1.

    ``(N, C, H, W) uint8 -> (N, C, H, W) float32``

    Parameters
    ----------
    images : ndarray, shape (N, C, H, W), uint8 or float32; or Dataset
        Bytes are divided by 255. float32 images are returned as they are.

    Returns
    -------
    ndarray or Dataset
        As `images`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data import as_float
    >>> as_float(np.array([[[[0, 51, 255]]]], np.uint8))[0, 0, 0].tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    pixels = _pixels("as_float", images)
    if pixels.dtype == np.float32:
        return images
    scaled: Images = _like(images, np.divide(pixels, np.float32(255), dtype=np.float32))
    return scaled


def channel_statistics(images: Array | Dataset) -> tuple[Float32, Float32]:
    """Compute mean and standard deviation of each channel, over all images and pixels.

    ``(N, C, H, W) -> (C,), (C,)``

    Parameters
    ----------
    images : ndarray, shape (N, C, H, W), uint8 or float32; or Dataset
        At least one image. Take those of the training set alone.

    Returns
    -------
    mean, std : ndarray, shape (C,), float32
        In the unit of `images`: of bytes 0..255, of `as_float` images 0..1.

    Raises
    ------
    ValueError
        If there is no image.

    Notes
    -----
    Sums are taken in float64: the 51 million pixels of one CIFAR-10 channel would lose half of the digits of float32.
    The variance is the biased one, the mean of the squared differences from the mean.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data import channel_statistics
    >>> mean, std = channel_statistics(np.array([[[[0, 4]], [[7, 7]]]], np.uint8))
    >>> mean.tolist(), std.tolist()
    ([2.0, 7.0], [2.0, 0.0])
    """
    pixels = _pixels("channel_statistics", images)
    N, C, H, W = pixels.shape
    if N == 0:
        raise InvalidValueError(f"channel_statistics: images must not be empty, but got shape {pixels.shape}.")
    mean, squares = np.zeros(C), np.zeros(C)
    for start in range(0, N, _BLOCK):
        mean += pixels[start : start + _BLOCK].sum(axis=(0, 2, 3), dtype=np.float64)
    mean /= N * H * W
    for start in range(0, N, _BLOCK):
        squares += ((pixels[start : start + _BLOCK] - mean[:, None, None]) ** 2).sum(axis=(0, 2, 3))
    return mean.astype(np.float32), np.sqrt(squares / (N * H * W)).astype(np.float32)


def normalise(images: Images, mean: ArrayLike, std: ArrayLike) -> Images:
    """Subtract a mean from each channel and divide by a standard deviation.

    ``(N, C, H, W) -> (N, C, H, W) float32``

    Parameters
    ----------
    images : ndarray, shape (N, C, H, W), uint8 or float32; or Dataset
        Images, which are not modified.
    mean, std : float, or array_like of shape (C,)
        In the unit of `images`, as from `channel_statistics` of the same kind of images.

    Returns
    -------
    ndarray or Dataset
        As `images`, with float32 pixels.

    Raises
    ------
    ValueError
        If a standard deviation is not positive, or there is not one value for each channel.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data import channel_statistics, normalise
    >>> train = np.array([[[[1, 3]]], [[[3, 1]]]], np.uint8)
    >>> normalise(train, *channel_statistics(train)).ravel().tolist()
    [-1.0, 1.0, 1.0, -1.0]
    """
    pixels = _pixels("normalise", images)
    shift, scale = (_per_channel(name, value, pixels.shape[1]) for name, value in (("mean", mean), ("std", std)))
    if not (scale > 0).all():
        raise InvalidValueError(
            f"normalise: std must be positive, but got {scale.ravel().tolist()}. A channel that is the same everywhere "
            "has 0; give it 1."
        )
    values = np.subtract(pixels, shift, dtype=np.float32)
    values /= scale
    normalised: Images = _like(images, values)
    return normalised


def _per_channel(name: str, value: ArrayLike, channels: int) -> Float32:
    array = check_array("normalise", name, value)
    if array.shape not in ((), (channels,)):
        raise InvalidValueError(
            f"normalise: {name} must be one number or have shape ({channels},), one for each channel, but got shape "
            f"{array.shape}."
        )
    return np.broadcast_to(array, (channels,)).astype(np.float32)[:, None, None]  # (C, 1, 1)


def subtract_mean_image(train: Images, *others: Images) -> tuple[Images, ...]:
    """Subtract the mean of the training images, pixel by pixel, from the training images and from others.

    ``(N, C, H, W), (M, C, H, W), ... -> (N, C, H, W) float32, (M, C, H, W) float32, ...``

    Parameters
    ----------
    train : ndarray, shape (N, C, H, W), uint8 or float32; or Dataset
        Images to take the mean of; at least one.
    *others : ndarray, shape (M, C, H, W), or Dataset
        Validation and test images.

    Returns
    -------
    tuple of ndarray or Dataset
        `train` and `others`, in float32 and in the unit that they had. The arguments are not modified.

    Raises
    ------
    ValueError
        If there is no training image, or if images differ in size.

    Notes
    -----
    This is the preprocessing of the course CS231n (Stanford): ``X_train -= np.mean(X_train, axis=0)`` on pixels 0..255,
    with no division. The mean is accumulated in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data import subtract_mean_image
    >>> train = np.array([[[[0, 4]]], [[[8, 4]]]], np.uint8)
    >>> centred, other = subtract_mean_image(train, train[:1] + np.uint8(1))
    >>> centred.ravel().tolist(), other.ravel().tolist()
    ([-4.0, 0.0, 4.0, 0.0], [-3.0, 1.0])
    """
    pixels = [_pixels("subtract_mean_image", images) for images in (train, *others)]
    if len(pixels[0]) == 0:
        raise InvalidValueError(f"subtract_mean_image: train must not be empty, but got shape {pixels[0].shape}.")
    shape = pixels[0].shape[1:]
    for other in pixels:
        if other.shape[1:] != shape:
            raise InvalidValueError(
                f"subtract_mean_image: all images must have the shape of the training images, {shape}, but got "
                f"{other.shape[1:]}."
            )
    mean = pixels[0].mean(axis=0, dtype=np.float64).astype(np.float32)
    return tuple(
        _like(images, np.subtract(each, mean, dtype=np.float32)) for images, each in zip((train, *others), pixels)
    )
