"""When to stop before the last epoch."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.optim.arguments import check_not_negative
from fastconv.training.records import MONITORS, History
from fastconv.validation.sizes import check_choice, check_integer

__all__ = ["EarlyStopping"]


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a number has not become better for some epochs.

    Parameters
    ----------
    patience : int
        Epochs without a new best, after which the run stops.
    monitor : {"validation_loss", "validation_accuracy", "train_loss", "train_accuracy"}
        The number.
    min_delta : float
        What is better by less does not count.

    Notes
    -----
    It has no state: it looks at the history, so that a run that is resumed stops where the other would have.

    Examples
    --------
    >>> from fastconv.training import EarlyStopping, EpochRecord, History
    >>> losses = [2.0, 1.0, 1.5, 0.995, 1.2]
    >>> history = History([EpochRecord(i, loss, 0.5, loss, 0.5, 0.1, 1.0, 1.0) for i, loss in enumerate(losses, 1)])
    >>> EarlyStopping(patience=3, min_delta=0.01).reached(history)
    True
    >>> EarlyStopping(patience=3).reached(history)
    False
    """

    patience: int = 5
    monitor: str = "validation_loss"
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        check_integer("EarlyStopping", "patience", self.patience, 1)
        check_choice("EarlyStopping", "monitor", self.monitor, tuple(MONITORS))
        check_not_negative("EarlyStopping", "min_delta", self.min_delta)

    def reached(self, history: History) -> bool:
        """Whether it is time to stop.

        Parameters
        ----------
        history : History
            Of the run so far.

        Returns
        -------
        bool
            True after `patience` epochs without a new best.
        """
        best, waited = float("-inf"), 0
        for record in history.epochs:
            (score,) = record.score(self.monitor)
            if score > best + self.min_delta:
                best, waited = score, 0
            else:
                waited += 1
        return waited >= self.patience
