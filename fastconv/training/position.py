"""Where a run is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Position"]


@dataclass
class Position:
    """How far a run has come, and the sums of the epoch that is not finished.

    Attributes
    ----------
    epoch, step : int
        Finished epochs, and finished steps of the next one.
    images, right : int
        Images seen in those steps, and how many of them were classified correctly.
    loss : float
        Sum of their losses.
    seconds : float
        What those steps took.
    lr : float
        Learning rate of the last step.
    """

    epoch: int = 0
    step: int = 0
    images: int = 0
    right: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    lr: float = 0.0
