"""Images and labels in a NumPy archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from fastconv.data.dataset import DataBundle
from fastconv.data.files import PathLike, as_path, damaged, dataset_of, fault_of, listing
from fastconv.data.targets import numbered_classes
from fastconv.errors import DataError
from fastconv.files import open_regular
from fastconv.validation.archives import DAMAGED, array_entries, open_archive, read_array_entry
from fastconv.validation.arrays import COLOURS, Array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice

_TRAIN_KEYS = (("train_images", "train_labels"), ("x_train", "y_train"), ("images", "labels"))
_TEST_KEYS = (("test_images", "test_labels"), ("x_test", "y_test"))
_CLASS_KEYS = ("classes", "class_names")
_EXPECTED = "images and labels; x_train and y_train; or train_images and train_labels"


def load_npz(path: PathLike, *, layout: str = "auto") -> DataBundle:
    """Load labelled images from an ``.npz`` file.

    Parameters
    ----------
    path : path
        File with the arrays ``images`` and ``labels``, or ``x_train``, ``y_train``, ``x_test`` and ``y_test``, or
        ``train_images``, ``train_labels``, ``test_images`` and ``test_labels``; the test part may be missing. Names
        of the classes may be in ``classes`` or ``class_names``.
    layout : {"auto", "NCHW", "NHWC"}
        Order of the axes of the images. "auto" looks for the axis with 1, 3 or 4 channels. (N, H, W) is taken as one
        channel in any case.

    Returns
    -------
    DataBundle
        Images (N, C, H, W): uint8 if they are integers from 0 to 255, else float32. The test part has length 0 where
        the file has none.

    Raises
    ------
    fastconv.errors.DataError
        If the file is damaged, holds pickled objects, or has not the arrays that are expected; a ``ValueError``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from fastconv.data import load_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "small.npz")
    ...     np.savez(file, images=np.zeros((5, 8, 6, 3), np.uint8), labels=[0, 1, 0, 1, 1])
    ...     load_npz(file).train
    Dataset('small train': 5 images 3x8x6 uint8, 2 classes)
    """
    file = as_path("load_npz", path)
    check_choice("load_npz", "layout", layout, ("auto", "NCHW", "NHWC"))
    arrays = _read(file)
    train_keys = _pair(file, arrays, _TRAIN_KEYS)
    if train_keys is None:
        raise DataError(f"load_npz: {file} must hold {_EXPECTED}, but it holds {listing(arrays)}.")
    test_keys = _pair(file, arrays, _TEST_KEYS)
    pairs = [_arrays(file, arrays, keys, layout) for keys in (train_keys, test_keys) if keys is not None]
    with fault_of("load_npz", file):
        classes = _class_names(file, arrays) or numbered_classes(*(labels for _, labels in pairs))
    train = dataset_of("load_npz", f"{file} ({', '.join(train_keys)})", *pairs[0], classes, f"{file.stem} train")
    test = train[:0].with_images(train.images[:0], f"{file.stem} test")
    if test_keys is not None:
        test = dataset_of("load_npz", f"{file} ({', '.join(test_keys)})", *pairs[1], classes, test.name)
    return DataBundle(train, test)


def _read(file: Path) -> dict[str, Array]:
    """Read the arrays that have a meaning here."""
    wanted = {key for pair in (*_TRAIN_KEYS, *_TEST_KEYS) for key in pair}.union(_CLASS_KEYS)
    expected = "an .npz archive of arrays without pickled objects"
    with damaged("load_npz", file, expected, DAMAGED), open_regular("load_npz", file, DataError) as stream:
        if stream.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
            raise DataError(f"load_npz: {file} must be {expected}, but it is a single array.")
        archive = open_archive(stream)
        found = array_entries(archive)
        check_fits("load_npz", str(file), (sum(found[key].file_size for key in wanted & found.keys()),), 1)
        # The others are named, for messages, and not read.
        return {
            key: read_array_entry("load_npz", f"{key} of {file}", archive, member) if key in wanted else np.empty(0)
            for key, member in found.items()
        }


def _pair(file: Path, arrays: Mapping[str, Array], candidates: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    for images, labels in candidates:
        if images in arrays and labels in arrays:
            return images, labels
        if images in arrays or labels in arrays:
            there, missing = (images, labels) if images in arrays else (labels, images)
            raise DataError(f"load_npz: {file} must hold {missing} along with {there}, but it holds {listing(arrays)}.")
    return None


def _arrays(file: Path, arrays: Mapping[str, Array], keys: tuple[str, str], layout: str) -> tuple[Array, Array]:
    images, labels = (arrays[key] for key in keys)
    if labels.ndim == 2 and labels.shape[1] == 1:  # as Keras has CIFAR-10
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"load_npz: {file}: {keys[1]} must be integers of shape (N,), but got {labels.dtype} of shape "
            f"{labels.shape}."
        )
    return _channels_first(file, keys[0], _stored(file, keys[0], images), layout), labels


def _stored(file: Path, key: str, images: Array) -> Array:
    """Return images as uint8 or float32."""
    if images.dtype.kind == "f":
        return images.astype(np.float32, copy=False)
    if images.dtype.kind not in "iub":
        raise DataError(f"load_npz: {file}: {key} must hold numbers, but got {images.dtype}.")
    if images.dtype != np.uint8 and images.size and not (images.min() >= 0 and images.max() <= 255):
        raise DataError(
            f"load_npz: {file}: {key} must hold integers from 0 to 255 (or floats), but got {images.min()} to "
            f"{images.max()}."
        )
    return images.astype(np.uint8, copy=False)


def _channels_first(file: Path, key: str, images: Array, layout: str) -> Array:
    """Return images as (N, C, H, W), in C order."""
    if images.ndim == 3:
        return images[:, np.newaxis]
    if images.ndim != 4:
        raise DataError(
            f"load_npz: {file}: {key} must have 4 axes (N, C, H, W) or (N, H, W, C), or 3 (N, H, W), but got shape "
            f"{images.shape}."
        )
    first, last = images.shape[1] in COLOURS, images.shape[3] in COLOURS
    if layout == "auto" and first == last:
        raise DataError(
            f"load_npz: {file}: {key} must have 1, 3 or 4 channels on either the second or the last axis, but got "
            f'shape {images.shape}. Say which it is: layout="NCHW" or layout="NHWC".'
        )
    if layout == "NCHW" or (layout == "auto" and first):
        return np.ascontiguousarray(images)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _class_names(file: Path, arrays: Mapping[str, Array]) -> tuple[str, ...]:
    for key in _CLASS_KEYS:
        if key in arrays:
            names = arrays[key]
            if names.ndim != 1 or names.dtype.kind not in "USiu":
                raise DataError(
                    f"load_npz: {file}: {key} must be a list of names, but got {names.dtype} of shape {names.shape}."
                )
            try:
                return tuple(name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names.tolist())
            except UnicodeDecodeError as error:
                raise DataError(f"load_npz: {file}: {key} must be names in UTF-8, but {error}.") from None
    return ()
