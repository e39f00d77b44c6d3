"""How a network does on labelled images, class by class: prints as tables, saves as JSON, is drawn as a matrix."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from fastconv.errors import InvalidValueError
from fastconv.report import Record, Report, Table
from fastconv.report.figure import new_figure, save_figure
from fastconv.report.words import MISSING

_PLOT = "plot_confusion"
_SHOWN = 12  # classes whose confusion matrix a terminal has room for
_LISTED = 20  # classes that are listed; of more the worst ones
_NUMBERED = 20  # classes whose cells have room for their numbers in a picture
_SMALL = 8  # points
_DARK = 0.6  # share of a row from which numbers are written in white


@dataclass(frozen=True)
class ClassScore:
    """How a network does on one class.

    Attributes
    ----------
    name : str
        Of the class.
    images : int
        That are of it.
    recall : float or None
        Share of them that were found; None where there are none.
    precision : float or None
        Share of the images taken for it that are of it; None where none was.
    taken_for : str or None
        What its images were most often mistaken for; None where they were not.
    """

    name: str
    images: int
    recall: float | None
    precision: float | None
    taken_for: str | None


@dataclass(frozen=True, repr=False)
class Evaluation(Record):
    """How a network does on labelled images.

    Attributes
    ----------
    model, backend, dataset, prepared : str
        What was asked, what computed it, about which images, and what was done to them before.
    images : int
        How many.
    accuracy : float
        Share of them whose likeliest class is theirs.
    loss : float
        Mean cross-entropy.
    rows : tuple of ClassScore
        In the order of the columns of the scores.
    confusion : tuple of tuple of int
        Images by their class (row) and by the class that they were taken for (column).
    """

    FORMAT = "fastconv-evaluate/1"

    model: str
    backend: str
    dataset: str
    prepared: str
    images: int
    accuracy: float
    loss: float
    rows: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    def report(self) -> Report:
        """Return the verdict, a table of the classes, and the confusion matrix where it is small."""
        images = f"{self.images:,} image{'s' * (self.images != 1)} of {self.dataset}"
        verdict = f"accuracy {self.accuracy:.2%} (loss {self.loss:.4f}) on {images}"
        notes = [
            f"by {self.model} on the {self.backend} backend",
            f"prepared: {self.prepared}",
            "recall: share of the images of a class that were found; precision: share of those taken for it that are",
        ]
        tables = [self._classes()]
        if len(self.rows) <= _SHOWN:
            tables.append(self._matrix())
            notes.append("confusion matrix: a row for each class, a column for what its images were taken for")
        return Report(tuple(tables), tuple(notes), verdict=(verdict,))

    def _classes(self) -> Table:
        """One row for each class; of many, those that are found least."""
        rows, title = self.rows, "Classes"
        if len(rows) > _LISTED:
            known = [row for row in rows if row.recall is not None]
            rows = tuple(sorted(known, key=lambda row: row.recall or 0.0))[:_LISTED]
            title = f"The {len(rows)} of {len(self.rows)} classes that are found least"
        cells = tuple(
            (row.name, row.taken_for or MISSING, f"{row.images:,}", _percent(row.recall), _percent(row.precision))
            for row in rows
        )
        return Table(
            title, ("class", "most often taken for", "images", "recall", "precision"), cells, 2, ("precision",)
        )

    def _matrix(self) -> Table:
        headers = ("class", *(str(index) for index in range(len(self.rows))))
        cells = tuple(
            (row.name if row.name == str(index) else f"{index} {row.name}", *map(str, counts))
            for index, (row, counts) in enumerate(zip(self.rows, self.confusion))
        )
        return Table("Confusion matrix", headers, cells, 1)


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{share:.1%}"


def plot_confusion(found: Evaluation, path: str | os.PathLike[str]) -> None:
    """Draw the confusion matrix: the darker a cell, the larger its share of the images of a class.

    Parameters
    ----------
    found : Evaluation
        At least one image.
    path : path-like
        The file, which is written whole or not at all; its suffix says png, svg or pdf.

    Raises
    ------
    ValueError
        If there is no image, or the suffix is something else.
    ImportError
        If matplotlib is missing.
    OSError
        If the file cannot be written.
    """
    if not found.images:
        raise InvalidValueError(f"{_PLOT}: there must be an image, but got none.")
    save_figure(_PLOT, path, lambda: _figure(found))


def _figure(found: Evaluation) -> Any:
    count = len(found.rows)
    side = min(12.0, 3.0 + 0.45 * count)
    figure = new_figure(_PLOT, side, side)
    axes = figure.subplots()
    shares = [[cell / max(sum(row), 1) for cell in row] for row in found.confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= _NUMBERED:
        _write_numbers(axes, found.confusion, shares)
        names = [row.name for row in found.rows]
        axes.set_xticks(range(count), names, rotation=45, ha="right", fontsize=_SMALL, parse_math=False)
        axes.set_yticks(range(count), names, fontsize=_SMALL, parse_math=False)
    axes.set_xlabel("taken for")
    axes.set_ylabel("class")
    axes.set_title(
        f"{found.model}: {found.accuracy:.2%} of {found.images:,} images", fontsize=_SMALL + 1, parse_math=False
    )
    return figure


def _write_numbers(axes: Any, confusion: tuple[tuple[int, ...], ...], shares: list[list[float]]) -> None:
    """Write what is not zero into the cells."""
    for row, (counts, parts) in enumerate(zip(confusion, shares)):
        for column, (number, share) in enumerate(zip(counts, parts)):
            if number:
                colour = "white" if share > _DARK else "black"
                axes.text(column, row, str(number), ha="center", va="center", fontsize=_SMALL, color=colour)
