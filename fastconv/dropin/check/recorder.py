"""Calls of somebody's functions as they happen: to show them as Python, and to repeat them.

A convention is given stand-ins for the functions or the class. They do the same, and note which statement did it: an
example is what was called, in whatever form that was.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np

from fastconv.dropin.check.literals import stored_literal
from fastconv.dropin.conventions import Implementation, Problem, Results
from fastconv.validation.arrays import Array

_RESULTS = {"forward": ("y", "cache"), "backward": ("dx", "dw", "db")}
_PLAIN = (str, bytes, bool, int, float, complex, type(None), type(Ellipsis), slice)

Notify = Callable[[list[str], list[str]], None]

Write = Callable[[str, Array, str], list[str]]


class Recorder:
    """Statements, the variables in them, and the calls to repeat.

    Parameters
    ----------
    memory : str
        How arrays are stored, see `fastconv.dropin.conventions.problem.stored`.
    write : callable
        Returns the statements that make the variable of an array; nobody reads them where calls are only repeated.
    notify : callable
        Told of all imports and statements before each call, in case it is the last.

    Attributes
    ----------
    step : {"forward", "backward"}
        Which pass the next calls belong to.
    imports : list of str
        Import statements of what the calls need besides the functions themselves.
    lines : list of str
        The statements.
    first : int or None
        Which of the statements is the first call.
    calls : list of (str, callable)
        Each call of a function or method with its pass; a constructor is none.
    """

    def __init__(
        self, memory: str = "C", notify: Notify = lambda imports, lines: None, *, write: Write = stored_literal
    ) -> None:
        self.step = "forward"
        self.imports: list[str] = []
        self.lines: list[str] = []
        self.calls: list[tuple[str, Callable[[], Any]]] = []
        self.first: int | None = None
        self._memory, self._notify, self._write = memory, notify, write
        self._named: dict[int, tuple[str, Any]] = {}  # with the object, so that no other gets its number
        self._variables: dict[str, tuple[str, Array, Array]] = {}  # name without a number, array, copy from before
        self._taken: set[str] = set()

    def stand_in(self, target: Any, expression: str) -> Any:
        """Return what does the same as `target` and notes its calls under the name `expression`."""
        self._taken.add(expression.split(".")[0])
        if not isinstance(target, type):

            @wraps(target, updated=())
            def function(*args: Any, **kwargs: Any) -> Any:
                return self.call(target, expression, args, kwargs)

            return function
        return _StandIn(self, target, expression)

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Give every array that has a name, with it."""
        for expression, value in self._named.values():
            if isinstance(value, np.ndarray):
                yield expression, value

    def call(self, target: Any, expression: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call `target`, and note the statement."""
        args, kwargs = tuple(map(_bare, args)), {name: _bare(value) for name, value in kwargs.items()}
        names = _parameters(target, args, kwargs)
        written = [self._written(value, name) for value, name in zip(args, names)]
        written += [f"{name}={self._written(value, name)}" for name, value in kwargs.items()]
        statement = f"{expression}({', '.join(written)})"
        self._notify(self.imports, [*self.lines, statement])
        self.first = len(self.lines) if self.first is None else self.first
        self.lines.append(statement)
        result = self.run(target, args, kwargs)
        if not isinstance(target, type):
            self.calls.append((self.step, lambda: target(*args, **kwargs)))
        name = self._name_result(result)
        if name:
            self.lines[-1] = f"{name} = {statement}"
        return self.seen(result, name)

    def run(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call `target`."""
        return target(*args, **kwargs)

    def seen(self, value: Any, expression: str) -> Any:
        """Return a value that has a name from now on, with a stand-in for what is neither numbers nor plain data."""
        if isinstance(value, (np.ndarray, *_PLAIN, np.generic, tuple, dict)):
            self._remember(value, expression)
            return value
        return _StandIn(self, value, expression)

    def assign(self, expression: str, value: Any) -> None:
        """Note an assignment."""
        self.lines.append(f"{expression} = {self._written(_bare(value), expression.rpartition('.')[2])}")

    def _remember(self, value: Any, expression: str) -> None:
        if isinstance(value, (np.ndarray, tuple, dict, list)):
            self._named.setdefault(id(value), (expression, value))

    def _name_result(self, result: Any) -> str:
        """Return the names of a result, left of the sign of equality."""
        usual = _RESULTS[self.step]
        if result is None:
            return ""
        if not isinstance(result, tuple):
            return self._free(usual[0] if isinstance(result, (np.ndarray, np.generic, float, int)) else "layer")
        names = []
        for index, value in enumerate(result):
            names.append(self._free(usual[index] if index < len(usual) else f"more{index}"))
            self._remember(value, names[-1])
        return ", ".join(names) + "," * (len(names) == 1)

    def _free(self, name: str) -> str:
        """Return the name, with a number where it is taken."""
        count, free = 1, name
        while free in self._taken:
            count += 1
            free = f"{name}{count}"
        self._taken.add(free)
        return free

    def _written(self, value: Any, name: str) -> str:
        """Return a value as an expression; an array gets a variable."""
        if id(value) in self._named:
            return self._named[id(value)][0]
        if isinstance(value, np.ndarray):
            return self._variable(value, name)
        if isinstance(value, np.generic):
            return repr(value.item())
        if isinstance(value, str):
            return json.dumps(value)
        if isinstance(value, _PLAIN):
            return repr(value)
        if isinstance(value, dict):
            pairs = (f"{self._written(key, '')}: {self._written(item, str(key))}" for key, item in value.items())
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, (tuple, list)):
            items = ", ".join(self._written(item, name) for item in value)
            return f"[{items}]" if isinstance(value, list) else f"({items}{',' * (len(value) == 1)})"
        return self._made(value)

    def _variable(self, array: Array, name: str) -> str:
        """Return the variable of an array: the one of the same name that holds the same numbers, or a new one."""
        name = name if name.isidentifier() else "value"
        for variable, (stem, other, _) in self._variables.items():
            if stem == name and other.dtype == array.dtype and np.array_equal(other, array):
                return variable
        variable, numbers = self._free(name), array.copy()  # the code may write into what it is given
        self._variables[variable] = (name, array, numbers)
        self._remember(array, variable)
        self.lines += self._write(variable, numbers, self._memory)
        return variable

    def changed(self) -> list[str]:
        """Return the variables whose numbers are not any more what they were."""
        return [name for name, (_, now, before) in self._variables.items() if not np.array_equal(now, before)]

    def _made(self, value: Any) -> str:
        """Return the constructor of an object without state, or a class or function by its name."""
        kind = value if isinstance(value, type) or inspect.isfunction(value) else type(value)
        statement = f"from {kind.__module__} import {kind.__qualname__}"
        if statement not in self.imports:
            self.imports.append(statement)
        return str(kind.__qualname__) + ("" if kind is value else "()")


class _StandIn:
    """A class, an object or a method; what is got from it, set in it and called is noted."""

    def __init__(self, recorder: Recorder, target: Any, expression: str) -> None:
        vars(self).update(_recorder=recorder, _target=target, _expression=expression)  # not by `__setattr__`

    def __getattr__(self, name: str) -> Any:
        return self._recorder.seen(getattr(self._target, name), f"{self._expression}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        self._recorder.assign(f"{self._expression}.{name}", value)
        setattr(self._target, name, _bare(value))

    def __getitem__(self, index: Any) -> Any:
        return self._recorder.seen(self._target[index], f"{self._expression}[{index!r}]")

    def __iter__(self) -> Iterator[Any]:
        for index, item in enumerate(self._target):
            yield self._recorder.seen(item, f"{self._expression}[{index}]")

    def __len__(self) -> int:
        return len(self._target)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._recorder.call(self._target, self._expression, args, kwargs)


def _bare(value: Any) -> Any:
    """What a stand-in stands for."""
    return object.__getattribute__(value, "_target") if type(value) is _StandIn else value


def _parameters(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """Names of the parameters that the positional arguments belong to."""
    try:
        bound = inspect.signature(target).bind(*args, **kwargs)
    except (TypeError, ValueError):  # it does not tell, or the call is about to fail
        return ["value"] * len(args)
    names = list(bound.arguments)
    return [names[min(index, len(names) - 1)] for index in range(len(args))]


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
    first = convention.first
    y, context = convention.forward(implementation, problem)
    recorder.step = "backward"
    if problem.dy is None or all(role == first for role in implementation.targets):
        return Results(y)
    results = convention.backward(implementation, problem, context)
    return results._replace(y=y if first in implementation else None)


def _with_stand_ins(implementation: Implementation, recorder: Recorder) -> Implementation:
    """Return the same functions or class, each call of which is noted."""
    cls = implementation.cls
    targets = {
        role: replace(it, function=recorder.stand_in(it.function, it.label) if cls is None else _by_name(it.name))
        for role, it in implementation.targets.items()
    }
    return replace(implementation, targets=targets, cls=None if cls is None else recorder.stand_in(cls, cls.__name__))


def _by_name(name: str) -> Callable[..., Any]:
    """A method that finds itself in the object that it is called with, which may be a stand-in."""
    return lambda self, *args, **kwargs: getattr(self, name)(*args, **kwargs)
