"""Tiny ImageNet as CS231n reads it; Pillow takes the place of SciPy's ``imread``, which is gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.data.files import PathLike, folder_of, imported
from fastconv.data.pictures import FORMATS
from fastconv.errors import DataError, DataNotFoundError, FastconvError, shown
from fastconv.files import is_there, open_regular
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_flag

_IMAGE = 3, 64, 64


def load_tiny_imagenet(path: PathLike, dtype: DTypeLike = np.float32, subtract_mean: bool = True) -> dict[str, Any]:
    """Load Tiny ImageNet (or one of its parts, such as tiny-imagenet-100-A).

    Parameters
    ----------
    path : path
        Folder with ``wnids.txt``, ``words.txt``, ``train``, ``val`` and ``test``.
    dtype : dtype
        Of the images.
    subtract_mean : bool
        Subtract the mean of the training images, pixel by pixel, from all of them.

    Returns
    -------
    dict
        ``class_names``, a list of names for each class; ``X_train``, ``X_val`` and ``X_test``, shape (N, 3, 64, 64);
        ``y_train``, ``y_val`` and, None where the labels are not there, ``y_test``, int64; ``mean_image``.

    Raises
    ------
    fastconv.errors.DataNotFoundError
        If the folder or a file in it is missing.
    fastconv.errors.DataError
        If an image is damaged or has another size, or a class is not in the list.
    ImportError
        If Pillow is missing (extra ``data``).

    Notes
    -----
    Test images are in the order of their names; in the original the order is that of the file system.
    """
    folder = folder_of("load_tiny_imagenet", path, "wnids.txt, words.txt, train, val and test")
    subtracts = check_flag("load_tiny_imagenet", "subtract_mean", subtract_mean)
    wnids = [line.strip() for line in _lines(folder / "wnids.txt")]
    words = dict(fields for fields in _fields(folder / "words.txt") if len(fields) == 2)
    X_train, y_train = _training(folder, wnids, dtype)
    X_val, y_val = _annotated(folder / "val", dict(_annotations(folder / "val", "val")), wnids, dtype)
    X_test, y_test = _test(folder, wnids, dtype)
    mean_image = X_train.mean(axis=0)
    if subtracts:
        for images in (X_train, X_val, X_test):
            images -= mean_image
    return {
        "class_names": [[word.strip() for word in words.get(wnid, wnid).split(",")] for wnid in wnids],
        "X_train": X_train,
        "y_train": y_train,
        "X_val": X_val,
        "y_val": y_val,
        "X_test": X_test,
        "y_test": y_test,
        "mean_image": mean_image,
    }


def _training(folder: Path, wnids: Sequence[str], dtype: DTypeLike) -> tuple[Array, Array]:
    files, labels = [], []
    for label, wnid in enumerate(wnids):
        if (label + 1) % 20 == 0:
            print(f"loading training data for synset {label + 1} / {len(wnids)}")
        images = [fields[0] for fields in _fields(folder / "train" / wnid / f"{wnid}_boxes.txt")]
        files += [folder / "train" / wnid / "images" / name for name in images]
        labels += [label] * len(images)
    return _images(files, dtype), np.array(labels, np.int64)


def _test(folder: Path, wnids: Sequence[str], dtype: DTypeLike) -> tuple[Array, Array | None]:
    images = folder_of("load_tiny_imagenet", folder / "test" / "images", "images")
    names = sorted(entry.name for entry in images.iterdir())
    if not is_there(folder / "test" / "test_annotations.txt"):
        return _images([images / name for name in names], dtype), None
    labels = dict(_annotations(folder / "test", "test"))
    return _annotated(folder / "test", {name: labels.get(name, "nothing") for name in names}, wnids, dtype)


def _annotated(folder: Path, classes: dict[str, str], wnids: Sequence[str], dtype: DTypeLike) -> tuple[Array, Array]:
    """Return images and labels of a part, given the class of each file."""
    numbers = {wnid: label for label, wnid in enumerate(wnids)}
    unknown = sorted(set(classes.values()) - numbers.keys())
    if unknown:
        raise DataError(
            f"load_tiny_imagenet: {folder} must have classes of wnids.txt alone, but got {shown(unknown[0])}."
        )
    labels = np.array([numbers[wnid] for wnid in classes.values()], np.int64)
    return _images([folder / "images" / name for name in classes], dtype), labels


def _annotations(folder: Path, part: str) -> Iterable[tuple[str, str]]:
    """Name and class of each image."""
    for name, wnid, *_ in _fields(folder / f"{part}_annotations.txt"):
        yield name, wnid


def _fields(file: Path) -> list[list[str]]:
    return [line.split("\t") for line in _lines(file)]


def _lines(file: Path) -> list[str]:
    if not is_there(file):
        raise DataNotFoundError(f"load_tiny_imagenet: {file} must be there, but there is no such file.")
    with open_regular("load_tiny_imagenet", file, DataError) as stream:
        text = stream.read().decode("utf-8")
    return [line for line in text.splitlines() if line.strip()]


def _images(files: Sequence[Path], dtype: DTypeLike) -> Array:
    pillow = imported("load_tiny_imagenet", "PIL.Image", "Pillow")
    check_fits("load_tiny_imagenet", "the images", (len(files), *_IMAGE), np.dtype(dtype).itemsize)
    images = np.zeros((len(files), *_IMAGE), dtype)
    for image, file in zip(images, files):
        try:
            source = open_regular("load_tiny_imagenet", file, DataError)
            with source as stream, pillow.open(stream, formats=FORMATS) as opened:
                width, height = opened.size
                if (height, width) != _IMAGE[1:]:
                    raise DataError(f"load_tiny_imagenet: {file} must have 64 x 64 pixels, but got {height, width}.")
                image[:] = np.asarray(opened.convert("RGB")).transpose(2, 0, 1)
        except (FastconvError, FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # damaged files raise almost anything, out of zlib, struct and Pillow
            raise DataError(f"load_tiny_imagenet: {file} must be an image, but it cannot be read ({error}).") from error
    return images
