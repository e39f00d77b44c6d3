"""Images in a folder or a zip archive, one folder for each class."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.backends.cores import available_cores
from fastconv.data.dataset import DataBundle, Dataset, bundle_of
from fastconv.data.download import Progress
from fastconv.data.files import PathLike, as_path, listing
from fastconv.data.pictures import COLORS, DEEP, GRAY, decoded, in_mode
from fastconv.data.trees import FolderTree, Sample, Tree, ZipTree, samples_by_part
from fastconv.errors import DataError, DataNotFoundError, FastconvError
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_choice, check_integer, check_sizes

Bytes = NDArray[np.uint8]

_OPERATION = "load_image_folder"
_CHUNK = 256  # files that a thread reads before it reports
_MOST_THREADS = 8


def load_image_folder(
    path: PathLike,
    *,
    size: int | tuple[int, int] | None = None,
    color: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> DataBundle:
    """Load images from a folder or a zip archive with one folder for each class.

    Parameters
    ----------
    path : path
        Folder or zip archive with ``<class>/<image>``, or with ``train/<class>/<image>`` and
        ``test/<class>/<image>``; PNG, JPEG, BMP, GIF (the first picture), PPM or WebP. Hidden files are passed over.
    size : int or (int, int), optional
        Height and width to resize to (bilinear, averaging where it shrinks). Without it all images must have the same
        size.
    color : {"auto", "rgb", "gray"}
        "auto" keeps one channel if all images are gray, and gives three otherwise. Transparency is dropped.
    threads : int, optional
        Threads that decode; by default as many as there are cores for this process, up to 8.
    progress : callable, optional
        Called as ``progress(text, fraction)``, from the thread of the caller.

    Returns
    -------
    DataBundle
        Images (N, C, H, W), uint8, in the order of the file names. Classes are in alphabetical order, or in that of
        the numbers if all are numbers. The test part has length 0 where there is no folder ``test``.

    Raises
    ------
    fastconv.errors.DataNotFoundError
        If the path does not exist, or holds no images; a ``FileNotFoundError``.
    fastconv.errors.DataError
        If the folders are arranged in another way, a file is damaged or no image, or sizes are mixed; a
        ``ValueError``.
    ImportError
        If Pillow is missing (extra ``data``).

    Notes
    -----
    An archive is read in memory. No file is ever written, whatever the names in it say. Pictures are turned upright, as
    the orientation that EXIF notes says.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> from fastconv.data import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat", "dog"):
    ...         pathlib.Path(folder, name).mkdir()
    ...         Image.new("RGB", (6, 4)).save(pathlib.Path(folder, name, "1.png"))
    ...     data = load_image_folder(folder)
    >>> data.train.images.shape, data.train.classes, data.train.labels
    ((2, 3, 4, 6), ('cat', 'dog'), array([0, 1]))
    """
    check_choice(_OPERATION, "color", color, COLORS)
    wanted = None if size is None else check_sizes(_OPERATION, "size", size, 2, 1)
    workers = min(available_cores(), _MOST_THREADS)
    if threads is not None:
        workers = check_integer(_OPERATION, "threads", threads, 1)
    tree = _tree(path)
    try:
        parts = samples_by_part(tree)
        reader = _Reader(tree, wanted, color, workers, progress)
        images = reader.read([sample for samples in parts.values() for sample in samples])
    finally:
        tree.close()
    return _bundle(tree, parts, images)


def _tree(path: object) -> Tree:
    place = as_path(_OPERATION, path)
    if place.is_dir():
        return FolderTree(place)
    if not place.exists():
        raise DataNotFoundError(f"{_OPERATION}: {place} must be a folder or a zip archive, but it does not exist.")
    return ZipTree(place)


def _bundle(tree: Tree, parts: dict[str, list[Sample]], images: Bytes) -> DataBundle:
    classes = _class_order({sample.class_name for sample in parts["train"]})
    unknown = {sample.class_name for sample in parts.get("test", ())} - set(classes)
    if unknown:
        raise DataError(
            f"{_OPERATION}: every class of test in {tree.path} must be in train, but {listing(unknown)} is not (train "
            f"has {listing(classes)})."
        )
    number = {name: label for label, name in enumerate(classes)}
    samples = [sample for part in parts.values() for sample in part]
    labels = np.array([number[sample.class_name] for sample in samples], np.int64)
    whole = Dataset(images, labels, classes, tree.path.stem)
    return bundle_of(whole.split(len(parts["train"])), whole.name)


def _class_order(names: set[str]) -> tuple[str, ...]:
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


class _ColorFoundError(FastconvError):
    """A picture in colours after the first ones were gray."""


class _Reader:
    """Decodes many files into one array."""

    def __init__(
        self, tree: Tree, size: tuple[int, ...] | None, color: str, workers: int, progress: Progress | None
    ) -> None:
        self._tree, self._size, self._color = tree, size, color
        self._workers, self._progress = workers, progress

    def read(self, samples: Sequence[Sample]) -> Bytes:
        """Return all images: (N, C, H, W)."""
        names = [sample.name for sample in samples]
        shape = self._decode(names[0], None).shape
        if self._color != "auto" or shape[0] == 3:
            return self._read_all(names, shape)
        try:
            return self._read_all(names, shape)
        except _ColorFoundError:
            return self._read_all(names, (3, *shape[1:]))

    def _read_all(self, names: list[str], shape: tuple[int, ...]) -> Bytes:
        check_fits(_OPERATION, "the images", (len(names), *shape), 1)
        images = np.empty((len(names), *shape), np.uint8)
        work = partial(self._read_chunk, names, images)
        starts = range(0, len(names), _CHUNK)
        executor = ThreadPoolExecutor(min(self._workers, len(starts)), thread_name_prefix="fastconv-images")
        try:
            for done in executor.map(work, starts):
                if self._progress is not None:
                    self._progress(f"reading {len(names)} images", done / len(names))
        finally:
            executor.shutdown(cancel_futures=True)
        return images

    def _read_chunk(self, names: list[str], images: Bytes, start: int) -> int:
        """Decode one chunk, and return how many files are behind it."""
        stop = min(start + _CHUNK, len(names))
        for position in range(start, stop):
            picture = self._decode(names[position], images.shape[1])
            if picture.shape[1:] != images.shape[2:]:
                (H, W), (height, width) = images.shape[2:], picture.shape[1:]
                raise DataError(
                    f"{_OPERATION}: all images of {self._tree.path} must have the same size (H x W), but {names[0]} "
                    f"has {H}x{W} and {names[position]} {height}x{width}. Pass size=({H}, {W}) to resize them."
                )
            images[position] = picture
        return stop

    def _decode(self, name: str, channels: int | None) -> Bytes:
        """Return one picture: (C, H, W)."""
        label = self._tree.label(name)
        return decoded(
            _OPERATION,
            label,
            lambda: io.BytesIO(self._tree.read(name)),
            lambda picture: self._converted(picture, self._mode(label, picture.mode, channels)),
        )

    def _mode(self, label: str, mode: str, channels: int | None) -> str:
        """Return the mode of Pillow to convert to."""
        if mode.startswith(DEEP):
            raise DataError(f"{_OPERATION}: {label} must have 8 bits for each channel, but it has more (mode {mode}).")
        if self._color != "auto":
            return "RGB" if self._color == "rgb" else "L"
        if channels is None:
            return "L" if mode in GRAY else "RGB"
        if channels == 1 and mode not in GRAY:
            raise _ColorFoundError
        return "L" if channels == 1 else "RGB"

    def _converted(self, picture: Any, mode: str) -> Bytes:
        picture = in_mode(picture, mode)
        if self._size is not None and picture.size != self._size[::-1]:
            from PIL.Image import Resampling

            picture = picture.resize(self._size[::-1], Resampling.BILINEAR)
        return np.asarray(picture)
