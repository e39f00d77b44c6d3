"""What a call leaves behind: what it returns and what it writes, in terms of what was computed and what was given."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.dropin.example.black_box import Call
from fastconv.dropin.example.guards import PLAIN
from fastconv.dropin.example.slots import RESULT, Attribute, Item, Slot, Step, walk


@dataclass(frozen=True)
class Computed:
    """One of the arrays that are computed, by its name."""

    name: str


@dataclass(frozen=True)
class Given:
    """What lies in a slot of the call."""

    slot: Slot


@dataclass(frozen=True)
class Constant:
    """The same in every call."""

    value: Any


@dataclass(frozen=True)
class Several:
    """A tuple, list or dict of other things."""

    kind: type
    keys: tuple[Any, ...]
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Unknown:
    """Something that is made otherwise."""


Node = Computed | Given | Constant | Several | Unknown
CACHE = Computed("cache")  # what a fast function gives in place of what is not known


@dataclass(frozen=True)
class Written:
    """A slot that a call writes to.

    Parameters
    ----------
    slot : Slot
        Of an argument.
    node : Node
        What is there afterwards.
    in_place : bool
        Whether it is written into the array that was there.
    """

    slot: Slot
    node: Node
    in_place: bool


@dataclass(frozen=True)
class Effects:
    """What a call leaves behind.

    Parameters
    ----------
    returned : Node
        The result.
    written : tuple of Written
        What else can be told of, in slots of the arguments.
    left : tuple of Slot
        What is written there, and not known.
    """

    returned: Node
    written: tuple[Written, ...]
    left: tuple[Slot, ...]


NOTHING = Effects(Unknown(), (), ())


class Seen:
    """A call before and after it ran, and the arrays that it computed.

    Parameters
    ----------
    call : dict
        The call, ready to run.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self._before = dict(walk(call))
        arrays = {slot: value for slot, value in self._before.items() if isinstance(value, np.ndarray)}
        self._copies = {slot: value.copy() for slot, value in arrays.items()}
        self.computed: dict[str, Any] = {}

    def before(self, slot: Slot) -> Any:
        """Return what was in a slot."""
        return self._copies.get(slot, self._before.get(slot))

    def given(self) -> Iterator[tuple[Slot, Any]]:
        """Give what lay in the arguments, and the shapes of arrays."""
        for slot, value in self._before.items():
            yield slot, value
            if isinstance(value, np.ndarray):
                yield slot.then(Attribute("shape")), value.shape

    def gave(self, slot: Slot, value: Any) -> bool:
        """Whether a value lay in a slot, and was not written to since."""
        if slot in self._before:
            rewritten = slot in self._copies and not _equal(value, self._copies[slot])
            return _is_from(value, self._before[slot]) and not rewritten
        array = self._before.get(Slot(slot.root, slot.steps[:-1]))
        return isinstance(array, np.ndarray) and _is_from(value, array.shape)

    def changed(self) -> dict[Slot, bool]:
        """Slots of arguments in which something else is now, and whether it was written into the same array."""
        found: dict[Slot, bool] = {}
        for slot, value in walk(self.call):
            if slot.root == RESULT or any(_starts_with(slot, other) for other in found):
                continue
            old = self._before.get(slot, RESULT)
            if value is not old and not (isinstance(value, PLAIN) and _equal(value, old)):
                if not isinstance(value, (list, dict)) or not isinstance(old, type(value)) or not _alike(value, old):
                    found[slot] = False
            elif slot in self._copies and not _equal(value, self._copies[slot]):
                found[slot] = True
        return found


def _starts_with(slot: Slot, other: Slot) -> bool:
    return slot.root == other.root and slot.steps[: len(other.steps)] == other.steps


def find_effects(seen: Sequence[Seen], but: Container[Slot] = ()) -> Effects:
    """Return what calls leave behind, as far as the same words hold for all of them.

    Parameters
    ----------
    seen : sequence of Seen
        Calls of different sizes, after they ran.
    but : container of Slot
        What is written to otherwise.
    """
    returned = _explained([each.call[RESULT] for each in seen], seen)
    changes = [each.changed() for each in seen]
    written, left = [], []
    for slot, in_place in changes[0].items():
        if slot in but:
            continue
        if not all(slot in change for change in changes):
            left.append(slot)
            continue
        node = _explained([slot.get(each.call) for each in seen], seen)
        if is_known(node):
            written.append(Written(slot, node, in_place))
        else:
            left.append(slot)
    return Effects(returned, tuple(written), tuple(left))


def _explained(values: list[Any], seen: Sequence[Seen]) -> Node:
    """One node for what stands in the same place of several calls."""
    for name in seen[0].computed:
        if all(_is_computed(value, each.computed[name]) for value, each in zip(values, seen)):
            return Computed(name)
    for slot in _sources(values[0], seen[0]):
        if all(each.gave(slot, value) for value, each in zip(values, seen)):
            return Given(slot)
    first = values[0]
    if isinstance(first, PLAIN) and all(type(value) is type(first) and value == first for value in values):
        return Constant(first)
    if isinstance(first, (tuple, list, dict)) and all(_alike(first, value) for value in values):
        keys = tuple(first) if isinstance(first, dict) else tuple(range(len(first)))
        return Several(type(first), keys, tuple(_explained([value[key] for value in values], seen) for key in keys))
    return Unknown()


def _is_computed(value: Any, array: Any) -> bool:
    if not isinstance(value, (np.ndarray, np.floating, float)) or np.shape(value) != np.shape(array):
        return False
    return value is array or np.allclose(value, array, rtol=1e-6, atol=0)


def _alike(one: Any, other: Any) -> bool:
    if type(one) is not type(other) or len(one) != len(other):
        return False
    return not isinstance(one, dict) or one.keys() == other.keys()


def _sources(value: Any, seen: Seen) -> list[Slot]:
    """Slots of arguments in which a value lay."""
    return [slot for slot, given in seen.given() if _is_from(value, given)]


def _is_from(value: Any, given: Any) -> bool:
    if isinstance(value, (int, float)) or _is_shape(value):
        return _equal(value, given)
    return value is given and not isinstance(value, PLAIN)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one is other or (one.shape == other.shape and np.array_equal(one, other))
    return type(one) is type(other) and (isinstance(one, PLAIN) or _is_shape(one)) and bool(one == other)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, int) for each in value)


def is_known(node: Node) -> bool:
    """Whether all parts of a node are known."""
    return not isinstance(node, Unknown) and (not isinstance(node, Several) or all(map(is_known, node.parts)))


def with_cache(node: Node) -> Node | None:
    """Return a result with a cache of ours in place of what is not known; None if that is all of it.

    The parts of a tuple, list or dict stay apart: ``(y, cache)`` is still a pair.
    """
    if is_known(node):
        return node
    if not isinstance(node, Several):
        return None
    return Several(node.kind, node.keys, tuple(part if is_known(part) else CACHE for part in node.parts))


def node_at(node: Node, steps: Sequence[Step]) -> Node | None:
    """Return the node of a part of a result; None where nothing is known about the part."""
    for step in steps:
        if not isinstance(node, Several) or not isinstance(step, Item) or step.key not in node.keys:
            return None
        node = node.parts[node.keys.index(step.key)]
    return node


def made(node: Node, computed: Mapping[str, Any], call: Mapping[str, Any]) -> Any:
    """Return what a node stands for, in a call and with what was computed."""
    if isinstance(node, Computed):
        return computed[node.name]
    if isinstance(node, Given):
        return node.slot.get(call)
    if isinstance(node, Constant):
        return node.value
    if not isinstance(node, Several):
        raise KeyError(node)
    parts = [made(part, computed, call) for part in node.parts]
    if node.kind is dict:
        return dict(zip(node.keys, parts))
    return node.kind(*parts) if hasattr(node.kind, "_fields") else node.kind(parts)
