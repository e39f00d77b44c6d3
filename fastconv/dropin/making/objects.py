"""Objects of a class that nobody has given an example of: constructed, set up and run by the names of parameters."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from fastconv.dropin.conventions.problem import Problem, draw
from fastconv.dropin.making.recipes import CONSTRUCTOR, SETUP_MEANINGS, Recipe, recipes
from fastconv.dropin.making.ways import IMAGES, array

FORWARD = (
    "forward",
    "forwardpass",
    "forwardpropagate",
    "forwardpropagation",
    "forwardprop",
    "feedforward",
    "forwards",
    "fprop",
    "propagate",
    "call",
    "compute",
    "apply",
    "convolve",
    "conv",
    "pool",
    "output",
    "run",
    "__call__",
)
# What some classes want to be told before they are used, in this order.
SETUP = ("setinputshape", "setup", "build", "initialize", "init", "initweights", "initializeweights", "initparams")

# Channels, filters, kernel and image; sizes of the output are others again.
_CONVOLUTIONS = ((6, 5, 3, (7, 9)), (2, 3, 2, (8, 11)), (4, 7, 5, (14, 13)))
_POOLS = ((6, 1, 2, (8, 10)), (3, 1, 2, (12, 14)), (5, 1, 2, (16, 18)))


@dataclass(frozen=True)
class Made:
    """How an object of a class is made and run.

    Parameters
    ----------
    cls : type
        The class.
    method : str
        Name of its forward method.
    recipe : Recipe
        Arguments of its constructor.
    setup : tuple of (str, Recipe)
        Methods that are called then.
    order : str
        Axes of its input.
    operation : {"conv2d", "max_pool2d"}
        What it computes, by its name.
    square : bool
        Whether its images are square.
    """

    cls: type
    method: str
    recipe: Recipe
    setup: tuple[tuple[str, Recipe], ...]
    order: str
    operation: str
    square: bool

    def problems(self, *, wide: bool = False) -> list[Problem]:
        """Return problems that have no size in common, with one image or channel where the input has no axis.

        Parameters
        ----------
        wide : bool
            Let their kernels be rectangular.
        """
        convolves = self.operation == "conv2d"
        return [
            draw(
                self.operation,
                images=4 if "N" in self.order else 1,
                channels=channels if "C" in self.order else 1,
                filters=filters,
                size=(height, height if self.square else width),
                kernel=(kernel, kernel + 1) if wide else (kernel, kernel),
                stride=(1, 1) if convolves else (kernel, kernel),
                seed=1,
            )
            for channels, filters, kernel, (height, width) in (_CONVOLUTIONS if convolves else _POOLS)
        ]

    def object(self, problem: Problem) -> Any:
        """Return a new object for a problem.

        Raises
        ------
        Inexpressible
            If the constructor has no words for it.
        """
        made = self.cls(**self.recipe.arguments(problem))
        for name, recipe in self.setup:
            getattr(made, name)(**recipe.arguments(problem))
        return made

    def image(self, problem: Problem) -> Any:
        """Return the input of a problem as an object takes it."""
        return array("x", self.order).give(problem)


def _plain(name: str) -> str:
    return name if name.startswith("__") else name.lower().replace("_", "")


def forward_method(cls: type) -> str | None:
    """Return the name of the method of a class that takes the input; None if there is none of a usual name."""
    methods = {_plain(name): name for name in dir(cls) if inspect.isfunction(getattr(cls, name, None))}
    return next((methods[name] for name in FORWARD if name in methods), None)


def ways_to_make(cls: type, operation: str) -> Iterator[Made]:
    """Give ways to make and run an object of a class, the likeliest first.

    Parameters
    ----------
    cls : type
        The class.
    operation : {"conv2d", "max_pool2d"}
        What it computes, by its name.
    """
    method = forward_method(cls)
    if method is None:
        return
    setups = [(), *_setups(cls)]
    for recipe, setup, square in product(recipes(cls, CONSTRUCTOR), setups, (False, True)):
        for order in IMAGES:
            yield Made(cls, method, recipe, setup, order, operation, square)


def _setups(cls: type) -> Iterator[tuple[tuple[str, Recipe], ...]]:
    """Ways to set an object up; nothing if it has no methods for that."""
    methods = {_plain(name): name for name in dir(cls) if inspect.isfunction(getattr(cls, name, None))}
    steps = {name: [*recipes(getattr(cls, name), SETUP_MEANINGS, skip=1)] for name in map(methods.get, SETUP) if name}
    steps = {name: found for name, found in steps.items() if found}
    if steps:
        for chosen in product(*steps.values()):
            yield tuple(zip(steps, chosen))
