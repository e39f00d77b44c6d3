"""What a run has measured: per step, per epoch, and of a whole dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from fastconv.errors import InvalidValueError

__all__ = ["MONITORS", "EpochRecord", "History", "Metrics"]

# What may decide which epoch is best, and whether more of it is better.
MONITORS = {"validation_accuracy": True, "validation_loss": False, "train_accuracy": True, "train_loss": False}


class Metrics(NamedTuple):
    """How a network does on a dataset.

    Attributes
    ----------
    loss : float
        Mean loss over the images.
    accuracy : float
        Share of the images whose highest score is that of their class.
    """

    loss: float
    accuracy: float


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss, train_accuracy : float
        Means over the training images of the epoch, each as its batch saw it, before the step it caused.
    validation_loss, validation_accuracy : float or None
        Of the validation images at the end of the epoch.
    lr : float
        Learning rate of the last step.
    seconds : float
        Time of the epoch, validation included.
    images_per_second : float
        Training images over the time without validation.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    lr: float
    seconds: float
    images_per_second: float

    def score(self, monitor: str | None = None) -> tuple[float, ...]:
        """How good the epoch is: a larger tuple is better.

        Parameters
        ----------
        monitor : str, optional
            One of `MONITORS`. By default the accuracy on the validation images and then their loss; the training
            loss where there are none.

        Returns
        -------
        tuple of float
            To be compared with those of other epochs.

        Raises
        ------
        ValueError
            If it was not measured.
        """
        if monitor is None:
            if self.validation_accuracy is None or self.validation_loss is None:
                return (-self.train_loss,)
            return (self.validation_accuracy, -self.validation_loss)
        value = getattr(self, monitor)
        if value is None:
            raise InvalidValueError(
                f"EpochRecord: {monitor} must have been measured, but the run has no validation images. "
                "Pass validation= to fit, or watch train_loss."
            )
        return (value if MONITORS[monitor] else -value,)


@dataclass
class History:
    """What a run has measured so far.

    Attributes
    ----------
    epochs : list of EpochRecord
        One for each finished epoch.
    step_losses : list of float
        Loss of every step, of unfinished epochs too.

    Examples
    --------
    >>> from fastconv.training import EpochRecord, History
    >>> history = History([EpochRecord(1, 2.0, 0.25, None, None, 0.1, 3.0, 400.0)], [2.5, 1.5])
    >>> History.from_dict(history.to_dict()) == history
    True
    >>> history.best.epoch
    1
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    step_losses: list[float] = field(default_factory=list)

    @property
    def best(self) -> EpochRecord:
        """The epoch with the highest `EpochRecord.score`, the first of equals."""
        if not self.epochs:
            raise InvalidValueError("History: there must be a finished epoch to have a best one, but got none.")
        return max(self.epochs, key=EpochRecord.score)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, for JSON.

        Returns
        -------
        dict
            What `from_dict` takes.
        """
        return {"epochs": [asdict(record) for record in self.epochs], "step_losses": list(self.step_losses)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> History:
        """Return the history that `to_dict` described.

        Parameters
        ----------
        values : mapping
            As `to_dict` returns it, or as JSON gives it back.

        Returns
        -------
        History
            It has lists of its own.
        """
        return cls([EpochRecord(**record) for record in values["epochs"]], [float(x) for x in values["step_losses"]])
