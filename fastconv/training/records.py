"""What a run has measured: per step, per epoch, and of a whole dataset; and when it stops early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any, NamedTuple

from fastconv.errors import InvalidValueError
from fastconv.optim.arguments import check_not_negative
from fastconv.report import Report, Table, format_number
from fastconv.report.curves import curves
from fastconv.report.page import fragment
from fastconv.report.words import plural
from fastconv.validation.constructors import Constructed
from fastconv.validation.sizes import check_choice, check_integer

# What may decide which epoch is best, and whether more of it is better.
_MONITORS = {"validation_accuracy": True, "validation_loss": False, "train_accuracy": True, "train_loss": False}


class Metrics(NamedTuple):
    """How a network does on a dataset.

    Attributes
    ----------
    loss : float
        Mean loss over the images.
    accuracy : float or None
        Share of the images whose highest score is that of their class; None where targets are numbers.
    """

    loss: float
    accuracy: float | None


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss, train_accuracy : float
        Means over the training images of the epoch, each as its batch saw it, before the step it caused. Where targets
        are numbers, accuracies are None.
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
    train_accuracy: float | None
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
            What `EarlyStopping` may watch. By default the accuracy on the validation images, if there is one, and then
            their loss; the training loss where there are none.

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
            if self.validation_loss is None:
                return (-self.train_loss,)
            accuracy = () if self.validation_accuracy is None else (self.validation_accuracy,)
            return (*accuracy, -self.validation_loss)
        value = getattr(self, monitor)
        if value is None:
            raise InvalidValueError(
                f"EpochRecord: {monitor} must have been measured, but it was not. Pass validation= to "
                "fit, or watch train_loss; where targets are numbers there is no accuracy."
            )
        return (value if _MONITORS[monitor] else -value,)


@dataclass(repr=False)
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
    >>> history
    History(1 epoch, 2 steps; train loss 2.0000; best in epoch 1)
    """

    epochs: list[EpochRecord] = field(default_factory=list)
    step_losses: list[float] = field(default_factory=list)

    @property
    def best(self) -> EpochRecord:
        """The epoch with the highest `EpochRecord.score`, the first of equals."""
        if not self.epochs:
            raise InvalidValueError("History: there must be a finished epoch to have a best one, but got none.")
        return max(self.epochs, key=EpochRecord.score)

    def __repr__(self) -> str:
        counts = f"{plural(len(self.epochs), 'epoch')}, {plural(len(self.step_losses), 'step')}"
        if not self.epochs:
            return f"History({counts})"
        last, judged = self.epochs[-1], ""
        if last.validation_loss is not None:
            judged = f", validation loss {last.validation_loss:.4f}"
        return f"History({counts}; train loss {last.train_loss:.4f}{judged}; best in epoch {self.best.epoch})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the curves, and a table of the epochs."""
        drawn = [curves(name, "epoch", points_of(self, name)) for name in ("loss", "accuracy")]
        table = [fragment(Report((epoch_table(self),)))] if self.epochs else []
        return "\n".join([f"<p>{escape(repr(self))}</p>", *filter(None, drawn), *table])

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


def points_of(
    history: History, quantity: str, steps_per_epoch: int | None = None
) -> dict[str, list[tuple[float, float]]]:
    """Return what is drawn of "loss" or "accuracy": points (epoch, value) by the names of their curves.

    The first epoch ends at 1; where `steps_per_epoch` is not given, as if the last epoch were finished.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    if quantity == "loss":
        steps = steps_per_epoch or max(1, len(history.step_losses) // max(1, len(history.epochs)))
        found["each step"] = [((step + 1) / steps, loss) for step, loss in enumerate(history.step_losses)]
    for part in ("train", "validation"):
        values = [(float(record.epoch), getattr(record, f"{part}_{quantity}")) for record in history.epochs]
        found[part] = [(epoch, value) for epoch, value in values if value is not None]
    return {name: points for name, points in found.items() if points}


EPOCH_HEADERS = ("epoch", "train loss", "accuracy", "validation", "accuracy", "time", "images/s", "rate")


def epoch_table(history: History) -> Table:
    """Return a row for each epoch."""
    return Table("Epochs", EPOCH_HEADERS, tuple(map(epoch_cells, history.epochs)), 0)


def epoch_cells(record: EpochRecord) -> tuple[str, ...]:
    """Return the row of an epoch; a dash for what was not measured."""
    forms = {"loss": ".4f", "accuracy": ".2%"}
    numbers = [
        format_number(getattr(record, f"{part}_{name}"), form)
        for part in ("train", "validation")
        for name, form in forms.items()
    ]
    speed = f"{record.seconds:.2f} s", f"{record.images_per_second:,.0f}", f"{record.lr:.3g}"
    return (str(record.epoch), *numbers, *speed)


@dataclass
class Position:
    """How far a run has come, and the sums of the epoch that is not finished.

    Attributes
    ----------
    epoch, step : int
        Finished epochs, and finished steps of the next one.
    images, right : int, float
        Images seen in those steps, and how many of them were classified correctly; of an image with a class for every
        pixel its share counts.
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
    right: float = 0
    loss: float = 0.0
    seconds: float = 0.0
    lr: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Mean loss over the images of the epoch so far."""
        return self.loss / self.images

    @property
    def accuracy(self) -> float:
        """Share of those images that were classified correctly."""
        return self.right / self.images

    @property
    def images_per_second(self) -> float:
        """Speed of those steps."""
        return self.images / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class EarlyStopping(metaclass=Constructed):
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
        check_choice("EarlyStopping", "monitor", self.monitor, tuple(_MONITORS))
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
