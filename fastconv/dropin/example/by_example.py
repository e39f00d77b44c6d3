"""The convention of one example: how a function whose description was found by trying is called and replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from types import MethodType
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.convention import Convention, Function, Implementation
from fastconv.dropin.conventions.expected import Results
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.example.backward_description import Added, Backward, read_gradient
from fastconv.dropin.example.black_box import BlackBox, Call
from fastconv.dropin.example.description import Forward
from fastconv.dropin.example.effects import Effects
from fastconv.dropin.example.equivalents import fast_backward, fast_forward
from fastconv.dropin.example.fitting import fitted, laid, y_of
from fastconv.dropin.example.resuming import resumed, resumed_forward
from fastconv.dropin.example.slots import Slot, is_object


class ByExample(Convention):
    """What one function, or the methods of one object, were found to compute.

    Parameters
    ----------
    box : BlackBox
        The forward function and its example.
    forward : Forward
        What it computes.
    effects : Effects
        What it leaves behind.
    backward : Backward or None
        Its backward function.
    """

    source = "a real call"
    missing = ()
    single = ()

    def __init__(self, box: BlackBox, forward: Forward, effects: Effects, backward: Backward | None) -> None:
        self.box, self.described, self.effects, self.described_backward = box, forward, effects, backward
        self.name, self.operations = "by example", (forward.operation,)
        self.form = forward.words()
        self.gives = {"forward": ("y",)} if backward is None else {"forward": ("y",), "backward": backward.names}
        self.cached = backward is not None
        self._fitted: dict[Problem, Problem] = {}
        self._owner = box.binding.names[0]
        self._used: dict[int, tuple[Any, Any]] = {}  # by the input, the object that was given it
        self._updates = backward is not None and any(each.rate is not None for each in backward.gradients)

    def words(self, role: str) -> str:
        """What a function was found to compute, in the words of a person."""
        described = self.described if role == "forward" else self.described_backward
        return "" if described is None else described.words()

    def adapted(self, implementation: Implementation, problem: Problem) -> Problem:
        if problem not in self._fitted:
            self._fitted[problem] = fitted(self.described, problem)
        return self._fitted[problem]

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        call = laid(self.described, self.box, problem, watched=not self._updates, call=self._start(problem))
        _bind(call, self.box, implementation)
        self.box.run(call, implementation["forward"])
        if self._is_original(implementation):
            self._used[id(problem.x)] = problem.x, call[self._owner]
        return y_of(self.described, call, problem), call

    def _start(self, problem: Problem) -> Call:
        """The call for a problem: when it comes again, with the object as the problem left it."""
        call = self.box.call_for(problem)
        x, owner = self._used.get(id(problem.x), (None, None))
        if x is problem.x and is_object(owner):
            call[self._owner] = deepcopy(owner)
        return call

    def _is_original(self, implementation: Implementation) -> bool:
        boxes = (
            {"forward": self.box}
            if self.described_backward is None
            else {"forward": self.box, "backward": self.described_backward.box}
        )
        return all(implementation[role] is box.function for role, box in boxes.items())

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        backward = self._backward
        taken = self._taken(implementation, problem, deepcopy(context)) if self._updates else {}
        call, before = self._run_backward(implementation, problem, context)
        found = {}
        for each in backward.gradients:
            value = each.slot.get(call)
            if each.slot in before:
                held = before[each.slot]
                value = 0 - value if held is None else _difference(held, value, taken[each.slot])
                value = -value if isinstance(each.rate, Added) else value
            found[each.name] = read_gradient(each, self.described, value, problem)
        for slot, array in before.items():  # another backward pass would find other filters
            slot.put(call, array if array is None or array.ndim else float(array))
        return Results(**found)

    def _run_backward(
        self, implementation: Implementation, problem: Problem, context: Call, *, zeros: bool = False
    ) -> tuple[Call, dict[Slot, Any]]:
        """The call after it ran, and weights that it takes steps on as they were: those of the problem, or zeros."""
        backward = self._backward
        call = backward.laid(context, problem.stored(backward.dy.axes.of_full(problem.gradient)))
        slots = [each.slot for each in backward.gradients if each.rate is not None]
        before = {slot: None if slot.get(call) is None else np.copy(slot.get(call)) for slot in slots}
        for slot, array in before.items() if zeros else ():
            if array is not None:
                slot.put(call, 0.0 if array.ndim == 0 else np.zeros_like(array))
        backward.box.run(call, implementation["backward"])
        return call, before

    def _taken(self, implementation: Implementation, problem: Problem, context: Call) -> dict[Slot, Any]:
        """What is taken from weights of zero: steps without the rounding of the weights."""
        call, before = self._run_backward(implementation, problem, context, zeros=True)
        return {slot: 0 - slot.get(call) for slot in before}

    @property
    def _backward(self) -> Backward:
        if self.described_backward is None:
            raise TypeError("there is no backward function")
        return self.described_backward

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        calls = replace(calls, pairs=True)
        roles: dict[str, Callable[[], Function]] = {
            "forward": lambda: fast_forward(self.box, self.described, self.effects, calls),
            "backward": lambda: fast_backward(
                self.box, self.described, self.effects, self._backward, calls, implementation.details
            ),
        }
        return {role: roles[role]() for role in implementation.targets}

    def resuming(self, implementation: Implementation, roles: Sequence[str]) -> dict[str, Function]:
        """Their functions, after their own forward function on what the last fast one was given."""
        if not {"forward", "backward"} <= {*roles}:
            return {}
        originals = implementation["forward"], implementation["backward"]
        return {
            "forward": resumed_forward(self.box, originals[0]),
            "backward": resumed(self.box, self._backward, *originals),
        }


def _difference(before: Any, after: Any, taken: Any) -> Any:
    """What was taken from a weight: as it is taken from zero, if that differs by rounding alone."""
    found = before - after
    eps = np.finfo(found.dtype).eps if found.dtype.kind == "f" else 0
    rounded = np.shape(taken) == found.shape and np.all(abs(found - taken) <= 4 * eps * (abs(before) + abs(taken)))
    return taken if rounded else found


def _bind(call: Call, box: BlackBox, implementation: Implementation) -> None:
    """Let the methods of an object find each other as they are replaced."""
    owner = call[box.binding.names[0]]
    for target in implementation.targets.values():
        if is_object(owner) and getattr(type(owner), target.name, target.function) is not target.function:
            owner.__dict__[target.name] = MethodType(target.function, owner)
