"""Whether a checkpoint is whole: every entry is there, of its kind, and they agree with each other.

A checksum finds what a disk has damaged. What is missing from the file of another program, or from one that somebody
has edited, would be found out much later, or never: a run whose optimiser has lost its state goes on without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from types import NoneType
from typing import Any

from fastconv.errors import StateFileError, shown
from fastconv.training.records import EpochRecord, Position
from fastconv.validation.arrays import Array

_WORDS = {dict: "a dictionary", list: "a list", str: "a string", NoneType: "nothing"}
_ABOUT: dict[str, Any] = {
    "run": dict,
    "position": dict,
    "epochs": list,
    "optimizer": dict,
    "schedule": (dict, NoneType),
    "order": dict,
    "augment": dict,
    "layers": dict,
}
_OPTIMIZER: dict[str, Any] = {"kind": str, "groups": list, "steps": list}
_SCHEDULE: dict[str, Any] = {"done": int, "base_lrs": list}


def check_whole(where: str, about: Mapping[str, Any], weights: Mapping[str, Array], losses: Array) -> None:
    """Raise a StateFileError that says what is missing, or is something else; `where` names the file."""
    checker = _Checker(f"{where} must be a whole checkpoint, but")
    checker.entries("", about, _ABOUT)
    checker.entries("optimizer ", about["optimizer"], _OPTIMIZER)
    for number, options in enumerate(about["optimizer"]["groups"]):
        checker.entries(f"optimizer groups {number} ", {"options": options}, {"options": dict})
    checker.record("position", about["position"], Position)
    for number, record in enumerate(about["epochs"]):
        checker.record(f"epochs {number}", record, EpochRecord)
    if about["schedule"] is not None:
        checker.entries("schedule ", about["schedule"], _SCHEDULE)
        checker.schedule(about["schedule"], len(about["optimizer"]["groups"]))
    checker.weights(about["run"].get("model"), weights)
    checker.losses(about, losses)


class _Checker:
    def __init__(self, expected: str) -> None:
        self._expected = expected

    def _refuse(self, words: str) -> None:
        raise StateFileError(f"{self._expected} {words}.")

    def entries(self, place: str, values: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
        """Compare a dictionary with the kinds of what has to be in it."""
        for name, kind in kinds.items():
            if name not in values:
                self._refuse(f"{place}{name} is missing")
            if not isinstance(values[name], kind) or isinstance(values[name], bool):
                self._refuse(f"{place}{name} is {shown(values[name])}")

    def record(self, place: str, values: Any, kind: Any) -> None:
        """Compare a dictionary with the fields of a dataclass of numbers."""
        if not isinstance(values, dict):
            self._refuse(f"{place} is {shown(values)}")
        types = {field.name: str(field.type) for field in fields(kind)}
        for name in values.keys() ^ types.keys():
            self._refuse(f"{place} {shown(name)} is {'missing' if name in types else 'unknown'}")
        for name, type_name in types.items():
            if not _is_number(values[name], type_name):
                self._refuse(f"{place} {name} is {shown(values[name])}")

    def schedule(self, state: Mapping[str, Any], groups: int) -> None:
        """Look at how far a schedule is, and at the learning rates that it starts from."""
        done, rates = state["done"], state["base_lrs"]
        if not _is_number(done, "int"):
            self._refuse(f"schedule done is {shown(done)}")
        if len(rates) != groups or not all(_is_number(rate, "float") for rate in rates):
            self._refuse(f"schedule base_lrs is {shown(rates)} for {groups} groups")

    def weights(self, expected: Any, weights: Mapping[str, Array]) -> None:
        """Compare the weights with what the run says about its model."""
        if not isinstance(expected, dict):
            self._refuse(f"run model is {shown(expected)}")
        for name in sorted(weights.keys() ^ expected.keys()):
            self._refuse(f"model.{name} is {'missing' if name in expected else 'unknown'}")
        for name, array in weights.items():
            if f"{array.dtype} {array.shape}" != expected[name]:
                self._refuse(f"model.{name} is {array.dtype} {array.shape} in place of {shown(expected[name])}")

    def losses(self, about: Mapping[str, Any], losses: Array) -> None:
        """Compare the records of epochs and steps with the position."""
        position, epochs = about["position"], len(about["epochs"])
        if losses.ndim != 1 or losses.dtype.kind != "f" or not all(map(isfinite, losses.tolist())):
            self._refuse(f"step_losses is {losses.dtype} {losses.shape}, or not finite")
        if position["epoch"] != epochs:
            self._refuse(f"there are {epochs} records of {position['epoch']} epochs")
        if len(losses) < position["epoch"] + position["step"]:
            self._refuse(f"there are {len(losses)} step_losses of epoch {position['epoch']}, step {position['step']}")


def _is_number(value: Any, type_name: str) -> bool:
    """Whether a value of JSON is what the annotation of a field says: an int from 0, a float, or None where it may."""
    if value is None:
        return "None" in type_name
    if type(value) is int:
        return 0 <= value < 2**63
    return "float" in type_name and type(value) is float and isfinite(value)
