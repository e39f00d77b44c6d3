"""What a network says of some pictures: prints as a table, saves as JSON, is drawn with the pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from fastconv.data.network_input import Preprocessing
from fastconv.data.pictures import load_image
from fastconv.errors import InvalidValueError
from fastconv.report import Record, Report, Table
from fastconv.report.colours import PALETTE
from fastconv.report.figure import new_figure, save_figure
from fastconv.report.words import format_shape, plural

_PLOT = "plot_predictions"
_LONGEST = 20  # characters of a file name in the table: a terminal of 60 columns has room for the rest
_DRAWN = 20  # pictures of a figure
_ROW = 1.8  # inches of each
_SMALL = 8  # points


@dataclass(frozen=True)
class Guess:
    """A class that a picture may belong to.

    Attributes
    ----------
    index : int
        Column of the scores.
    name : str
        Name of the class, or its index.
    probability : float
        From 0 to 1.
    """

    index: int
    name: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """One picture, and its likeliest classes, the first one first."""

    file: str
    top: tuple[Guess, ...]


@dataclass(frozen=True)
class Unread:
    """A file that could not be read as a picture, or not be prepared, or has no scores, and why."""

    file: str
    reason: str


@dataclass(frozen=True, repr=False)
class Predictions(Record):
    """What a network says of some pictures.

    Attributes
    ----------
    model : str
        What it is called.
    backend : str
        What computed it.
    prepared : str
        What was done to the pictures before, in words.
    rows : tuple of Prediction
        In the order of the files.
    unread : tuple of Unread
        Files that are left out.
    """

    FORMAT = "fastconv-predict/1"

    model: str
    backend: str
    prepared: str
    rows: tuple[Prediction, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no file is left out."""
        return not self.unread

    def report(self) -> Report:
        """Return one table, and a line for every file that could not be read."""
        cells = tuple(
            (_shortened(row.file) if place == 0 else "", guess.name, f"{guess.probability:.2%}")
            for row in self.rows
            for place, guess in enumerate(row.top)
        )
        table = Table("", ("image", "class", "probability"), cells, 2)
        notes = (
            f"{plural(len(self.rows), 'image')} by {self.model} on the {self.backend} backend",
            f"prepared: {self.prepared}",
        )
        return Report((table,) if self.rows else (), notes, tuple(one.reason for one in self.unread))


def _shortened(file: str) -> str:
    return file if len(file) <= _LONGEST else f"…{file[1 - _LONGEST :]}"


def preparation_in_words(preprocessing: Preprocessing) -> str:
    """Say what is done to a picture.

    Examples
    --------
    >>> from fastconv.data import PRESETS
    >>> preparation_in_words(PRESETS["mnist"])
    'resized to 28×28, gray, times 1/255'
    """
    size, mean, std = preprocessing.size, preprocessing.mean, preprocessing.std
    resized = f"shorter side {size}" if isinstance(size, int) else size and f"resized to {format_shape(size)}"
    words = (
        resized,
        preprocessing.crop and f"centre of {format_shape(preprocessing.crop)}",
        {1: "gray", 3: "colours"}.get(preprocessing.channels or 0),
        preprocessing.scale != 1 and f"times 1/{1 / preprocessing.scale:g}",
        any(mean) and f"less {_listed(mean)}",
        set(std) != {1.0} and f"over {_listed(std)}",
        preprocessing.layout == "NHWC" and "channels last",
    )
    return ", ".join(word for word in words if isinstance(word, str)) or "nothing"


def _listed(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{number:.4g}" for number in numbers)


def plot_predictions(found: Predictions, path: str | os.PathLike[str]) -> None:
    """Draw every picture beside the bars of its likeliest classes; of many, the first ones.

    Parameters
    ----------
    found : Predictions
        At least one picture; the files are read again.
    path : path-like
        The file, which is written whole or not at all; its suffix says png, svg or pdf.

    Raises
    ------
    ValueError
        If there is no picture, or the suffix is something else.
    ImportError
        If matplotlib is missing.
    OSError
        If a picture is gone, or the file cannot be written.
    """
    if not found.rows:
        raise InvalidValueError(f"{_PLOT}: there must be a picture, but got none.")
    save_figure(_PLOT, path, lambda: _figure(found))


def _figure(found: Predictions) -> Any:
    rows = found.rows[:_DRAWN]
    figure = new_figure(_PLOT, 7, 0.5 + _ROW * len(rows))
    panels = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(1, 2))
    for row, (picture, bars) in zip(rows, panels):
        pixels = load_image(row.file, layout="HWC")
        picture.imshow(pixels, cmap="gray")
        picture.set_axis_off()
        picture.set_title(_shortened(row.file), fontsize=_SMALL, parse_math=False)
        _draw_bars(bars, row.top)
    some = f", the first {len(rows)} of {len(found.rows)}" if len(rows) < len(found.rows) else ""
    figure.suptitle(f"{found.model}{some}", fontsize=_SMALL + 1, parse_math=False)
    return figure


def _draw_bars(axes: Any, top: tuple[Guess, ...]) -> None:
    places = range(len(top))
    bars = axes.barh(places, [guess.probability for guess in top], color=PALETTE[0])
    axes.bar_label(bars, [f"{guess.probability:.1%}" for guess in top], padding=3, fontsize=_SMALL)
    axes.set_yticks(places, [guess.name for guess in top], fontsize=_SMALL, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
