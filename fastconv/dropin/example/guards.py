"""What else has to be in a call as it was in the example, because nothing is known about other values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MethodType
from typing import Any

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.example.slots import Slot, is_object

PLAIN = (bool, int, float, str, bytes, type(None))


@dataclass(frozen=True)
class Guard:
    """A slot, and what has to be in it.

    Parameters
    ----------
    slot : Slot
        Where.
    kind : {"value", "keys", "length", "type", "same"}
        The value itself, the keys of a dict, the length of a list, the class of an object, or the very object.
    value : object
        What has to be there.
    """

    slot: Slot
    kind: str
    value: Any

    def check(self, call: Mapping[str, Any]) -> None:
        """Decline a call in which something else is there."""
        found = self.slot.get(call)
        if self.kind == "value":
            fits = type(found) is type(self.value) and found == self.value
        elif self.kind == "keys":
            fits = found.keys() == self.value
        elif self.kind == "length":
            fits = len(found) == self.value
        else:
            fits = (type(found) if self.kind == "type" else found) is self.value
        if not fits:
            raise Declined


def guard_of(slot: Slot, value: Any) -> Guard | None:
    """Return what guards a value; None for an array, whose numbers may be any."""
    if isinstance(value, PLAIN):
        return Guard(slot, "value", value)
    if isinstance(value, dict):
        return Guard(slot, "keys", value.keys())
    if isinstance(value, (list, tuple)):
        return Guard(slot, "length", len(value))
    if isinstance(value, MethodType):  # a method of one object: the object itself is guarded
        return None
    if callable(value) and not is_object(value):
        return Guard(slot, "same", value)
    return Guard(slot, "type", type(value)) if is_object(value) else None
