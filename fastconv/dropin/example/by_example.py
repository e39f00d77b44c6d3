"""The convention of one example: how a function whose description was found by trying is called and replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MethodType
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.convention import Convention, Function, Implementation
from fastconv.dropin.conventions.expected import Results
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.example.backward_description import Backward, read_gradient
from fastconv.dropin.example.black_box import BlackBox, Call
from fastconv.dropin.example.description import Forward
from fastconv.dropin.example.effects import Effects
from fastconv.dropin.example.equivalents import fast_backward, fast_forward, resumed
from fastconv.dropin.example.fitting import fitted, laid, y_of
from fastconv.dropin.example.slots import is_object


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
        call = laid(self.described, self.box, problem, watched=not self._updates)
        _bind(call, self.box, implementation)
        self.box.run(call, implementation["forward"])
        return y_of(self.described, call, problem), call

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        backward = self._backward
        dy = problem.stored(backward.dy.axes.of_full(problem.gradient))
        call = backward.laid(context, dy)
        before = {each.slot: np.copy(each.slot.get(call)) for each in backward.gradients if each.rate is not None}
        backward.box.run(call, implementation["backward"])
        found = {
            each.name: read_gradient(each, self.described, call, before.get(each.slot), problem)
            for each in backward.gradients
        }
        for slot, array in before.items():  # another backward pass would find other filters
            slot.put(call, array)
        return Results(**found)

    @property
    def _backward(self) -> Backward:
        if self.described_backward is None:
            raise TypeError("there is no backward function")
        return self.described_backward

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        calls = replace(calls, pairs=True)
        roles: dict[str, Callable[[], Function]] = {
            "forward": lambda: fast_forward(self.box, self.described, self.effects, calls),
            "backward": lambda: fast_backward(self.box, self.described, self.effects, self._backward, calls),
        }
        return {role: roles[role]() for role in implementation.targets}

    def resuming(self, implementation: Implementation, roles: Sequence[str]) -> dict[str, Function]:
        """Their backward function, after their own forward function on what the last fast one was given."""
        if not {"forward", "backward"} <= {*roles}:
            return {}
        originals = implementation["forward"], implementation["backward"]
        return {"backward": resumed(self.box, self._backward, *originals)}


def _bind(call: Call, box: BlackBox, implementation: Implementation) -> None:
    """Let the methods of an object find each other as they are replaced."""
    owner = call[box.binding.names[0]]
    for target in implementation.targets.values():
        if is_object(owner) and getattr(type(owner), target.name, target.function) is not target.function:
            owner.__dict__[target.name] = MethodType(target.function, owner)
