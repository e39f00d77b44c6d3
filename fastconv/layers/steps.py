"""What a network would do, step by step, known by shapes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fastconv.layers.base import Layer

__all__ = ["Shape", "Step", "Value"]

Shape = tuple[int, ...]


class Value(NamedTuple):
    """One array on the way through a network, known by its shape alone.

    Attributes
    ----------
    key : int
        The same for the same memory, so that an array that two layers keep is counted once.
    shape : tuple of int
        Shape of the array.
    """

    key: int
    shape: Shape


class Step(NamedTuple):
    """One layer at work in a network.

    Attributes
    ----------
    name : str
        Where the layer is, as in the names of a state dict: "3.body.0".
    layer : Layer
        The layer.
    inputs : tuple of Value
        What it reads; a sum of branches reads several arrays.
    output : Value
        What it writes; the same key as an input where it returns a view.
    branches : tuple of (int, int)
        Where branches meet that all read the same: the first step of each, and the one after its last.
    """

    name: str
    layer: Layer
    inputs: tuple[Value, ...]
    output: Value
    branches: tuple[tuple[int, int], ...] = ()
