"""Checkpoints: one ``.npz`` file with everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError, StateFileError, shown
from fastconv.files import check_writable, remove_partial
from fastconv.layers.state import PathLike, read_arrays, write_arrays
from fastconv.training.whole import check_whole
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_path

_FORMAT = "fastconv checkpoint"
_VERSION = 1
_ABOUT = "checkpoint"  # the entry with everything that is not an array, as JSON


@dataclass(frozen=True)
class Checkpoint:
    """Everything about a run at one moment between two steps.

    Attributes
    ----------
    about : dict
        What is not an array: see `Trainer`.
    weights : dict of str to ndarray
        State dict of the model.
    slots : dict of str to ndarray
        Arrays of the optimiser.
    step_losses : ndarray of float64
        Loss of every step.
    """

    about: dict[str, Any]
    weights: dict[str, Array]
    slots: dict[str, Array]
    step_losses: Array

    def save(self, path: PathLike) -> None:
        """Write the file, whole or not at all."""
        about = {"format": _FORMAT, "version": _VERSION, **self.about}
        arrays = {_ABOUT: np.array(json.dumps(about, allow_nan=False).encode("ascii")), "step_losses": self.step_losses}
        arrays.update((f"model.{name}", array) for name, array in self.weights.items())
        arrays.update((f"optimizer.{name}", array) for name, array in self.slots.items())
        write_arrays(path, arrays)

    def in_words_of_json(self) -> Checkpoint:
        """Return what a file would give back."""
        return replace(self, about=json.loads(json.dumps(self.about)))

    @classmethod
    def load(cls, operation: str, path: PathLike) -> Checkpoint:
        """Read a file; one that is no checkpoint, or not a whole one, is refused with its name."""
        where = f"{operation}: {check_path(operation, path)}"
        arrays = read_arrays(operation, path)
        try:
            about = json.loads(arrays.pop(_ABOUT).item().decode("ascii"))
            known = about["format"] == _FORMAT
        except (KeyError, ValueError, AttributeError, TypeError, RecursionError):
            known = False
        if not known:
            raise StateFileError(f"{where} must be a checkpoint of a Trainer, but it is another .npz archive.")
        if about.get("version") != _VERSION:
            raise StateFileError(
                f"{where} must be a checkpoint of version {_VERSION}, but got {shown(about.get('version'))}. "
                "Go on with the version of fastconv that wrote it."
            )
        if "step_losses" not in arrays:
            raise StateFileError(f"{where} must be a whole checkpoint, but step_losses is missing.")
        checkpoint = cls(about, _under("model.", arrays), _under("optimizer.", arrays), arrays["step_losses"])
        check_whole(where, about, checkpoint.weights, checkpoint.step_losses)
        return checkpoint


def is_checkpoint(arrays: Mapping[str, Array]) -> bool:
    """Whether the arrays of a file are those of a checkpoint; `Checkpoint.load` says what is wrong with it."""
    return _ABOUT in arrays and any(name.startswith("model.") for name in arrays)


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def checkpoint_weights(path: PathLike) -> dict[str, Array]:
    """Read the weights out of a checkpoint.

    Parameters
    ----------
    path : path-like
        ``last.npz`` or ``best.npz`` of a run.

    Returns
    -------
    dict of str to ndarray
        What `Layer.load_state_dict` takes.

    Raises
    ------
    fastconv.errors.StateFileError
        If the file is damaged, or something else; a ``ValueError``.
    OSError
        If it cannot be read.
    """
    return Checkpoint.load("checkpoint_weights", path).weights


class CheckpointFolder:
    """The folder of a run, with ``last.npz`` and ``best.npz``.

    Parameters
    ----------
    folder : path-like
        It is created where it is missing.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = check_path("Trainer.fit", folder, "checkpoint").expanduser()
        self.last, self.best = self.folder / "last.npz", self.folder / "best.npz"

    def prepare(self, *, fresh: bool) -> None:
        """Create the folder, and find out whether it can be written; `fresh` refuses one with a run in it."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidValueError(f"Trainer.fit: checkpoint must be a folder, but {self.folder} is a file.")
        if fresh and self.last.exists():
            raise InvalidValueError(
                f"Trainer.fit: checkpoint must be a folder without a run, but {self.last} exists. Pass resume=True to "
                "go on with it, or name another folder."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in (self.last, self.best):
            remove_partial(file)
        check_writable(self.last)


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe what differs between two descriptions of a run."""
    found = []
    for name in {**then, **now}:
        old, new = then.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += [f"{name} {line}" for line in differences(old, new)]
        elif old != new:
            found.append(f"{name} (was {old}, is {new})")
    return found
