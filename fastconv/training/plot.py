"""The picture of a run. Needs the extra ``plot``."""

from __future__ import annotations

import os
from typing import Any

from fastconv.errors import InvalidValueError
from fastconv.report.figure import new_figure, save_figure
from fastconv.training.records import History
from fastconv.validation.sizes import check_integer

_NAME = "plot_history"
_TRAIN, _VALIDATION, _STEPS = "#1f6f8b", "#e08e45", "#b9d3dc"


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
        steps = check_integer(_NAME, "steps_per_epoch", steps_per_epoch, 1)
    elif history.epochs:
        steps = max(1, len(history.step_losses) // len(history.epochs))
    else:
        raise InvalidValueError(f"{_NAME}: steps_per_epoch must be given where no epoch is finished.")
    save_figure(_NAME, path, lambda: _figure(history, steps))


def _figure(history: History, steps: int) -> Any:
    figure = new_figure(_NAME, 10, 4)
    from matplotlib.ticker import MaxNLocator

    numbers = any(record.train_accuracy is None for record in history.epochs)
    quantities = ("loss",) if numbers else ("loss", "accuracy")
    for axes, quantity in zip(figure.subplots(1, len(quantities), squeeze=False)[0], quantities):
        if quantity == "loss":
            _draw_steps(axes, history, steps)
        _draw_epochs(axes, history, quantity)
        axes.set_xlabel("epoch")
        axes.set_ylabel(quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False)
    return figure


def _draw_steps(axes: Any, history: History, steps: int) -> None:
    """Draw the loss of every step; the first epoch ends at 1."""
    positions = [(step + 1) / steps for step in range(len(history.step_losses))]
    axes.plot(positions, history.step_losses, color=_STEPS, linewidth=0.8, label="each step")


def _draw_epochs(axes: Any, history: History, quantity: str) -> None:
    """One line for training, and one for validation where there was one."""
    for part, colour in (("train", _TRAIN), ("validation", _VALIDATION)):
        values = [(record.epoch, getattr(record, f"{part}_{quantity}")) for record in history.epochs]
        measured = [(epoch, value) for epoch, value in values if value is not None]
        if measured:
            axes.plot(*zip(*measured), marker="o", markersize=3, color=colour, label=part)
