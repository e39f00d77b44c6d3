"""A method whose object is made anew for every problem: what follows from the constructor's arguments is right then."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.example.black_box import BlackBox, Call
from fastconv.dropin.example.sizes import whole_numbers
from fastconv.dropin.example.slots import Slot
from fastconv.dropin.making.objects import Made
from fastconv.dropin.making.ways import Inexpressible, sizes_of

_LETTERS = {"C": "C", "F": "F", "K": "KH", "L": "KW", "H": "H", "W": "W"}


class MadeBox(BlackBox):
    """The forward method of a class, and how its objects are made.

    Parameters
    ----------
    made : Made
        How.
    """

    def __init__(self, made: Made) -> None:
        problem = made.problems()[0]
        super().__init__(getattr(made.cls, made.method), (made.object(problem), made.image(problem)), {})
        self._made: Made | None = made
        self._learned = False
        self._others: Mapping[Slot, Any] = {}
        self._ties, self._free = _compared(made, self.binding.names[0])

    def call_for(self, problem: Problem) -> Call:
        """A call with an object that was made for a problem; with that of the example if there are no words for it."""
        call, (owner, image, *_) = self.call, self.binding.names
        if self._made is None:
            return call
        try:
            found = self._made.object(problem)
            if self._learned:  # on another number of images, so that what it keeps of the next call is seen
                self.binding.run(self.function, {**call, owner: found, image: self._made.image(problem.only(images=1))})
        except Inexpressible:
            return call
        call[owner] = found
        for slot, value in self._others.items():
            self.put(call, slot, value)
        return call

    @property
    def still(self) -> BlackBox:
        """The method with the object of the example alone."""
        plain = copy(self)
        plain._made = None
        return plain

    @property
    def ties(self) -> Mapping[Slot, str]:
        """Letters of sizes by the attributes in which objects keep them."""
        return self._ties

    def follows(self, slot: Slot) -> bool:
        """Whether a number of an object follows from what its constructor is told."""
        return slot in self._free

    def with_value(self, slot: Slot, value: Any) -> BlackBox:
        """The same method with another value in a slot of every call."""
        other = super().with_value(slot, value)
        if isinstance(other, MadeBox):
            other._others = {**self._others, slot: value}
        return other

    def learn(self) -> None:
        """Use every object once: its weights are made then."""
        super().learn()
        self._learned = True


def _compared(made: Made, owner: str) -> tuple[dict[Slot, str], frozenset[Slot]]:
    """Sizes in the attributes of objects that were made for several problems, and the slots of all that differ."""
    try:
        problems = made.problems(wide=True)
        found = [whole_numbers({owner: made.object(problem)}) for problem in problems]
    except Exception:  # noqa: BLE001 - theirs: it may take square kernels alone
        problems = made.problems()
        found = [whole_numbers({owner: made.object(problem)}) for problem in problems]
    shared = set(found[0]).intersection(*found[1:])
    differing = {slot for slot in shared if len({numbers[slot] for numbers in found}) > 1}
    differing |= set().union(*found) - shared
    ties = {}
    for slot in sorted(shared & differing, key=str):
        for letter, name in _LETTERS.items():
            if all(numbers[slot] == sizes_of(problem)[letter] for numbers, problem in zip(found, problems)):
                ties[slot] = name
                break
    pooled = () if problems[0].operation == "conv2d" else ("KH", "KW")
    ties = {slot: letter for slot, letter in ties.items() if letter not in pooled}
    return ties, frozenset(differing - ties.keys())
