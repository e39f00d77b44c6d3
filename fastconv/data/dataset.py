"""Inputs of a network in memory, such as images, each with its label or target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import index as as_index
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastconv.data.targets import check_range, check_targets, numbered_classes
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.validation.arrays import COLOURS, LAYOUTS, Array, check_array, check_layout
from fastconv.validation.constructors import Constructed
from fastconv.validation.sizes import check_flag, check_integer

_GENERATOR = "a numpy.random.Generator, for example np.random.default_rng(0)"
_SMALLEST = 8  # pixels of a side of the smallest pictures that there are
IMAGE_DTYPES = (np.dtype(np.uint8), np.dtype(np.float32))


def check_generator(operation: str, rng: object) -> np.random.Generator:
    """Return `rng`, which must be a generator: a seed would draw the same numbers in every call."""
    if isinstance(rng, np.random.Generator):
        return rng
    raise InvalidTypeError(f"{operation}: rng must be {_GENERATOR}, but got {shown(rng)}.")


def check_rng(operation: str, rng: object) -> np.random.Generator:
    """Return a generator: `rng` itself, or a new one if it is a seed."""
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.default_rng(check_integer(operation, "rng", rng, 0, f"a seed or {_GENERATOR}"))


def check_images(operation: str, images: object, name: str = "images") -> Array:
    """Return `images`, which must be an (N, C, H, W) array of uint8 or float32."""
    array = check_array(operation, name, images)
    if array.dtype in IMAGE_DTYPES and array.ndim != 4:
        raise InvalidValueError(
            f"{operation}: {name} must have 4 axes (N, C, H, W), but got {array.ndim} (shape {array.shape})."
        )
    return _check_inputs(operation, array, name)


def _check_inputs(operation: str, inputs: object, name: str = "images") -> Array:
    """Return `inputs`, which must be an (N, ...) array of uint8 or float32."""
    array = check_array(operation, name, inputs)
    if array.dtype not in IMAGE_DTYPES:
        raise InvalidTypeError(
            f"{operation}: {name} must be uint8 or float32, but got {array.dtype} (shape {array.shape}). "
            "Convert them first, for example with .astype(np.float32)."
        )
    if array.ndim < 2:
        raise InvalidValueError(
            f"{operation}: {name} must have at least 2 axes, (N, C, H, W) for images, but got {array.ndim} "
            f"(shape {array.shape})."
        )
    if 0 in array.shape[1:]:
        raise InvalidValueError(
            f"{operation}: {name} must not have an empty axis other than N, but got shape {array.shape}."
        )
    return array


def colours_last(shape: tuple[int, ...]) -> bool:
    """Whether inputs look like pictures with the colours on the last axis: it is short, and both before are not."""
    return len(shape) == 4 and shape[3] in COLOURS and min(shape[1:3]) >= _SMALLEST


def layout_as_is(inputs: Array) -> str | None:
    """Layout of inputs that a `Dataset` is to take as they are; None where their axes have no names."""
    return LAYOUTS.get(inputs.ndim - 2, (None,))[0]


def _channels_first(images: Array, layout: str | None) -> Array:
    """View inputs with their channels on the second axis."""
    if layout is None:
        if colours_last(images.shape):
            raise InvalidValueError(
                f"Dataset: images must be (N, C, H, W), but got shape {images.shape}, which looks like (N, H, W, C). "
                f'Pass layout="NHWC" if it is, or layout="NCHW" if there are {images.shape[1]} channels.'
            )
        return images
    return np.moveaxis(images, -1, 1) if check_layout("Dataset", layout, images.ndim - 2) else images


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(metaclass=Constructed):
    """Labelled images, or other inputs of a network with their targets, all in memory.

    Parameters
    ----------
    images : ndarray, shape (N, ...), uint8 or float32
        Images (N, C, H, W), signals (N, C, W), volumes (N, C, D, H, W) or features (N, F). By convention uint8 is
        0..255, and float32 is 0..1 or normalised.
    labels : array_like, shape (N, ...)
        Integers are classes, from 0: one for each image, (N,), or for each pixel, (N, H, W); kept as int64. Floating
        numbers are what the network is to return, of any shape: a number, an image, a signal; kept as float32.
    classes : sequence of str, optional
        Names of the classes; by default the numbers "0", "1", ... up to the largest label, and none for numbers.
    name : str
        What the dataset is called.
    layout : {"NCHW", "NHWC"}, optional
        Order of the axes of `images`, likewise of signals and volumes; a dataset has the channels first. By default
        they come first, and what looks otherwise is refused: with 1, 3 or 4 on the last axis, and at least 8 on the two
        before.

    Raises
    ------
    ValueError
        If shapes do not fit together, a label is outside of the classes, or the channels seem to come last.
    TypeError
        If the images are neither uint8 nor float32, or the labels are no numbers.

    See Also
    --------
    fastconv.data.batches : Go through a dataset in batches.

    Notes
    -----
    The arrays are not copied; where channels come last, they are a view. An index is a slice, an array of positions or
    a mask, and gives a Dataset; a slice is a view of the same memory.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data import Dataset
    >>> data = Dataset(np.zeros((5, 1, 4, 6), np.uint8), [0, 1, 1, 0, 1], ("cat", "dog"), "pets")
    >>> data
    Dataset('pets': 5 images 1x4x6 uint8, 2 classes)
    >>> dogs = data[data.labels == 1]
    >>> len(dogs), dogs.images.shape
    (3, (3, 1, 4, 6))
    >>> Dataset(np.zeros((5, 2, 30), np.float32), np.zeros((5, 1, 30)))
    Dataset(5 inputs 2x30 float32, targets 1x30)
    """

    images: Array
    labels: Array
    classes: tuple[str, ...] = ()
    name: str = ""
    layout: str | None = None

    def __post_init__(self) -> None:
        images = _channels_first(_check_inputs("Dataset", self.images), self.layout)
        labels = check_targets(self.labels, len(images))
        classes = _check_classes(self.classes)
        if labels.dtype.kind != "f":
            classes = classes or numbered_classes(labels)
            check_range(labels, classes)
        values = {"images": images, "labels": labels, "classes": classes, "layout": layout_as_is(images)}
        for field, value in values.items():
            object.__setattr__(self, field, value)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of one image."""
        return self.images.shape[1:]

    @property
    def has_classes(self) -> bool:
        """Whether labels are classes; else they are numbers."""
        return self.labels.dtype.kind != "f"

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: slice | NDArray[Any] | list[int] | list[bool]) -> Dataset:
        chosen: Any = index
        if not isinstance(index, slice):
            if isinstance(chosen, tuple) or np.ndim(chosen) != 1:
                raise InvalidTypeError(
                    f"Dataset: index must be a slice, an array of positions or a mask, but got {shown(chosen)}. For "
                    "one "
                    "image use dataset.images[i], or dataset[i : i + 1]."
                )
            chosen = np.asarray(chosen) if len(chosen) else slice(0)  # an empty list would be an array of float64
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def __repr__(self) -> str:
        name = f"{self.name!r}: " if self.name else ""
        shape, target = ("x".join(map(str, each.shape[1:])) for each in (self.images, self.labels))
        labels = f"{len(self.classes)} classes" if self.has_classes else f"targets {target or 'of one number'}"
        inputs = "images" if self.images.ndim == 4 else "inputs"
        return f"Dataset({name}{len(self)} {inputs} {shape} {self.images.dtype}, {labels})"

    def with_images(self, images: Array, name: str | None = None) -> Dataset:
        """Return the same labels with other images: normalised, resized, augmented.

        Parameters
        ----------
        images : ndarray, shape (N, ...), uint8 or float32
            One image for each label.
        name : str, optional
            Name of the new dataset; by default that of this one.

        Returns
        -------
        Dataset
            It shares the labels.
        """
        return replace(self, images=images, name=self.name if name is None else name, layout=layout_as_is(images))

    def split(
        self,
        sizes: float | int | tuple[int, int],
        rng: np.random.Generator | int | None = None,
        *,
        stratify: bool = False,
    ) -> tuple[Dataset, Dataset]:
        """Split into two parts that share no image.

        Parameters
        ----------
        sizes : float, int, or (int, int)
            The share of the first part, between 0 and 1; or its number of images; or the numbers of images of both
            parts, which may leave some out.
        rng : numpy.random.Generator or int, optional
            Draws which image goes where. Without it the first part has the first images, and the order is kept.
        stratify : bool
            Give both parts the same share of every class, as far as whole images allow. Needs a share in `sizes`.

        Returns
        -------
        first, second : Dataset
            Copies, except without `rng`, where they are views.

        Raises
        ------
        ValueError
            If the dataset has fewer images than asked for, or `stratify` is given with counts.

        Examples
        --------
        CS231n trains on 49,000 of 50,000 images and validates on the last thousand:

        >>> import numpy as np
        >>> from fastconv.data import Dataset
        >>> data = Dataset(np.zeros((50, 3, 4, 6), np.uint8), np.arange(50) % 10)
        >>> train, validation = data.split((49, 1))
        >>> len(train), len(validation), validation.labels
        (49, 1, array([9]))
        >>> [np.bincount(part.labels).tolist() for part in data.split(0.8, 0, stratify=True)]
        [[4, 4, 4, 4, 4, 4, 4, 4, 4, 4], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]
        """
        generator = None if rng is None else check_rng("Dataset.split", rng)
        if check_flag("Dataset.split", "stratify", stratify):
            return self._split_classes(sizes, generator)
        first, second = _part_sizes(sizes, len(self))
        if generator is None:
            return self[:first], self[first : first + second]
        order = generator.permutation(len(self))
        return self[order[:first]], self[order[first : first + second]]

    def _split_classes(self, share: object, generator: np.random.Generator | None) -> tuple[Dataset, Dataset]:
        if not isinstance(share, float):
            raise InvalidValueError(
                f"Dataset.split: sizes must be a share between 0 and 1 with stratify=True, but got {shown(share)}."
            )
        if not self.has_classes or self.labels.ndim > 1:
            raise InvalidValueError(
                "Dataset.split: labels must be one class for each image with stratify=True, but got "
                f"{self.labels.dtype} (shape {self.labels.shape})."
            )
        order = np.arange(len(self)) if generator is None else generator.permutation(len(self))
        chosen = np.zeros(len(self), bool)
        for label in range(len(self.classes)):
            members = order[self.labels[order] == label]
            chosen[members[: _part_sizes(share, len(members))[0]]] = True
        return self[order[chosen[order]]], self[order[~chosen[order]]]


def _check_classes(classes: object) -> tuple[str, ...]:
    if isinstance(classes, (str, bytes)) or not isinstance(classes, Sequence):
        raise InvalidTypeError(f"Dataset: classes must be a sequence of names, but got {shown(classes)}.")
    return tuple(map(str, classes))


def _part_sizes(sizes: object, total: int) -> tuple[int, int]:
    """Return the numbers of images of both parts."""
    if isinstance(sizes, float):
        if not 0 <= sizes <= 1:
            raise InvalidValueError(f"Dataset.split: a share must be between 0 and 1, but got {shown(sizes)}.")
        first = round(sizes * total)
        return first, total - first
    try:
        given = [as_index(size) for size in (sizes if isinstance(sizes, (tuple, list)) else (sizes,))]
    except TypeError:
        given = []
    if len(given) not in (1, 2):
        raise InvalidTypeError(
            f"Dataset.split: sizes must be a share, a number of images, or two of them, but got {shown(sizes)}."
        )
    if min(given) < 0 or sum(given) > total:
        raise InvalidValueError(
            f"Dataset.split: sizes must be at least 0 and {total} in sum (the images of the dataset) at most, but got "
            f"{shown(sizes)}."
        )
    return given[0], given[1] if len(given) == 2 else total - given[0]


class DataBundle(NamedTuple):
    """The two parts of a dataset, as they were published.

    Validation images are taken from the first: ``train, validation = bundle.train.split(0.9, rng)``.

    Attributes
    ----------
    train : Dataset
        What a network learns from.
    test : Dataset
        What it is judged by; of length 0 where the source has no test part.
    """

    train: Dataset
    test: Dataset


def bundle_of(parts: tuple[Dataset, Dataset], name: str) -> DataBundle:
    """Return both parts of a split, each with a name of its own."""
    train, test = parts
    return DataBundle(replace(train, name=f"{name} train"), replace(test, name=f"{name} test"))
