"""Recipes: how the arguments of a constructor or function follow from a problem."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.making.meanings import meanings
from fastconv.dropin.making.ways import WAYS, Way

CONSTRUCTOR = (
    "channels",
    "filters",
    "kernel",
    "kernel_h",
    "kernel_w",
    "stride",
    "padding",
    "image",
    "rate",
    "activation",
    "weight",
    "bias",
)
SETUP_MEANINGS = ("image", "optimizer")
BACKWARD = (
    "dy",
    "cache",
    "x",
    "weight",
    "bias",
    "kernel",
    "kernel_h",
    "kernel_w",
    "stride",
    "padding",
    "sizes",
    "mode",
)
FUNCTION = ("x", "weight", "bias", "kernel", "kernel_h", "kernel_w", "stride", "padding", "sizes", "mode")
# Orders of axes that go together, the usual ones first.
LAYOUTS = tuple(
    {"x": image, "weight": filters}
    for image, filters in (
        ("NCHW", "FCKL"),
        ("NHWC", "KLCF"),
        ("NHWC", "FKLC"),
        ("CHW", "FCKL"),
        ("HWC", "KLCF"),
        ("HWC", "FKLC"),
        ("HW", "KL"),
        ("HW", "FKL"),
        ("HWC", "KLC"),
        ("CHW", "CKL"),
        ("NHW", "FKL"),
        ("NHW", "KL"),
        ("HW", "KLF"),
        ("NHWC", "FCKL"),
        ("NCHW", "CFKL"),
    )
)
_MOST = 24  # recipes for one layout
Option = tuple[str, Way]  # a meaning, and how it is written
_OPTIONAL = ("rate", "activation", "weight", "mode")  # with a default, that is taken
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Recipe:
    """How the arguments of a function follow from a problem.

    Parameters
    ----------
    ways : mapping of str to Way
        By name of the parameter; others keep their defaults.
    meanings : mapping of str to str
        What each of these means.
    """

    ways: Mapping[str, Way]
    meanings: Mapping[str, str]

    def arguments(self, problem: Problem) -> dict[str, Any]:
        """Return the arguments for a problem by name.

        Raises
        ------
        Inexpressible
            If there is no way to write it.
        """
        return {name: way.give(problem) for name, way in self.ways.items()}

    @property
    def letters(self) -> frozenset[str]:
        """The sizes that the arguments say."""
        return frozenset("".join(way.letters for way in self.ways.values()))

    def order(self, meaning: str) -> str:
        """Return the axes of the array of this meaning; nothing where there is none."""
        return next((self.ways[name].order for name, found in self.meanings.items() if found == meaning), "")


def recipes(function: Callable[..., Any], among: Sequence[str], *, skip: int = 0) -> Iterator[Recipe]:
    """Give the recipes for a signature, the likeliest first.

    Parameters
    ----------
    function : callable
        A class, or a function.
    among : sequence of str
        What parameters may mean.
    skip : int
        How many parameters are given otherwise, such as `self`.
    """
    choices = _choices(function, among, skip)
    if choices is None:
        return
    for layout in LAYOUTS:
        chosen = [[option for option in options if _fits(option, layout)] for options in choices.values()]
        found = (_recipe(choices, chosen, ranks) for ranks in _ranked(chosen))
        yield from islice((recipe for recipe in found if recipe is not None), _MOST)
        if not any(meaning in layout for options in choices.values() for meaning, _ in options):
            return


def _choices(function: Callable[..., Any], among: Sequence[str], skip: int) -> dict[str, list[Option]] | None:
    """By parameter, what it can mean and how that is written; None if one has to be given that means nothing."""
    try:
        parameters = [*inspect.signature(function).parameters.values()][skip:]
    except (TypeError, ValueError):
        return None
    choices = {}
    for parameter in parameters:
        required = parameter.default is parameter.empty
        options = [
            (meaning, way)
            for meaning in meanings(parameter.name, tuple(among))
            if required or meaning not in _OPTIONAL
            for way in _ordered(WAYS[meaning], meaning, parameter.default)
        ]
        if parameter.kind in _NAMED and options:
            choices[parameter.name] = options
        elif required and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return None
    return choices


def _ordered(ways: tuple[Way, ...], meaning: str, default: Any) -> tuple[Way, ...]:
    """Ways to write a meaning: those like the default first."""
    if meaning == "padding" and isinstance(default, str):
        return (ways[3 if default.isupper() else 2],)
    if meaning in ("kernel", "stride", "padding") and isinstance(default, (tuple, list)):
        return (ways[1], ways[0], *ways[2:])
    if meaning == "padding":
        return ways[:2] if default is not inspect.Parameter.empty else ways
    return ways


def _fits(option: Option, layout: Mapping[str, str]) -> bool:
    """Whether an option goes with an order of axes."""
    meaning, way = option
    return meaning not in layout or way.order == layout[meaning]


def _ranked(choices: Sequence[Sequence[Option]]) -> Iterator[tuple[int, ...]]:
    """Combinations of options, those with the likelier ones first."""
    counts = [len(options) for options in choices]
    for total in range(sum(counts) - len(counts) + 1 if all(counts) else 0):
        yield from _summing(counts, total)


def _summing(counts: list[int], total: int) -> Iterator[tuple[int, ...]]:
    if not counts:
        yield from [()] if total == 0 else []
        return
    for first in range(min(counts[0] - 1, total) + 1):
        for others in _summing(counts[1:], total - first):
            yield (first, *others)


def _recipe(names: Iterable[str], choices: Sequence[Sequence[Option]], ranks: tuple[int, ...]) -> Recipe | None:
    """The recipe of a combination; None where two parameters mean the same."""
    chosen = [options[rank] for options, rank in zip(choices, ranks)]
    said = [meaning for meaning, _ in chosen]
    if len({*said}) < len(said):
        return None
    return Recipe(dict(zip(names, (way for _, way in chosen))), dict(zip(names, said)))
