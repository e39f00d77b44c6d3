"""The steps of a trace in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from fastconv.layers.base import Step

__all__ = ["INPUT", "Moment", "Work", "fork_of", "kept_bytes", "works"]

INPUT = 0  # key of the batch


class Moment(NamedTuple):
    """A point of a step, and the bytes that are alive at it."""

    what: str
    nbytes: int


@dataclass(frozen=True)
class Work:
    """One step of a trace, in bytes.

    Attributes
    ----------
    name : str
        Name of the layer.
    inputs : tuple of int
        Keys of what it reads; several where branches meet.
    output : int
        Key of what it writes; that of an input where it returns a view.
    branches : tuple of (int, int)
        Where branches meet: the first step of each, and the one after its last.
    keeps : frozenset of int
        Keys of what it keeps for the backward pass.
    kept : int
        Bytes that it keeps beyond those.
    gradients : int
        Bytes of the gradients of its trainable parameters.
    scratch : int
        Bytes of temporary arrays.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    branches: tuple[tuple[int, int], ...] = ()
    keeps: frozenset[int] = frozenset()
    kept: int = 0
    gradients: int = 0
    scratch: int = 0


def works(
    steps: Sequence[Step], batch: int, itemsize: int, gradients: Sequence[int], scratch: Sequence[int]
) -> tuple[list[Work], dict[int, int]]:
    """Return the steps in bytes, and the bytes of every array.

    `batch` is the bytes of the input, `gradients` those of the trainable parameters of each step.
    """
    sizes = {INPUT: batch}
    found = []
    for step, gradient, temporary in zip(steps, gradients, scratch):
        for value in (*step.inputs, step.output):
            sizes[value.key] = max(sizes.get(value.key, 0), prod(value.shape) * itemsize)
        keys = tuple(value.key for value in step.inputs)
        keeps = (keys if step.layer.keeps_input else ()) + ((step.output.key,) if step.layer.keeps_output else ())
        kept = step.layer.kept_bytes(step.inputs[0].shape, itemsize)
        name = step.name or type(step.layer).__name__
        found.append(Work(name, keys, step.output.key, step.branches, frozenset(keeps), kept, gradient, temporary))
    return found, sizes


def fork_of(found: Sequence[Work], join: Work) -> int:
    """Return the array that all branches of a join read."""
    return next((found[first].inputs[0] for first, end in join.branches if first < end), join.inputs[0])


def kept_bytes(found: Sequence[Work], sizes: dict[int, int]) -> int:
    """Bytes of everything that a forward pass keeps, the batch and the output of the network included."""
    keys = {INPUT, *(key for work in found for key in work.keeps), *(work.output for work in found[-1:])}
    return sum(sizes[key] for key in keys) + sum(work.kept for work in found)
