"""What a run tells while it goes on: to a function, as lines, or as a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastconv.errors import InvalidTypeError, shown
from fastconv.training.records import EpochRecord

_WIDTH = 24  # letters of the bar


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
        Means over the epoch so far; where targets are numbers, there is no accuracy, but None.
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
    accuracy: float | None
    lr: float
    images_per_second: float
    seconds_left: float
    record: EpochRecord | None

    def __str__(self) -> str:
        if self.record is not None:
            return f"epoch {self.epoch}/{self.epochs}: {_measured(self.record)}"
        return (
            f"epoch {self.epoch}/{self.epochs}, step {self.step}/{self.steps}: loss {self.loss:.4f}"
            f"{_accuracy(self.accuracy)}, {self.images_per_second:,.0f} images/s, {self.seconds_left:.0f} s left"
        )


def _measured(record: EpochRecord) -> str:
    validation = record.validation_loss
    judged = "" if validation is None else f"; validation {validation:.4f}{_accuracy(record.validation_accuracy)}"
    return f"loss {record.train_loss:.4f}{_accuracy(record.train_accuracy)}{judged}; {record.seconds:.1f} s"


def _accuracy(share: float | None) -> str:
    return "" if share is None else f", accuracy {100 * share:.1f} %"


ProgressCallback = Callable[[Progress], object]


@contextmanager
def reporting(operation: str, progress: object) -> Iterator[ProgressCallback | None]:
    """Give, for a block, the function that takes reports, or None.

    Parameters
    ----------
    operation : str
        Whom the message of an error names.
    progress : bool, callable or None
        What `Trainer.fit` takes. True is a bar in terminals and notebooks, where rich is installed, and elsewhere
        ``print``, which prints epochs.
    """
    if progress is True and (console := _console_for_bars()) is not None:
        with _bar(console) as update:
            yield update
    elif progress is True or progress is print:
        yield _print_epoch
    elif progress is None or progress is False:
        yield None
    elif callable(progress):
        yield progress
    else:
        raise InvalidTypeError(f"{operation}: progress must be True, False or a function, but got {shown(progress)}.")


def _print_epoch(progress: Progress) -> None:
    if progress.record is not None:
        print(progress, flush=True)


def _console_for_bars() -> Any:
    """Where a bar can be drawn; None where there is no terminal and no notebook, or no rich."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    console = Console(stderr=True)
    return console if console.is_terminal or console.is_jupyter else None


@contextmanager
def _bar(console: Any) -> Iterator[ProgressCallback]:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    words = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis"))
    with Bars(BarColumn(_WIDTH), words, console=console) as bars:
        task = bars.add_task("compiling", total=1.0)

        def update(progress: Progress) -> None:
            done = (progress.epoch - 1 + progress.step / progress.steps) / progress.epochs
            bars.update(task, completed=done, description=str(progress))

        yield update
