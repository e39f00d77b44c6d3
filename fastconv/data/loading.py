"""One door to all datasets: by name, or by path."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastconv.data.cifar import CIFAR10_ARCHIVE, CIFAR10_FOLDER, load_cifar10
from fastconv.data.dataset import DataBundle
from fastconv.data.download import Progress
from fastconv.data.embedded import load_digits
from fastconv.data.files import PathLike, as_path, listing, opened
from fastconv.data.idx import MNIST_FILES, load_mnist
from fastconv.data.image_folder import load_image_folder
from fastconv.data.npz import load_npz
from fastconv.errors import DataError, DataNotFoundError, InvalidValueError, meant
from fastconv.files import open_regular
from fastconv.validation.archives import DAMAGED
from fastconv.validation.sizes import check_number

DATASETS = ("digits", "mnist", "cifar10")

_PATHS = (
    "a folder with the files of MNIST or CIFAR-10, an archive of CIFAR-10, a folder or zip archive of images by class, "
    "or an .npz file"
)
# What each reader takes beyond the path; anything else that is given is an error.
_FETCHED = ("download", "base_url", "progress")
_READERS: dict[str, tuple[Callable[..., DataBundle], tuple[str, ...]]] = {
    "mnist": (load_mnist, _FETCHED),
    "cifar10": (load_cifar10, _FETCHED),
    "images": (load_image_folder, ("size", "color", "progress")),
    "npz": (load_npz, ("layout",)),
}
_DEFAULTS = {"download": False, "base_url": None, "size": None, "color": "auto", "layout": "auto"}


def load(
    name_or_path: PathLike,
    *,
    folder: PathLike | None = None,
    download: bool = False,
    base_url: str | None = None,
    size: int | tuple[int, int] | None = None,
    color: str = "auto",
    layout: str = "auto",
    test_fraction: float = 0.2,
    seed: int = 0,
    progress: Progress | None = None,
) -> DataBundle:
    """Load a dataset by its name, or from a path.

    Parameters
    ----------
    name_or_path : str or path
        "digits", "mnist" or "cifar10"; or a path, whose content says what it is: the files of MNIST, the batches or
        the archive of CIFAR-10, a folder or zip archive of images by class, an ``.npz`` file. A path that is called
        like a name is written with its folder: "./mnist".
    folder : path, optional
        Where "mnist" or "cifar10" lies.
    download, base_url
        Of `load_mnist` and `load_cifar10`.
    size, color
        Of `load_image_folder`.
    layout : {"auto", "NCHW", "NHWC"}
        Of `load_npz`.
    test_fraction : float
        Share of every class that is held out as the test part where the source has none.
    seed : int
        Draws which images are held out.
    progress : callable, optional
        Called as ``progress(text, fraction)`` while files are fetched or images are read.

    Returns
    -------
    DataBundle
        ``(train, test)``.

    Raises
    ------
    fastconv.errors.DataNotFoundError
        If it is neither a name nor a path that exists, or files are missing; a ``FileNotFoundError``.
    fastconv.errors.DataError
        If the content is damaged or is not recognised; a ``ValueError``.
    ValueError
        If an option is given that this kind of dataset does not take.

    Examples
    --------
    >>> from fastconv.data import load
    >>> load("digits", seed=1).test
    Dataset('digits test': 359 images 1x8x8 float32, 10 classes)
    """
    given = {"download": download, "base_url": base_url, "size": size, "color": color, "layout": layout}
    named = isinstance(name_or_path, str) and name_or_path in DATASETS
    kind = str(name_or_path) if named else _recognise(as_path("load", name_or_path))
    _check_options(kind, named, given, folder)
    if kind == "digits":
        return load_digits(test_fraction=test_fraction, seed=seed)
    reader, taken = _READERS[kind]
    options: dict[str, Any] = {name: value for name, value in {**given, "progress": progress}.items() if name in taken}
    bundle = reader(folder if named else as_path("load", name_or_path), **options)
    return bundle if len(bundle.test) else _held_out(bundle, test_fraction, seed)


def _check_options(kind: str, named: bool, given: dict[str, Any], folder: object) -> None:
    taken = () if kind == "digits" else _READERS[kind][1]
    unused = [name for name, value in given.items() if name not in taken and not _is_default(name, value)]
    if folder is not None and (not named or kind == "digits"):
        unused.append("folder")
    if unused:
        raise InvalidValueError(
            f"load: {listing(unused)} must not be given for {kind!r}, which takes {listing(taken)}"
            f"{'' if named else ' and has its path already'}."
        )


def _is_default(name: str, value: object) -> bool:
    usual = _DEFAULTS[name]
    return value is usual or (isinstance(value, str) and value == usual)


def _held_out(bundle: DataBundle, test_fraction: float, seed: int) -> DataBundle:
    share = check_number("load", "test_fraction", test_fraction, least=0, most=1)
    train, test = bundle.train.split(1 - share, seed, stratify=True)
    return DataBundle(train, test.with_images(test.images, bundle.test.name))


def _recognise(path: Path) -> str:
    """Return the kind of dataset that lies at a path."""
    if path.is_dir():
        return _recognise_folder(path)
    if not path.exists():
        raise DataNotFoundError(
            f"load: name_or_path must be one of {', '.join(DATASETS)}, or the path of {_PATHS}, but got {str(path)!r}, "
            f"which does not exist.{meant(str(path), DATASETS)}"
        )
    with open_regular("load", path, DataError) as stream, suppress(*DAMAGED):
        names = zipfile.ZipFile(stream).namelist()
        return "npz" if any(name.endswith(".npy") for name in names) else "images"
    if path.suffix == ".npz":
        return "npz"
    if path.suffix == ".zip":
        return "images"
    if path.name.endswith((".tar", ".tar.gz", ".tgz")) or _is_tar(path):
        return "cifar10"
    raise DataError(f"load: {path} must be {_PATHS}, but it is none of them.")


def _is_tar(path: Path) -> bool:
    """Whether the first header of a tar archive, packed or not, is there; `tarfile` would read whatever it claims."""
    with opened("load", path) as stream, suppress(OSError, EOFError, zlib.error):
        return stream.read(512)[257:262] == b"ustar"
    return False


def _recognise_folder(folder: Path) -> str:
    names = {entry.name for entry in folder.iterdir()}
    if any(name.replace(".idx", "-idx").removesuffix(".gz") in MNIST_FILES for name in names):
        return "mnist"
    batches = any(name.startswith("data_batch_") for name in names)
    return "cifar10" if batches or names & {CIFAR10_ARCHIVE, CIFAR10_FOLDER, "test_batch"} else "images"
