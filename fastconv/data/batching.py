"""Batches of a dataset, in order or shuffled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastconv.data.dataset import Dataset, check_rng
from fastconv.errors import InvalidTypeError
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_flag, check_integer


class Batches(Iterator[tuple[Array, Array]]):
    """One pass over a dataset; see `batches`. Its length is the number of batches that are still to come."""

    def __init__(self, dataset: Dataset, order: NDArray[np.int64], batch_size: int) -> None:
        self._dataset = dataset
        self._order = order
        self._batch_size = batch_size
        self._next = 0

    def __len__(self) -> int:
        return -(-(len(self._order) - self._next) // self._batch_size)

    def __next__(self) -> tuple[Array, Array]:
        if self._next >= len(self._order):
            raise StopIteration
        chosen = self._order[self._next : self._next + self._batch_size]
        self._next += len(chosen)
        return self._dataset.images[chosen], self._dataset.labels[chosen]


def batches(
    dataset: Dataset,
    batch_size: int,
    rng: np.random.Generator | int | None = None,
    *,
    shuffle: bool = True,
    drop_last: bool = False,
) -> Batches:
    """Go once through a dataset in batches.

    ``Dataset of (N, ...) -> (B, ...), (B, ...) for each batch``

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    batch_size : int
        Images in a batch; the last one may have fewer.
    rng : numpy.random.Generator or int
        Draws the order, at once and with a single call of its ``permutation``. A seed gives the same order every
        time; pass one generator for all epochs.
    shuffle : bool
        False keeps the order of the dataset and needs no `rng`.
    drop_last : bool
        Leave out a last batch that is smaller than the others.

    Returns
    -------
    Batches
        An iterator over ``(images, labels)``, with a length. Both are copies, in the dtype of the dataset.

    Raises
    ------
    ValueError
        If the batch size is not positive.
    TypeError
        If `rng` is missing although the order is to be drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data import Dataset, batches
    >>> data = Dataset(np.zeros((5, 1, 4, 6), np.uint8), np.arange(5))
    >>> [labels.tolist() for images, labels in batches(data, 2, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    >>> rng = np.random.default_rng(0)
    >>> [labels.tolist() for images, labels in batches(data, 2, rng, drop_last=True)]
    [[2, 4], [3, 0]]
    """
    if not isinstance(dataset, Dataset):
        raise InvalidTypeError(f"batches: dataset must be a Dataset, but got {type(dataset).__name__}.")
    size = check_integer("batches", "batch_size", batch_size, 1)
    kept = len(dataset) // size * size if check_flag("batches", "drop_last", drop_last) else len(dataset)
    if not check_flag("batches", "shuffle", shuffle):
        return Batches(dataset, np.arange(kept), size)
    if rng is None:
        raise InvalidTypeError(
            "batches: rng must be a seed or a numpy.random.Generator where the order is drawn, but got None. "
            "Pass shuffle=False to keep the order."
        )
    return Batches(dataset, check_rng("batches", rng).permutation(len(dataset))[:kept], size)
