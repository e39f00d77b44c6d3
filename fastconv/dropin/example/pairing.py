"""Which functions may be the backward pass of a forward function, and where their arguments come from."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastconv.dropin.conventions.convention import Target
from fastconv.dropin.conventions.spelling import words
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.slots import Slot
from fastconv.errors import InvalidTypeError

_WORDS = (
    "back",
    "bprop",
    "bp",
    "grad",
    "delta",
)  # starts of words in names
_RATE_WORDS = {"lr", "rate", "alpha", "eta", "learn", "learning", "step"}
_RATE = 0.5  # where an example is needed


@dataclass(frozen=True)
class Candidate:
    """A function that may be the backward pass.

    Parameters
    ----------
    target : Target
        The function, and where it is found.
    box : BlackBox
        It and an example of the arguments that come from nowhere else.
    dy : Slot
        Which argument is the gradient of the output.
    sources : mapping of str to Slot
        By parameter, where its argument was in the call of the forward function, before or after.
    """

    target: Target
    box: BlackBox
    dy: Slot
    sources: Mapping[str, Slot]


def backward_methods(owner: Any, forward: str) -> list[Target]:
    """Return the methods of an object that may be its backward pass, by their names."""
    found = []
    for name in dir(type(owner)):
        spoken = any(word.startswith(_WORDS) for word in words(name))
        if name != forward and spoken and inspect.isfunction(inspect.getattr_static(type(owner), name)):
            found.append(Target(owner, name, method_function(owner, name)))
    return found


def method_function(owner: Any, name: str) -> Any:
    """Return the function of a method, of the object itself if it was replaced there."""
    return getattr(vars(owner).get(name), "__func__", getattr(type(owner), name))


def by_name(methods: list[Target], box: BlackBox) -> Iterator[Candidate]:
    """Give the methods whose parameters can be told apart by name: one gradient, learning rates, arguments of `box`.

    Parameters
    ----------
    methods : list of Target
        Of one object.
    box : BlackBox
        Its forward method.
    """
    for method in methods:
        owner, *parameters = inspect.signature(method.function).parameters.values()
        required = [each.name for each in parameters if each.default is each.empty]
        rates = {name for name in required if set(words(name)) & _RATE_WORDS}
        known = {name: Slot(name) for name in required if name in box.binding.names and name not in rates}
        left = [name for name in required if name not in rates and name not in known]
        if len(left) == 1:
            example = (method.owner, *(_RATE if name in rates else None for name in required))
            try:
                backward_box = BlackBox(method.function, example, {})
            except InvalidTypeError:  # keyword-only parameters
                continue
            yield Candidate(method, backward_box, Slot(left[0]), {owner.name: Slot(box.binding.names[0]), **known})
