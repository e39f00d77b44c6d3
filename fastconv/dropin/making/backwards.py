"""Which function is the backward pass of a function, and which of its parameters are which, by their names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import islice, product

from fastconv.dropin.conventions.convention import Target
from fastconv.dropin.conventions.spelling import words
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.pairing import Candidate
from fastconv.dropin.example.slots import RESULT, Item, Slot
from fastconv.dropin.making.meanings import meanings
from fastconv.dropin.making.recipes import BACKWARD, Recipe
from fastconv.errors import InvalidTypeError

_BACKWARD = {"backward", "bwd", "backprop", "back", "grad", "gradient"}
_FORWARD = {"forward", "fwd", "naive", "fast"}
_MOST = 12  # readings of one signature


def backward_functions(forward: Target, recipe: Recipe, others: list[Target]) -> Iterator[Candidate]:
    """Give the functions that are called as the backward pass of a function, for every way to read their parameters.

    Parameters
    ----------
    forward : Target
        The forward function.
    recipe : Recipe
        What its parameters mean.
    others : list of Target
        Functions beside it.
    """
    for other in others:
        if not isinstance(other.function, type) and is_backward_of(forward.name, other.name):
            for sources in islice(_sources(other, recipe), _MOST):
                dy = next(name for name, slot in sources.items() if slot is None)
                known = {name: slot for name, slot in sources.items() if slot is not None}
                try:
                    box = BlackBox(other.function, (), dict.fromkeys(sources))
                except InvalidTypeError:
                    continue
                yield Candidate(other, box, Slot(dy), known)


def is_backward_of(forward: str, name: str) -> bool:
    """Return whether a function is called as the backward pass of another, as `pool_backward` of `pool_forward`."""
    spoken = words(name)
    kept = [word for word in spoken if word not in _BACKWARD | _FORWARD]
    return bool(_BACKWARD.intersection(spoken)) and kept == [word for word in words(forward) if word not in _FORWARD]


def _sources(backward: Target, recipe: Recipe) -> Iterator[dict[str, Slot | None]]:
    """Where every argument comes from: None for the one that is the gradient of the output."""
    slots = {meaning: Slot(name) for name, meaning in recipe.meanings.items()}
    slots["cache"] = Slot(RESULT, (Item(1),))
    options: list[list[tuple[str, Slot | None]]] = []
    for parameter in inspect.signature(backward.function).parameters.values():
        said = meanings(parameter.name, BACKWARD)
        found: list[tuple[str, Slot | None]] = [
            (parameter.name, slots[meaning]) for meaning in said if meaning in slots
        ]
        found += [(parameter.name, None)] if "dy" in said else []
        if parameter.name in recipe.meanings:
            found = [(parameter.name, Slot(parameter.name))]
        if found:
            options.append(found)
        elif parameter.default is parameter.empty:
            return
    for chosen in product(*options):
        given = [slot for _, slot in chosen if slot is not None]
        if len(given) == len(chosen) - 1 and len({*given}) == len(given):
            yield dict(chosen)
