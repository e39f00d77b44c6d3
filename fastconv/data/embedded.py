"""The images inside scikit-learn: nothing to download."""

from __future__ import annotations

import numpy as np

from fastconv.data.dataset import DataBundle, Dataset, bundle_of
from fastconv.data.files import imported, missing_package
from fastconv.validation.sizes import check_number


def load_digits(*, test_fraction: float = 0.2, seed: int = 0) -> DataBundle:
    """Load the 1,797 handwritten digits that ship inside scikit-learn.

    Parameters
    ----------
    test_fraction : float
        Share of every class that is held out as the test part.
    seed : int
        Draws which ones; the same seed gives the same parts.

    Returns
    -------
    DataBundle
        Images (N, 1, 8, 8), float32 between 0 and 1 (the 17 grey levels divided by 16), classes "0" to "9".

    Raises
    ------
    ImportError
        If scikit-learn is missing (extra ``data``).

    Notes
    -----
    The test set of Alpaydin and Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI repository.

    Examples
    --------
    >>> from fastconv.data import load_digits
    >>> load_digits()
    DataBundle(train=Dataset('digits train': 1438 images 1x8x8 float32, 10 classes),
               test=Dataset('digits test': 359 images 1x8x8 float32, 10 classes))
    """
    share = check_number("load_digits", "test_fraction", test_fraction, least=0, most=1)
    digits = imported("load_digits", "sklearn.datasets", "scikit-learn").load_digits()
    images = digits.images[:, np.newaxis].astype(np.float32) / np.float32(16)
    whole = Dataset(images, digits.target, tuple("0123456789"), "digits")
    return bundle_of(whole.split(1 - share, seed, stratify=True), whole.name)


def load_sample_photographs() -> Dataset:
    """Load the two sample photographs that ship inside scikit-learn: a temple and a flower.

    Returns
    -------
    Dataset
        Images (2, 3, 427, 640), uint8, RGB, with the classes "china" and "flower".

    Raises
    ------
    ImportError
        If scikit-learn, or Pillow, with which it reads them, is missing (extra ``data``).

    Examples
    --------
    >>> from fastconv.data import load_sample_photographs
    >>> load_sample_photographs()
    Dataset('photographs': 2 images 3x427x640 uint8, 2 classes)
    """
    try:
        from sklearn.datasets import load_sample_images

        photographs = load_sample_images().images
    except ImportError as error:
        raise missing_package("load_sample_photographs", "scikit-learn with Pillow", error) from None
    images = np.ascontiguousarray(np.stack(photographs).transpose(0, 3, 1, 2))
    return Dataset(images, np.arange(2), ("china", "flower"), "photographs")
