"""The epochs of a run as the lines of a table, above a bar where there is a terminal."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress

from fastconv.cli.console import console, what_is_done
from fastconv.cli.output import print_words
from fastconv.errors import LearningWarning
from fastconv.training import Progress as RunProgress
from fastconv.training import Trainer
from fastconv.training.records import EPOCH_HEADERS, epoch_cells

_WIDTHS = (5, 10, 9, 10, 9, 8, 8, 10)
_GAP = "  "


def _line(room: int, *cells: str) -> str:
    """Return a line of so many letters at most: the columns go from the right."""
    ends = accumulate(width + len(_GAP) for width in _WIDTHS)
    return _GAP.join(cell.rjust(width) for cell, width, end in zip(cells, _WIDTHS, ends) if end - len(_GAP) <= room)


@contextmanager
def complaints_on(out: Console) -> Iterator[None]:
    """Print that a network does not learn as a line of the table, while it happens."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **where: Any) -> None:
            if issubclass(category, LearningWarning):
                print_words(f"fastconv: {message}", out, "bold red")
            else:
                usual(message, category, *place, **where)

        warnings.simplefilter("always", LearningWarning)
        warnings.showwarning = show
        yield


class EpochTable:
    """What `Trainer.fit` reports to: ``with EpochTable(out, trainer) as report: trainer.fit(..., progress=report)``.

    Parameters
    ----------
    out : rich.console.Console
        Where the table goes.
    trainer : Trainer
        Whose earlier epochs, of a run that goes on, are printed first.
    """

    def __init__(self, out: Console, trainer: Trainer) -> None:
        # the bar and the lines above it share a terminal, so they must share a console
        target = out if out.is_terminal else console(stderr=True)
        self._bar = Progress(
            BarColumn(24), what_is_done(), console=target, transient=True, disable=not target.is_terminal
        )
        self._task = self._bar.add_task("compiling", total=1.0)
        self._out, self._trainer = out, trainer
        self._printed = 0

    def __enter__(self) -> EpochTable:
        self._bar.start()
        self._out.print(_line(self._out.width, *EPOCH_HEADERS), soft_wrap=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def __call__(self, progress: RunProgress) -> None:
        """Take one report."""
        done = progress.epoch - 1 + progress.step / progress.steps
        self._bar.update(self._task, completed=done / progress.epochs, description=_describe(progress))
        self._catch_up()

    def _catch_up(self) -> None:
        """Print the epochs that are finished and not printed."""
        for record in self._trainer.history.epochs[self._printed :]:
            self._out.print(_line(self._out.width, *epoch_cells(record)), soft_wrap=True)
            self._printed += 1
            sys.stdout.flush()


def _describe(progress: RunProgress) -> str:
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    return (
        f"epoch {progress.epoch}/{progress.epochs}  loss {progress.loss:.4f}  accuracy {progress.accuracy:.1%}  "
        f"{progress.images_per_second:,.0f} images/s  {minutes}:{seconds:02d} left"
    )
