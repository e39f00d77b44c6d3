"""Layers that are several steps, which a program may record one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from fastconv.layers.base import Layer
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.types import ArrayLike

Do = Callable[..., Array]  # of a name, a function of arrays, and the arrays


class SteppedLayer(Layer):
    """A layer that computes nothing by itself: it has functions of arrays done one after the other."""

    @abstractmethod
    def steps(self, do: Do, x: Array) -> Array:
        """Return the output; everything is computed by ``do(name, function, *arrays)``, which returns an array."""

    def forward(self, x: ArrayLike) -> Array:
        """Do all steps; see `Layer.forward`."""
        return self.steps(_at_once, check_array(type(self).__name__, "x", x))


def _at_once(name: str, function: Callable[..., Array], *arrays: Array) -> Array:
    return function(*arrays)
