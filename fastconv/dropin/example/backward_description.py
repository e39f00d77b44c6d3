"""What was found out about a backward function: where the gradients of a forward function go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.example.black_box import BlackBox, Call
from fastconv.dropin.example.description import Bias, Forward, Image
from fastconv.dropin.example.effects import Effects
from fastconv.dropin.example.guards import Guard
from fastconv.dropin.example.slots import RESULT, Slot
from fastconv.validation.arrays import Array

SCALES = ("", "images", "positions", "images and positions")


def divisor(scale: str, dy: tuple[int, ...]) -> int:
    """Return what gradients are divided by, from the shape (N, F, OH, OW) of the output."""
    images, _, rows, columns = dy
    factors = {"": 1, "images": images, "positions": rows * columns, "images and positions": images * rows * columns}
    return factors[scale]


@dataclass(frozen=True)
class Added:
    """In place of a learning rate: the gradient is added to what was there."""

    def get(self, call: Mapping[str, Any]) -> float:
        """Minus one is what it is multiplied by before it is subtracted."""
        return -1.0

    def put(self, call: Call, value: Any) -> None:
        """It cannot be another."""


@dataclass(frozen=True)
class Gradient:
    """One gradient of a backward function.

    Parameters
    ----------
    name : {"dx", "dweight", "dbias"}
        Which.
    slot : Slot
        Where it is after the call, or what it was subtracted from.
    scale : str
        What it is divided by: one of `SCALES`.
    rate : Slot, Added or None
        Where the learning rate is, of one that is applied at once; `Added` of one that is added to that of the last
        call.
    in_place : bool
        Whether that is done in the array that was there.
    shape : tuple of int
        Of dbias, with 0 for the axis of the filters.
    """

    name: str
    slot: Slot
    scale: str = ""
    rate: Slot | Added | None = None
    in_place: bool = False
    shape: tuple[int, ...] = (0,)

    def words(self) -> str:
        """Where it goes, as in "dweight in self.dW"."""
        place = "returned" if self.slot.root == RESULT else f"in {self.slot}"
        if isinstance(self.rate, Added):
            place = f"added to {self.slot}"
        elif self.rate is not None:
            place = f"times {self.rate} taken from {self.slot}"
        return f"{self.name} {place}" + (f", divided by the number of {self.scale}" if self.scale else "")


@dataclass(frozen=True)
class Backward:
    """A backward function.

    Parameters
    ----------
    box : BlackBox
        It and an example.
    dy : Image
        Gradient of the output.
    sources : mapping of str to Slot
        By parameter, where its argument was in the call of the forward function, before or after.
    gradients : tuple of Gradient
        What it computes.
    effects : Effects
        What it leaves behind, in terms of these and "cache".
    guards : tuple of Guard
        What else has to be as in the example.
    """

    box: BlackBox
    dy: Image
    sources: Mapping[str, Slot]
    gradients: tuple[Gradient, ...]
    effects: Effects
    guards: tuple[Guard, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the gradients."""
        return tuple(gradient.name for gradient in self.gradients)

    def words(self) -> str:
        """One line in the words of a person."""
        return ", ".join([f"gradient of {self.dy.words(filters=True)}", *(each.words() for each in self.gradients)])

    def laid(self, forward_call: Call, dy: Array) -> Call:
        """Return the call that follows a call of the forward function, with a learning rate of one.

        Parameters
        ----------
        forward_call : dict
            That call, after it ran.
        dy : ndarray
            Gradient of the output, as it lies in the call.
        """
        call = self.box.call
        call.update((name, slot.get(forward_call)) for name, slot in self.sources.items())
        self.dy.slot.put(call, dy)
        for gradient in self.gradients:
            if gradient.rate is not None:
                gradient.rate.put(call, 1.0)
        return call


def read_gradient(gradient: Gradient, forward: Forward, found: Any, problem: Problem) -> Any:
    """Return a gradient as fastconv orders its axes; what was found if that is no array.

    Parameters
    ----------
    gradient : Gradient
        Which.
    forward : Forward
        The forward function.
    found : object
        What was in its slot after the call, or was taken from that.
    problem : Problem
        What was computed.
    """
    if not isinstance(found, (np.ndarray, np.generic, float)):
        return found
    found = np.asarray(found)
    if gradient.scale:
        found = found * divisor(gradient.scale, problem.output_shape)
    return full_gradient(gradient.name, forward, found, problem)


def laid_gradient(gradient: Gradient, forward: Forward, found: Array, dy: Array) -> Any:
    """Return a gradient as it lies in a call.

    Parameters
    ----------
    gradient : Gradient
        Which.
    forward : Forward
        The forward function.
    found : ndarray
        As fastconv gives it.
    dy : ndarray, shape (N, F, OH, OW)
        Gradient of the output.
    """
    if gradient.scale:
        found = found / divisor(gradient.scale, dy.shape)
    if gradient.name == "dx":
        return forward.x.axes.of_full(found)
    if gradient.name == "dweight" and forward.weight is not None:
        return forward.weight.filters.of_full(found)
    if forward.bias is not None and forward.bias.axes is not None:
        return forward.bias.axes.of_full(dy.sum(axis=0, keepdims=True, dtype=found.dtype))
    return found.reshape([size or len(found) for size in gradient.shape]) if gradient.shape else found[0]


def full_gradient(name: str, forward: Forward, found: Any, problem: Problem) -> Any:
    """Return an array as fastconv orders the axes of a gradient; itself where it is of another shape."""
    if name == "dx":
        return forward.x.axes.full_of(found) if found.ndim == len(forward.x.axes.order) else found
    if name == "dweight" and forward.weight is not None:
        return forward.weight.filters.full_of(found)
    return _full_dbias(forward.bias, found, problem)


def _full_dbias(bias: Bias | None, found: Any, problem: Problem) -> Any:
    filters = problem.output_shape[1]
    if bias is None or bias.axes is None:
        return found.reshape(filters) if found.size == filters else found
    right = bias.axes.of_full(problem.gradient.sum(axis=0, keepdims=True))
    if found.shape != right.shape:
        return found
    wrong = abs(found - right).max(initial=0) > 1e-4 * abs(right).max(initial=0)  # the sum alone would not show it
    summed = bias.axes.full_of(found).sum(axis=(0, 2, 3))
    return summed * float("nan") if wrong else summed
