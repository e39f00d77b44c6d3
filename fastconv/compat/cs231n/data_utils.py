"""The readers of CS231n, ``data_utils.py``: CIFAR-10 and Tiny ImageNet as the arrays of the course.

CIFAR-10 comes through `fastconv.data`: its pickles are read by an unpickler that makes arrays and nothing else.
"""

from __future__ import annotations

import numpy as np

from fastconv.compat.cs231n.tiny_imagenet import load_tiny_imagenet
from fastconv.data.cifar import load_cifar10, load_cifar10_batch
from fastconv.data.dataset import DataBundle, Dataset
from fastconv.data.files import PathLike, as_path
from fastconv.errors import DataNotFoundError, InvalidValueError
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_flag, check_integer

__all__ = ["get_CIFAR10_data", "load_CIFAR10", "load_CIFAR_batch", "load_tiny_imagenet", "np"]

CIFAR10_DIR = "cs231n/datasets/cifar-10-batches-py"

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))


def load_CIFAR_batch(filename: PathLike) -> tuple[Array, Array]:
    """Load one batch of CIFAR-10.

    Parameters
    ----------
    filename : path
        ``data_batch_1``, say.

    Returns
    -------
    X : ndarray, shape (N, 32, 32, 3), float64
        Images, 0..255.
    Y : ndarray, shape (N,), int64
        Labels.

    Raises
    ------
    fastconv.errors.DataNotFoundError, fastconv.errors.DataError
        If there is no such file, or it is no batch.
    """
    return _as_loaded(load_cifar10_batch(filename))


def load_CIFAR10(ROOT: PathLike) -> tuple[Array, Array, Array, Array]:
    """Load all of CIFAR-10.

    Parameters
    ----------
    ROOT : path
        Folder with ``data_batch_1`` to ``data_batch_5`` and ``test_batch``; or what else
        `fastconv.data.load_cifar10` takes: the archive, for instance.

    Returns
    -------
    Xtr : ndarray, shape (50000, 32, 32, 3), float64
        Training images, 0..255; 1.2 GB.
    Ytr : ndarray, shape (50000,), int64
        Their labels.
    Xte, Yte : ndarray
        The same of the 10,000 test images.

    Raises
    ------
    fastconv.errors.DataNotFoundError
        If files are missing; the message says how to get them.
    fastconv.errors.DataError
        If a file is damaged, or holds anything but arrays and plain containers.
    """
    train, test = _parts("load_CIFAR10", ROOT)
    return *_as_loaded(train), *_as_loaded(test)


def get_CIFAR10_data(
    num_training: int = 49000,
    num_validation: int = 1000,
    num_test: int = 1000,
    subtract_mean: bool = True,
    cifar10_dir: PathLike = CIFAR10_DIR,
) -> dict[str, Array]:
    """Load CIFAR-10 as the networks of the course take it.

    Parameters
    ----------
    num_training : int
        The first of the training images.
    num_validation : int
        Those that follow.
    num_test : int
        The first of the test images.
    subtract_mean : bool
        Subtract the mean of the training images, pixel by pixel, from all of them.
    cifar10_dir : path
        As `ROOT` of `load_CIFAR10`. The original has no such argument and always takes this folder.

    Returns
    -------
    dict
        ``X_train``, ``X_val`` and ``X_test``, shape (N, 3, 32, 32), float64; ``y_train``, ``y_val`` and ``y_test``,
        int64. With ``.astype(np.float32)`` a network in float32 takes half of the memory and time.

    Raises
    ------
    fastconv.errors.DataNotFoundError
        If files are missing; the message says how to get them.
    fastconv.errors.InvalidValueError
        If more images are asked for than there are.

    Notes
    -----
    Only the images that are asked for are held in float64; the numbers are those of the original, to the last bit.
    """
    operation = "get_CIFAR10_data"
    training = check_integer(operation, "num_training", num_training, 1)
    validation = check_integer(operation, "num_validation", num_validation, 0)
    testing = check_integer(operation, "num_test", num_test, 0)
    subtracts = check_flag(operation, "subtract_mean", subtract_mean)
    train, test = _parts(operation, cifar10_dir)
    for names, wanted, part in (
        ("num_training + num_validation", training + validation, train),
        ("num_test", testing, test),
    ):
        if wanted > len(part):
            raise InvalidValueError(f"{operation}: {names} must be at most {len(part)}, but got {wanted}.")
    parts = {"train": train[:training], "val": train[training : training + validation], "test": test[:testing]}
    images = {name: part.images.astype(np.float64) for name, part in parts.items()}
    if subtracts:
        mean_image = images["train"].mean(axis=0)
        for each in images.values():
            each -= mean_image
    labels = {f"y_{name}": part.labels.copy() for name, part in parts.items()}
    return {**{f"X_{name}": each for name, each in images.items()}, **labels}


def _as_loaded(part: Dataset) -> tuple[Array, Array]:
    """(N, 32, 32, 3) float64; as in the original a view of channels that lie first in the memory."""
    return part.images.transpose(0, 2, 3, 1).astype(np.float64), part.labels.copy()


def _parts(operation: str, folder: PathLike) -> DataBundle:
    """Read the six batches as they lie in a folder, which need not have the names of the classes; or what else is."""
    path = as_path(operation, folder)
    if all((path / name).is_file() for name in (*_TRAIN, "test_batch")):
        parts = [load_cifar10_batch(path / name) for name in _TRAIN]
        images, labels = (np.concatenate(arrays) for arrays in zip(*((part.images, part.labels) for part in parts)))
        return DataBundle(Dataset(images, labels, name="cifar10 train"), load_cifar10_batch(path / "test_batch"))
    try:
        return load_cifar10(path)
    except DataNotFoundError:
        raise DataNotFoundError(
            f"{operation}: {path} must have the batches of CIFAR-10 ({', '.join(_TRAIN)}, test_batch), but they cannot "
            f"be found. fastconv.data.load_cifar10({str(path)!r}, download=True) fetches them to there."
        ) from None
