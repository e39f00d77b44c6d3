"""The picture of a run. Needs the extra ``plot``."""

from __future__ import annotations

import os
from typing import Any

from fastconv.errors import InvalidValueError
from fastconv.report.figure import new_figure, save_figure
from fastconv.training.records import History

_NAME = "plot_history"
_TRAIN, _VALIDATION, _STEPS = "#1f6f8b", "#e08e45", "#b9d3dc"


def plot_history(history: History, path: str | os.PathLike[str]) -> None:
    """Draw loss and accuracy over the epochs; the loss alone where targets are numbers.

    Parameters
    ----------
    history : History
        From `Trainer.fit`; at least one epoch.
    path : path-like
        The file, which is written whole or not at all; its suffix says png, svg or pdf.

    Raises
    ------
    ValueError
        If the suffix is something else, or no epoch is finished.
    ImportError
        If matplotlib is missing.
    OSError
        If the file cannot be written.
    """
    if not history.epochs:
        raise InvalidValueError(f"{_NAME}: history must have a finished epoch, but got none.")
    save_figure(_NAME, path, lambda: _figure(history))


def _figure(history: History) -> Any:
    figure = new_figure(_NAME, 10, 4)
    from matplotlib.ticker import MaxNLocator

    quantities = ("loss",) if history.epochs[0].train_accuracy is None else ("loss", "accuracy")
    for axes, quantity in zip(figure.subplots(1, len(quantities), squeeze=False)[0], quantities):
        if quantity == "loss":
            _draw_steps(axes, history)
        _draw_epochs(axes, history, quantity)
        axes.set_xlabel("epoch")
        axes.set_ylabel(quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


def _draw_steps(axes: Any, history: History) -> None:
    """Draw the loss of every step; the first epoch ends at 1."""
    per_step = len(history.epochs) / max(len(history.step_losses), 1)
    positions = [(step + 1) * per_step for step in range(len(history.step_losses))]
    axes.plot(positions, history.step_losses, color=_STEPS, linewidth=0.8, label="each step")


def _draw_epochs(axes: Any, history: History, quantity: str) -> None:
    """One line for training, and one for validation where there was one."""
    for part, colour in (("train", _TRAIN), ("validation", _VALIDATION)):
        values = [(record.epoch, getattr(record, f"{part}_{quantity}")) for record in history.epochs]
        measured = [(epoch, value) for epoch, value in values if value is not None]
        if measured:
            axes.plot(*zip(*measured), marker="o", markersize=3, color=colour, label=part)
