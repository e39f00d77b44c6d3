"""Calls of a running program as examples, and which of them belong together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.convention import Function, Target
from fastconv.dropin.example.black_box import Binding, BlackBox, Call
from fastconv.dropin.example.guards import PLAIN
from fastconv.dropin.example.layouts import image_orders
from fastconv.dropin.example.pairing import Candidate
from fastconv.dropin.example.slots import RESULT, Slot, arrays_in, walk
from fastconv.errors import InvalidTypeError
from fastconv.validation.arrays import Array

_KEPT = 16  # calls of a function that are remembered, to find what one hands to another


class Recording:
    """Calls of one function.

    Parameters
    ----------
    target : Target
        The function.

    Attributes
    ----------
    box : BlackBox or None
        The first call, copied before it ran; None before, and where it cannot be copied.
    calls : list of dict
        The first calls after they ran, with their result: the objects themselves.
    open : bool
        Whether calls are still recorded.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.box: BlackBox | None = None
        self.calls: list[Call] = []
        self.open = True
        try:
            self._binding: Binding | None = Binding(target.function)
        except (TypeError, ValueError):  # it has no signature
            self._binding = None

    def recorder(self) -> Function:
        """Return the function with a look at its calls."""

        @wraps(self.target.function)
        def function(*args: Any, **kwargs: Any) -> Any:
            call = self._before(args, kwargs)
            result = self.target.function(*args, **kwargs)
            if call is not None:
                self.calls.append({**call, RESULT: result})
            return result

        return function

    def _before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        if self._binding is None or not self.open or len(self.calls) >= _KEPT:
            return None
        try:
            if self.box is None:
                self.box = BlackBox(self.target.function, args, kwargs)
            return self._binding.bind(args, kwargs)
        except (Declined, InvalidTypeError):
            return None

    @property
    def may_compute(self) -> bool:
        """Whether images go in and come out."""
        return self.box is not None and any(_has_images(call) for call in self.calls[:1])

    def candidates(self, forward: Recording) -> Iterator[Candidate]:
        """Give the way in which this function may be the backward pass of another, from what it was given."""
        pairs = ((call, other) for call in self.calls for other in forward.calls)
        found = (self._candidate(call, other) for call, other in pairs)
        yield from [each for each in found if each is not None][:1]

    def _candidate(self, call: Call, other: Call) -> Candidate | None:
        known = {id(value): slot for slot, value in reversed([*walk(other)]) if not isinstance(value, PLAIN)}
        arguments = {name: value for name, value in call.items() if name != RESULT}
        sources = {name: known[id(value)] for name, value in arguments.items() if id(value) in known}
        shapes = {value.shape for value in _outputs(other)}
        gradients = [name for name in arguments if name not in sources and _shape(arguments[name]) in shapes]
        if not gradients:  # the output itself was handed back
            gradients = [name for name, slot in sources.items() if slot.root == RESULT and _shape(arguments[name])]
            sources = {name: slot for name, slot in sources.items() if name not in gradients}
        if self.box is None or not sources or len(gradients) != 1:
            return None
        box = self.box
        for name in (*sources, *gradients):
            box = box.with_value(Slot(name), None)
        return Candidate(self.target, box, Slot(gradients[0]), sources)


def _shape(value: Any) -> Any:
    return getattr(value, "shape", None)


def _outputs(call: Call) -> Iterator[Array]:
    """Arrays in the result of a call, and in the attributes of its arguments."""
    for slot, array in arrays_in(call).items():
        if slot.root == RESULT or slot.steps:
            yield array


def _has_images(call: Call) -> bool:
    ranks = {array.ndim for slot, array in arrays_in(call).items() if slot.root != RESULT}
    return any(image_orders(rank, array.ndim) for rank in ranks for array in _outputs(call))
