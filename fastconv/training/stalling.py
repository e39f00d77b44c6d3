"""A run that does not learn, found while it goes on: its loss is that of guessing."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

_WINDOW = 100  # steps that are looked at, or half of those that there are
_LEAST = 50  # steps before anything is said
_NEAR = 0.99  # of the loss of guessing
_SIGMAS = 3.0  # that the accuracy of guessing may be off by chance


class Guessing:
    """What somebody reaches who does not look at the images, but knows how many there are of each class.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
        At least one.

    Attributes
    ----------
    classes : int
        Classes that there are images of.
    loss : float
        The least cross-entropy: the entropy of the shares of the classes, log(classes) where they are equal.
    accuracy : float
        The share of the largest class.

    Examples
    --------
    >>> import numpy as np
    >>> guessing = Guessing(np.array([0, 1, 2, 3]))
    >>> round(guessing.loss, 4), guessing.accuracy
    (1.3863, 0.25)
    >>> guessing.explains([1.39, 1.38] * 40, 0.26, images=800)
    True
    >>> guessing.explains([1.39, 1.38] * 20 + [1.2] * 40, 0.35, images=800)
    False
    """

    def __init__(self, labels: NDArray[np.int64]) -> None:
        _, counts = np.unique(labels, return_counts=True)
        shares = [float(share) for share in counts / counts.sum()]
        self.classes, self.accuracy = len(shares), max(shares)
        self.loss = -sum(share * log(share) for share in shares)

    def explains(self, losses: Sequence[float], accuracy: float, *, images: int) -> bool:
        """Whether the last steps are no better than guessing, in loss and in accuracy.

        Parameters
        ----------
        losses : sequence of float
            Of every step so far; nothing is said of fewer than 50.
        accuracy : float
            Of the epoch so far.
        images : int
            How many that accuracy was measured with.

        Returns
        -------
        bool
            False where all images are of one class: there is nothing to learn.
        """
        if self.classes < 2 or len(losses) < _LEAST:
            return False
        chance = _SIGMAS * sqrt(self.accuracy * (1 - self.accuracy) / images)
        return float(np.mean(_recent(losses))) >= _NEAR * self.loss and accuracy <= self.accuracy + chance

    def complaint(self, losses: Sequence[float], lr: float) -> str:
        """Say so, and what to try."""
        last = _recent(losses)
        return (
            f"the network does not learn: over {len(last)} steps its loss is {np.mean(last):.4f}, and guessing "
            f"among {self.classes} classes has {self.loss:.4f}. Try a tenth or ten times of the learning rate, "
            f"{lr:g}; inputs of mean 0 and deviation 1; larger initial weights; and look whether the labels belong "
            "to the images."
        )


def _recent(losses: Sequence[float]) -> Sequence[float]:
    """Return the losses that are looked at: the first half of a short run has had to find its way."""
    return losses[-min(_WINDOW, len(losses) // 2) :]
