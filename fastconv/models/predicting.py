"""From files of pictures to what a network says of them, in batches; what cannot be read is left out by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastconv.backends import get_backend
from fastconv.data.network_input import Preprocessing
from fastconv.data.pictures import load_image
from fastconv.data.trees import SUFFIXES
from fastconv.errors import DataNotFoundError, FastconvError, InvalidValueError
from fastconv.models.classifier import as_probabilities, score_rows
from fastconv.models.predictions import Guess, Prediction, Predictions, Unread, preparation_in_words
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_integer

_NAME = "predict_files"

Progress = Callable[[str, float], None]
Prepared = tuple[Path, NDArray[np.float32]]


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Return files as they are, and of folders all pictures in them, at any depth, in the order of their names.

    Raises
    ------
    fastconv.errors.DataNotFoundError
        If a folder has no picture; a ``FileNotFoundError``.
    """
    found = []
    for path in paths:
        inside = list(_pictures(path)) if path.is_dir() else [path]
        if not inside:
            raise DataNotFoundError(f"{_NAME}: {path} must have pictures ({', '.join(SUFFIXES)}), but it has none.")
        found += inside
    return found


def _pictures(folder: Path) -> Iterator[Path]:
    """Pictures in a folder; hidden ones are passed over."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield path


def predict_files(
    files: Sequence[Path],
    run: Callable[[Array], Array],
    preprocessing: Preprocessing,
    *,
    model: str,
    class_names: Sequence[str] = (),
    top: int = 5,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> Predictions:
    """Ask a network about pictures in files.

    Parameters
    ----------
    files : sequence of Path
        Pictures, as `load_image` reads them.
    run : callable
        Takes a batch as `preprocessing` makes it, returns scores or probabilities, a row for each picture.
    preprocessing : Preprocessing
        What is done to pictures before.
    model : str
        What the network is called.
    class_names : sequence of str
        Names of the columns of the scores; by default their indices.
    top : int
        Classes of each picture, the likeliest ones.
    batch_size : int
        Pictures at a time.
    progress : callable, optional
        Called as ``progress(text, fraction)``.

    Returns
    -------
    Predictions
        Probabilities are those of `as_probabilities`, decided over all pictures together.

    Raises
    ------
    ValueError
        If there are not as many names as classes, the network does not take the batch, or what white was in its own
        images is not known.
    """
    preprocessing = preprocessing.of_files()
    top, size = check_integer(_NAME, "top", top, 1), check_integer(_NAME, "batch_size", batch_size, 1)
    named: list[Path] = []
    scores: list[Array] = []
    unread: list[Unread] = []
    for first in range(0, len(files), size):
        if progress is not None:
            progress(f"{len(files)} images", first / len(files))
        for _, group in groupby(_prepared(files[first : first + size], preprocessing, unread), _shape):
            read, batches = zip(*group)
            named += read
            scores.append(_checked(score_rows(run(np.concatenate(batches))), class_names))
    rows = _rows(*_of_numbers(named, np.concatenate(scores), unread), class_names, top) if scores else ()
    return Predictions(model, get_backend(), preparation_in_words(preprocessing), rows, tuple(unread))


def _prepared(files: Sequence[Path], preprocessing: Preprocessing, unread: list[Unread]) -> Iterator[Prepared]:
    """Yield pictures that can be read, each a batch of one; the others are appended to `unread`."""
    for file in files:
        try:
            yield file, preprocessing([load_image(file, color=preprocessing.color)])
        except (FastconvError, OSError) as error:
            reason = str(error).removeprefix("load_image: ")
            unread.append(Unread(str(file), reason if str(file) in reason else f"{file}: {reason}"))


def _shape(prepared: Prepared) -> tuple[int, ...]:
    return prepared[1].shape


def _checked(scores: Array, class_names: Sequence[str]) -> Array:
    if class_names and len(class_names) != scores.shape[1]:
        raise InvalidValueError(
            f"{_NAME}: there must be a name for each of the {scores.shape[1]} classes of the network, but got "
            f"{len(class_names)}."
        )
    return scores


def _of_numbers(files: Sequence[Path], scores: Array, unread: list[Unread]) -> tuple[list[Path], Array]:
    """Files and scores without those that no probability follows from, which are appended to `unread`."""
    good: list[bool] = [not (np.isnan(row).any() or np.isposinf(row).any()) for row in scores]
    bad = [str(file) for file, fine in zip(files, good) if not fine]
    unread += [Unread(file, f"{file}: its scores are NaN or infinite.") for file in bad]
    return [file for file, fine in zip(files, good) if fine], scores[good]


def _rows(files: Sequence[Path], scores: Array, class_names: Sequence[str], top: int) -> tuple[Prediction, ...]:
    shares = as_probabilities(scores)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    names = class_names or [str(index) for index in range(scores.shape[1])]
    return tuple(
        Prediction(str(file), tuple(Guess(int(index), names[index], float(row[index])) for index in best))
        for file, row, best in zip(files, shares, order)
    )
