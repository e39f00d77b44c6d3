"""The picture of a run. Needs the extra ``plot``."""

from __future__ import annotations

import os
from typing import Any

from fastconv.errors import InvalidValueError
from fastconv.report.colours import colours_of
from fastconv.report.figure import new_figure, save_figure
from fastconv.training.records import History, points_of
from fastconv.validation.sizes import check_integer

_NAME = "plot_history"


def plot_history(history: History, path: str | os.PathLike[str], *, steps_per_epoch: int | None = None) -> None:
    """Draw loss and accuracy over the epochs; the loss alone where targets are numbers.

    Parameters
    ----------
    history : History
        From `Trainer.fit`; at least one step.
    path : path-like
        The file, which is written whole or not at all; its suffix says png, svg or pdf.
    steps_per_epoch : int, optional
        Of the run; by default as if its last epoch were finished.

    Raises
    ------
    ValueError
        If the suffix is something else, or no step is done; or no epoch is finished and `steps_per_epoch` not given.
    ImportError
        If matplotlib is missing.
    OSError
        If the file cannot be written.
    """
    if not history.step_losses and not history.epochs:
        raise InvalidValueError(f"{_NAME}: history must have a step, but got none.")
    if steps_per_epoch is not None:
        check_integer(_NAME, "steps_per_epoch", steps_per_epoch, 1)
    elif not history.epochs:
        raise InvalidValueError(f"{_NAME}: steps_per_epoch must be given where no epoch is finished.")
    save_figure(_NAME, path, lambda: _figure(history, steps_per_epoch))


def _figure(history: History, steps_per_epoch: int | None) -> Any:
    figure = new_figure(_NAME, 10, 4)
    from matplotlib.ticker import MaxNLocator

    numbers = any(record.train_accuracy is None for record in history.epochs)
    quantities = ("loss",) if numbers else ("loss", "accuracy")
    for axes, quantity in zip(figure.subplots(1, len(quantities), squeeze=False)[0], quantities):
        _draw(axes, points_of(history, quantity, steps_per_epoch))
        axes.set_xlabel("epoch")
        axes.set_ylabel(quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False)
    return figure


def _draw(axes: Any, series: dict[str, list[tuple[float, float]]]) -> None:
    """Draw a thin line for all steps, and dots for the epochs."""
    for name, colour in colours_of(series).items():
        how = {"linewidth": 0.8} if name == "each step" else {"marker": "o", "markersize": 3}
        axes.plot(*zip(*series[name]), color=colour, label=name, **how)
