"""What a run tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastconv.training.records import EpochRecord

__all__ = ["Progress", "ProgressCallback"]


@dataclass(frozen=True)
class Progress:
    """Where a run is; what `Trainer.fit` calls ``progress`` with, after every step and every epoch.

    Attributes
    ----------
    epoch, epochs : int
        The epoch that runs, from 1, and how many there will be.
    step, steps : int
        Steps of this epoch that are done, and how many it has.
    loss, accuracy : float
        Means over the epoch so far.
    lr : float
        Learning rate of the last step.
    images_per_second : float
        Over the epoch so far.
    seconds_left : float
        Estimated time to the end of the last epoch.
    record : EpochRecord or None
        Not None at the end of an epoch.

    Examples
    --------
    >>> print(Progress(2, 5, 7, 12, 0.25, 0.921875, 0.1, 12345.6, 3.2, None))
    epoch 2/5, step 7/12: loss 0.2500, accuracy 92.2 %, 12,346 images/s, 3 s left
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    lr: float
    images_per_second: float
    seconds_left: float
    record: EpochRecord | None

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}/{self.epochs}, step {self.step}/{self.steps}: loss {self.loss:.4f}, accuracy "
            f"{self.accuracy:.1%}, {self.images_per_second:,.0f} images/s, {self.seconds_left:.0f} s left"
        ).replace("%,", " %,")


ProgressCallback = Callable[[Progress], object]
