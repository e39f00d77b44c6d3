"""From pictures of any size to the batch that a network takes, as a record that goes into files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastconv.data.dataset import Dataset, check_images
from fastconv.data.files import imported
from fastconv.data.preprocessing import channel_statistics, normalise
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.validation.arrays import Array, check_array, check_layout
from fastconv.validation.constructors import Constructed
from fastconv.validation.memory import check_fits
from fastconv.validation.registry import Registry
from fastconv.validation.sizes import check_integer, check_number, check_sizes, entries_of

Float32 = NDArray[np.float32]

_NAME = "Preprocessing"
_WHITE = 255.0
_OVER = 0.1  # share of white by which numbers may lie beyond it and below black: pictures that were resized do
_COLOURS = (1, 3)  # channels of a picture
_LUMA = (19595, 38470, 7471)  # of 2**16: ITU-R 601-2, in the integers of Pillow

_LARGEST = 2**31 - 1  # cells of an axis, in Pillow


@dataclass(frozen=True)
class Preprocessing(metaclass=Constructed):
    """What is done to a picture before a network sees it; call it with pictures to get a batch.

    ``(N, C, H, W) -> (N, C', H', W') float32``

    Parameters
    ----------
    size : int or (int, int), optional
        Height and width to resize to, bilinear, averaging where it shrinks. One integer stands for both; with `crop`,
        for the shorter side, and the longer one keeps its proportion.
    crop : int or (int, int), optional
        Height and width that are then cut out of the centre.
    scale : float
        What bytes are multiplied by. Floats count as bytes times ``white / 255``.
    mean, std : float or sequence of float
        Are then subtracted and divided by, one for all channels or one for each.
    channels : {1, 3}, optional
        Gray or colours, whichever the network takes; by default as many as `mean` or `std` have, or as a picture has.
    layout : {"NCHW", "NHWC"}
        Of the batch. Pictures are always (C, H, W).
    white : float, optional
        What white is in pictures of floats: 1 or, say, 255. None where nobody knows, as of numbers that were normalised
        before: then bytes and files are refused.

    Raises
    ------
    ValueError, TypeError
        If a size is not positive, a number not finite, a deviation or white not positive, or there are not as many
        numbers as channels.

    See Also
    --------
    fastconv.data.PRESETS : "imagenet", "mnist" and "cifar10".

    Notes
    -----
    A batch is ``(pixels * scale - mean) / std``, computed as `normalise` with mean and deviation in the unit of the
    pixels. So training and prediction have the same bits.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data import Preprocessing
    >>> prepare = Preprocessing(mean=0.5, std=0.5)
    >>> prepare(np.array([[[[0, 255]]]], np.uint8)).tolist()
    [[[[-1.0, 1.0]]]]
    >>> pictures = [np.zeros((3, 5, 7), np.uint8), np.zeros((1, 8, 6), np.uint8)]
    >>> Preprocessing(size=(4, 6), channels=3)(pictures).shape
    (2, 3, 4, 6)
    """

    size: int | tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    scale: float = 1 / _WHITE
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channels: int | None = None
    layout: str = "NCHW"
    white: float | None = 1.0

    def __post_init__(self) -> None:
        crop = None if self.crop is None else check_sizes(_NAME, "crop", self.crop, 2, 1)
        size: Any = self.size
        if size is not None and (crop is None or entries_of(size) is not None):
            size = check_sizes(_NAME, "size", size, 2, 1)
        elif size is not None:
            size = check_integer(_NAME, "size", size, 1)
        mean, std = _numbers("mean", self.mean), _numbers("std", self.std)
        if min(std) <= 0:
            raise InvalidValueError(f"{_NAME}: std must be positive, but got {shown(std)}.")
        white = None if self.white is None else _positive("white", self.white)
        check_layout(_NAME, self.layout, 2)
        values = {"size": size, "crop": crop, "scale": _positive("scale", self.scale), "mean": mean, "std": std}
        values["white"] = white
        for name, value in {**values, "channels": self._checked_channels(mean, std)}.items():
            object.__setattr__(self, name, value)

    def _checked_channels(self, mean: tuple[float, ...], std: tuple[float, ...]) -> int | None:
        many = max(len(mean), len(std))
        channels = many if self.channels is None and many > 1 else self.channels
        if channels is None:
            return None
        if check_integer(_NAME, "channels", channels, 1) not in _COLOURS:
            raise InvalidValueError(f"{_NAME}: channels must be 1 or 3, but got {channels}.")
        for name, numbers in (("mean", mean), ("std", std)):
            if len(numbers) not in (1, channels):
                raise InvalidValueError(
                    f"{_NAME}: {name} must be one number, or one for each of {channels} channels, but got "
                    f"{shown(numbers)}."
                )
        return int(channels)

    @classmethod
    def fitted(cls, images: Array | Dataset) -> Preprocessing:
        """Return what gives every channel of some images mean 0 and deviation 1.

        Parameters
        ----------
        images : ndarray, shape (N, C, H, W), uint8 or float32; or Dataset
            Those that a network learns from, and no others.

        Returns
        -------
        Preprocessing
            With their mean and deviation; one for all channels where they are neither gray nor colours. What is the
            same everywhere keeps its deviation.

        Raises
        ------
        ValueError
            If there is no image.

        Examples
        --------
        >>> import numpy as np
        >>> from fastconv.data import Preprocessing
        >>> images = np.array([[[[0, 255]]], [[[255, 0]]]], np.uint8)
        >>> Preprocessing.fitted(images)(images).ravel().tolist()
        [-1.0, 1.0, 1.0, -1.0]
        """
        pixels = images.images if isinstance(images, Dataset) else check_images(_NAME, images)
        if pixels.shape[1] not in _COLOURS:
            pixels = pixels.reshape(len(pixels), 1, -1, pixels.shape[3])
        white = _white_of(pixels)
        unit = np.float64(_WHITE if pixels.dtype == np.uint8 else white or 1)
        mean, std = (statistic / unit for statistic in channel_statistics(pixels))
        return cls(mean=tuple(mean), std=tuple(np.where(std > 0, std, 1)), white=white)

    @classmethod
    def leaving(cls, images: Array | Dataset) -> Preprocessing:
        """Return what leaves images of floats as they are, and makes bytes like them; of bytes their share of 255.

        Parameters
        ----------
        images : ndarray, shape (N, C, H, W), uint8 or float32; or Dataset
            Those that a network learns from.

        Returns
        -------
        Preprocessing
            Without mean and deviation.

        Examples
        --------
        >>> import numpy as np
        >>> from fastconv.data import Preprocessing
        >>> prepare = Preprocessing.leaving(np.array([[[[0.0, 254.5]]]], np.float32))
        >>> prepare(np.array([[[[51, 255]]]], np.uint8)).ravel().tolist()
        [51.0, 255.0]
        """
        white = _white_of(images.images if isinstance(images, Dataset) else check_images(_NAME, images))
        return cls(scale=(white or 1.0) / _WHITE, white=white)

    def of_files(self) -> Preprocessing:
        """Return the same for pictures that `load_image` reads: bytes, or floats between 0 and 1.

        Raises
        ------
        ValueError
            If `white` is None.
        """
        if self.white is None:
            raise InvalidValueError(
                f"{_NAME}: white must be known to prepare bytes and files, but the images that the network has learned "
                "from were neither between 0 and 1 nor between 0 and 255. Say what bytes are multiplied by to be like "
                "them (scale, --scale), such as 16/255 where 16 is white."
            )
        return replace(self, white=1.0)

    @property
    def color(self) -> str:
        """How `load_image` should read a picture: "gray", "rgb" or "auto"."""
        return {1: "gray", 3: "rgb"}.get(self.channels or 0, "auto")

    def __call__(self, images: Array | Sequence[ArrayLike]) -> Float32:
        """Return the batch of some pictures.

        Parameters
        ----------
        images : ndarray (N, C, H, W), or sequence of arrays (C, H, W)
            uint8, or floats from black 0 to `white`; those of a sequence may differ in size, and in gray and colours.

        Returns
        -------
        ndarray of float32, shape (N, C, H, W), or (N, H, W, C) where that is the layout

        Raises
        ------
        ValueError
            If a picture is smaller than `crop`, pictures differ in size and `size` is None, or they are bytes and
            `white` is None.
        TypeError
            If pictures are neither uint8 nor floats.
        ImportError
            If something has to be resized and Pillow is missing (extra ``data``).
        """
        given: object = images
        if isinstance(given, (str, bytes)) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0:
            raise InvalidTypeError(f"{_NAME}: images must be an array or pictures, but got {shown(given)}.")
        whole = isinstance(images, np.ndarray) and (len(images) == 0 or self._as_it_is(images.shape))
        batch = self._normalised(images) if whole else self._stacked(images)
        return batch if self.layout == "NCHW" else np.ascontiguousarray(batch.transpose(0, 2, 3, 1))

    def _as_it_is(self, shape: tuple[int, ...]) -> bool:
        """Whether pictures have the channels and the size already; what is wrong with them, `normalise` says."""
        if len(shape) != 4:
            return True
        size = self.crop or self.size
        return self.channels in (None, shape[1]) and size in (None, shape[2:]) and not (self.crop and self.size)

    def _stacked(self, images: Array | Sequence[ArrayLike]) -> Float32:
        pictures = [self._normalised(self._shaped(_picture(image))[np.newaxis]) for image in images]
        shapes = sorted({picture.shape[1:] for picture in pictures})
        if len(shapes) != 1:
            raise InvalidValueError(
                f"{_NAME}: pictures must have one size and as many channels, but got {shapes or 'none'}. Give size and "
                "channels to make them alike."
            )
        return np.concatenate(pictures)

    def _shaped(self, picture: Array) -> Array:
        """Return (C', H', W') of (C, H, W)."""
        picture = _with_channels(picture, self.channels)
        if self.size is not None:
            size = self.size if isinstance(self.size, tuple) else _shorter_side(picture.shape[1:], self.size)
            picture = picture if picture.shape[1:] == size else _resized(picture, size)
        return picture if self.crop is None else _centre(picture, self.crop)

    def _normalised(self, images: object) -> Float32:
        images = check_array(_NAME, "images", images)
        pixels = check_images(_NAME, images.astype(np.float32) if images.dtype.kind == "f" else images)
        if pixels.dtype == np.uint8:
            unit = self.of_files().scale
        else:
            unit = self.scale * _WHITE / (self.white or 1.0)
        mean, std = (np.array(numbers if len(numbers) > 1 else numbers[0]) / unit for numbers in (self.mean, self.std))
        return normalise(pixels, mean, std)


def _white_of(pixels: Array) -> float | None:
    """Return what white is in images: 1 or 255, and None where their numbers do not tell."""
    if pixels.dtype == np.uint8 or not pixels.size:
        return 1.0
    low, high = float(pixels.min()), float(pixels.max())
    for white, least in ((1.0, 0.0), (_WHITE, 0.5)):  # 255 needs a picture that is not all dark: digits go to 16
        if -_OVER * white <= low and least * white <= high <= (1 + _OVER) * white:
            return white
    return None


def _positive(name: str, value: object) -> float:
    number = check_number(_NAME, name, value)
    if number <= 0:
        raise InvalidValueError(f"{_NAME}: {name} must be positive, but got {value}.")
    return number


def _numbers(name: str, value: object) -> tuple[float, ...]:
    entries = entries_of(value)
    found = (value,) if entries is None else entries
    if not found:
        raise InvalidValueError(f"{_NAME}: {name} must have a number, but got {shown(value)}.")
    return tuple(check_number(_NAME, name, number) for number in found)


def _picture(image: ArrayLike) -> Array:
    picture = check_array(_NAME, "a picture", image)
    if picture.ndim != 3 or 0 in picture.shape or picture.shape[0] not in (1, 3, 4):
        raise InvalidValueError(
            f"{_NAME}: a picture must have shape (C, H, W) with 1, 3 or 4 channels, but got {picture.shape}."
        )
    if picture.dtype != np.uint8 and picture.dtype.kind != "f":
        raise InvalidTypeError(f"{_NAME}: a picture must be uint8 or floats between 0 and 1, but got {picture.dtype}.")
    return picture if picture.dtype == np.uint8 else picture.astype(np.float32, copy=False)


def _with_channels(picture: Array, channels: int | None) -> Array:
    """Make a picture gray or coloured; transparency is dropped."""
    picture = picture[:3]
    if channels in (None, len(picture)):
        return picture
    if channels == 3:
        return np.repeat(picture, 3, axis=0)
    if picture.dtype == np.uint8:
        sums = np.tensordot(_LUMA, picture.astype(np.int64), 1)
        return ((sums + 2**15) >> 16).astype(np.uint8)[np.newaxis]
    gray: Array = np.tensordot(np.array(_LUMA, np.float32) / np.float32(2**16), picture, 1)
    return gray[np.newaxis]


def _shorter_side(size: tuple[int, ...], target: int) -> tuple[int, int]:
    """Return height and width whose smaller one is `target`."""
    short = min(size)
    height, width = (target if each == short else int(target * each / short) for each in size)
    return height, width


def _resized(picture: Array, size: tuple[int, int]) -> Array:
    image = imported(_NAME, "PIL.Image", "Pillow")
    if max(size) > _LARGEST:
        raise InvalidValueError(f"{_NAME}: size must be at most {_LARGEST} cells, but got {shown(size)}.")
    check_fits(_NAME, "a picture", (len(picture), *size), picture.itemsize)
    planes = [image.fromarray(np.ascontiguousarray(plane)) for plane in picture]
    return np.stack([np.asarray(plane.resize(size[::-1], image.Resampling.BILINEAR)) for plane in planes])


def _centre(picture: Array, crop: tuple[int, int]) -> Array:
    spare = [have - wanted for have, wanted in zip(picture.shape[1:], crop)]
    if min(spare) < 0:
        raise InvalidValueError(
            f"{_NAME}: crop must be at most the size of a picture, but got {crop} of {picture.shape[1:]}. Resize to "
            "more with size."
        )
    top, left = (round(each / 2) for each in spare)
    return picture[:, top : top + crop[0], left : left + crop[1]]


PRESETS = Registry(
    "PRESETS",
    {
        "imagenet": Preprocessing(
            size=256, crop=(224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), channels=3
        ),
        "mnist": Preprocessing(size=(28, 28), channels=1),
        "cifar10": Preprocessing(size=(32, 32), mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616), channels=3),
    },
)
