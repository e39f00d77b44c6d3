"""Reading the checkpoints of the Solver, which are pickles, without running what is in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastconv.data.files import as_path
from fastconv.data.unpickling import load_arrays
from fastconv.errors import DataError, DataNotFoundError, StateFileError, shown
from fastconv.files import is_there, open_regular
from fastconv.validation.arrays import Array

__all__ = ["State", "load_checkpoint", "state_of"]

_HISTORIES = "loss_history", "train_acc_history", "val_acc_history"


class State(NamedTuple):
    """What a Solver goes on from."""

    params: dict[str, Array]
    epoch: int
    loss_history: list[Any]
    train_acc_history: list[Any]
    val_acc_history: list[Any]


def load_checkpoint(filename: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file ``NAME_epoch_N.pkl`` of a Solver, this one or the original, as plain data.

    Parameters
    ----------
    filename : path
        The file.

    Returns
    -------
    dict
        The entries of the file. The model is a dictionary of its attributes, ``params`` among them; the update rule
        and a dtype are dotted names, such as "fastconv.compat.cs231n.optim.adam".

    Raises
    ------
    fastconv.errors.StateFileError
        If the file is damaged, is something else, or asks for anything to be called.
    fastconv.errors.DataNotFoundError
        If there is no such file.

    Notes
    -----
    A pickle is a program. This one is read by an unpickler that makes arrays and plain data alone.
    """
    path = as_path("load_checkpoint", filename)
    if not is_there(path):
        raise DataNotFoundError(f"load_checkpoint: {path} must be a checkpoint, but there is no such file.")
    try:
        with open_regular("load_checkpoint", path, StateFileError) as stream:
            content = _text(load_arrays("load_checkpoint", str(path), stream, objects=True), {})
    except DataError as error:
        raise StateFileError(str(error)) from None
    if not isinstance(content, dict) or not {"model", "epoch", *_HISTORIES} <= content.keys():
        raise StateFileError(
            f"load_checkpoint: {path} must hold the dictionary of a Solver with model, epoch, {', '.join(_HISTORIES)}, "
            f"but got {sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__}."
        )
    return content


def state_of(filename: str | os.PathLike[str], expected: Mapping[str, Array]) -> State:
    """Return what a Solver goes on from; its parameters must have the names and shapes of the expected ones."""
    content = load_checkpoint(filename)
    path, model, epoch = Path(filename), content["model"], content["epoch"]
    params = model.get("params") if isinstance(model, dict) else None
    if not isinstance(params, dict) or not all(isinstance(w, np.ndarray) for w in params.values()):
        raise StateFileError(f"load_checkpoint: the model of {path} must have params, a dictionary of arrays.")
    found, wanted = ({name: np.shape(w) for name, w in each.items()} for each in (params, expected))
    if found != wanted:
        raise StateFileError(f"load_checkpoint: {path} must have the parameters {wanted}, but got {found}.")
    if type(epoch) is not int or epoch < 0 or not all(isinstance(content[name], list) for name in _HISTORIES):
        raise StateFileError(
            f"load_checkpoint: {path} must have an epoch from 0 and lists as histories, but got epoch {shown(epoch)}."
        )
    kept = {name: np.array(w) for name, w in params.items()}  # what comes from a pickle may be read-only
    return State(kept, epoch, *(content[name] for name in _HISTORIES))


def _text(value: Any, known: dict[int, Any]) -> Any:
    """Strings of Python 2 as strings, in dictionaries too; `known` has what each became, as in `load_arrays`."""
    if not isinstance(value, (bytes, dict)):
        return value
    if id(value) not in known:
        if isinstance(value, bytes):
            known[id(value)] = value.decode("latin1")
        else:
            known[id(value)] = {_text(key, known): _text(item, known) for key, item in value.items()}
    return known[id(value)]
