"""Implementations whose every call is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.dropin.check.recorder import Recorder
from fastconv.dropin.conventions import Implementation, Problem, Results, Target

__all__ = ["perform"]


def perform(implementation: Implementation, problem: Problem, recorder: Recorder) -> Results:
    """Run a problem through stand-ins, forward and backward.

    Raises
    ------
    BaseException
        Whatever the code raises.
    """
    convention = implementation.convention
    problem = convention.adapted(implementation, problem)
    implementation = _with_stand_ins(implementation, recorder)
    first = next(iter(convention.gives))
    y, context = convention.forward(implementation, problem)
    recorder.step = "backward"
    if problem.dy is None or all(role == first for role in implementation.targets):
        return Results(y)
    results = convention.backward(implementation, problem, context)
    return results._replace(y=y if first in implementation else None)


def _with_stand_ins(implementation: Implementation, recorder: Recorder) -> Implementation:
    """Return the same functions or class, each call of which is noted."""
    cls = implementation.cls
    if cls is not None:
        made: Any = recorder.stand_in(cls, cls.__name__)
        targets = {role: Target(t.owner, t.name, _by_name(t.name)) for role, t in implementation.targets.items()}
        return Implementation(implementation.convention, targets, made, implementation.details)
    targets = {
        role: Target(t.owner, t.name, recorder.stand_in(t.function, t.label))
        for role, t in implementation.targets.items()
    }
    return Implementation(implementation.convention, targets, None, implementation.details)


def _by_name(name: str) -> Callable[..., Any]:
    """A method that finds itself in the object that it is called with, which may be a stand-in."""
    return lambda self, *args, **kwargs: getattr(self, name)(*args, **kwargs)
