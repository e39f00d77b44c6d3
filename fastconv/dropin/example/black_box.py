"""A function as a black box: one real call of it, to be repeated on copies with other values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import copy, deepcopy
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.convention import Function
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.example.slots import RESULT, Slot, arrays_in, walk
from fastconv.errors import InvalidTypeError

Call = dict[str, Any]  # values by parameter; after the call, the result too
_PLAIN = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Binding:
    """The parameters of a function, to name the arguments of a call; quicker than `inspect.Signature.bind`."""

    def __init__(self, function: Function) -> None:
        self._signature = inspect.signature(function)
        parameters = [*self._signature.parameters.values()]
        self.names = [each.name for each in parameters]
        self.defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
        self._positional = [each.name for each in parameters if each.kind in _PLAIN]
        self._by_name = {each.name for each in parameters if each.kind is not each.POSITIONAL_ONLY}
        self._simple = all(each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Name the arguments of a call, defaults too.

        Raises
        ------
        Declined
            If the function does not take them: it says itself what is wrong.
        """
        if not self._simple:
            try:
                bound = self._signature.bind(*args, **kwargs)
            except TypeError:
                raise Declined from None
            bound.apply_defaults()
            return dict(bound.arguments)
        call = dict(zip(self._positional, args))
        if len(args) > len(self._positional) or not self._by_name.issuperset(kwargs) or call.keys() & kwargs.keys():
            raise Declined
        return {**self.defaults, **call, **kwargs}

    def run(self, function: Function, call: Mapping[str, Any]) -> Any:
        """Call a function with named arguments."""
        bound = self._signature.bind_partial()
        bound.arguments.update((name, call[name]) for name in self.names)
        return function(*bound.args, **bound.kwargs)


class BlackBox:
    """A function and one real call of it.

    Parameters
    ----------
    function : callable
        The function; a method as its class has it.
    args, kwargs : tuple, dict
        A call, with the object of a method first. It is copied.

    Raises
    ------
    TypeError
        If the function does not take them, or they cannot be copied.
    """

    def __init__(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self.function = function
        self.name: str = getattr(function, "__qualname__", repr(function))
        try:
            self.binding = Binding(function)
            inspect.signature(function).bind(*args, **kwargs)
            self._example = deepcopy(self.binding.bind(args, kwargs))
        except (Declined, TypeError, ValueError) as error:
            raise InvalidTypeError(
                f"accelerate: the example must be arguments that {self.name} takes and that can be copied, but got"
                f" {len(args)} arguments and {sorted(kwargs)}. Pass a tuple of the arguments, or a dict by name."
            ) from error
        self.aliases = _aliases(self._example)

    @property
    def call(self) -> Call:
        """A copy of the call, to be changed and run."""
        return deepcopy(self._example)

    def call_for(self, problem: Problem) -> Call:
        """The call in which a problem is to be put: that of the example, whatever the problem is."""
        return self.call

    @property
    def still(self) -> BlackBox:
        """The same function, whose calls differ from the example in nothing but what is put in them."""
        return self

    @property
    def ties(self) -> Mapping[Slot, str] | None:
        """Letters of sizes by the slots in which they are known to stand; None where that has to be found out."""
        return None

    def follows(self, slot: Slot) -> bool:
        """Whether what is in a slot follows from the problem in `call_for`."""
        return False

    def put(self, call: Call, slot: Slot, value: Any) -> None:
        """Put a value in a slot of a call, and wherever else the same object lay."""
        for each in (slot, *self.aliases.get(slot, ())):
            each.put(call, value)

    def run(self, call: Call, function: Function | None = None) -> Any:
        """Run a call, which is changed by it; the result is also put into it."""
        call[RESULT] = self.binding.run(function or self.function, call)
        return call[RESULT]

    def with_value(self, slot: Slot, value: Any) -> BlackBox:
        """Return the same function with another value in a slot of the example."""
        other = copy(self)
        other._example = self.call
        other.put(other._example, slot, value)
        return other

    def learn(self) -> None:
        """Take the state after the call as the example: of a layer that makes its weights when it is first used."""
        call = self.call
        self.run(call)
        del call[RESULT]
        self._example = deepcopy(call)
        self.aliases = _aliases(self._example)


def _aliases(call: Call) -> dict[Slot, list[Slot]]:
    """By the nearest slot of an array, the others in which it lies."""
    of_id = {id(value): slot for slot, value in arrays_in(call).items()}
    found: dict[Slot, list[Slot]] = {}
    for slot, value in walk(call):
        if isinstance(value, np.ndarray) and of_id.get(id(value), slot) != slot:
            found.setdefault(of_id[id(value)], []).append(slot)
    return found
