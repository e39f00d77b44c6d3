"""Calls of a function that nobody has given an example of, by the names of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastconv.dropin.conventions.problem import Problem, draw
from fastconv.dropin.making.recipes import FUNCTION, Recipe, recipes


def ways_to_call(function: Callable[..., Any], operation: str) -> Iterator[tuple[Recipe, Problem]]:
    """Give ways to call a function, and a problem for each, the likeliest first.

    Parameters
    ----------
    function : callable
        The function.
    operation : {"conv2d", "max_pool2d"}
        What it computes, by its name.
    """
    for recipe in recipes(function, FUNCTION):
        image, filters = recipe.order("x"), recipe.order("weight")
        if not image or bool(filters) != (operation == "conv2d"):
            continue
        for square in (False, True):
            yield recipe, _problem(operation, image, filters, square)


def _problem(operation: str, image: str, filters: str, square: bool) -> Problem:
    """A problem of different sizes, with one where there is no axis."""
    images, channels = 4 if "N" in image else 1, 6 if "C" in image else 1
    if operation == "max_pool2d":
        size = (8, 8 if square else 10)
        return draw(operation, images=images, channels=channels, size=size, kernel=(2, 2), stride=(2, 2), seed=1)
    size, count = (7, 7 if square else 9), 5 if "F" in filters else 1
    return draw(operation, images=images, channels=channels, filters=count, size=size, kernel=(3, 3), seed=1)
