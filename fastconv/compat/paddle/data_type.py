"""What a placeholder holds: `dense_vector` is the one kind that images have."""

from __future__ import annotations

from typing import NamedTuple

from fastconv.validation.sizes import check_integer

__all__ = ["DenseVector", "dense_vector"]


class DenseVector(NamedTuple):
    """One row of `dim` numbers for every image."""

    dim: int


def dense_vector(dim: int) -> DenseVector:
    """Return the type of images of `dim` numbers, as in ``paddle.layer.data(name="pixel", type=dense_vector(784))``.

    Parameters
    ----------
    dim : int
        Channels times height times width.

    Returns
    -------
    DenseVector
        What `layer.data` takes.
    """
    return DenseVector(check_integer("dense_vector", "dim", dim, 1))
