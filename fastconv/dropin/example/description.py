"""What was found out about a forward function: which operation, and in which slots its arrays and sizes lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.problem import Pair
from fastconv.dropin.example.guards import Guard
from fastconv.dropin.example.layouts import Axes, Filters
from fastconv.dropin.example.slots import Slot
from fastconv.validation.arrays import Array

Source = Slot | int  # where a size stands, or the one that it always is
Sources = tuple[Source, Source]

OPERATION_WORDS = {"conv2d": "convolution", "max_pool2d": "max pooling", "avg_pool2d": "average pooling"}


@dataclass(frozen=True)
class Image:
    """Where an image lies, and in which order of axes."""

    slot: Slot
    axes: Axes

    def words(self, filters: bool = False) -> str:
        """Slot and axes, as in "x (N, H, W, C)"."""
        letters = [{"C": "F"}.get(letter, letter) if filters else letter for letter in self.axes.order]
        return f"{self.slot} ({', '.join(letters)})"


@dataclass(frozen=True)
class Weight:
    """Where the filters lie, and how."""

    slot: Slot
    filters: Filters

    def words(self) -> str:
        """Slot and axes, as in "self.W (KH, KW, C, F)"."""
        parts = [[{"H": "KH", "W": "KW"}.get(letter, letter) for letter in part] for part in self.filters.order.split()]
        axes = ", ".join("*".join(part) for part in parts) if len(parts) > 1 else ", ".join(parts[0])
        return f"{self.slot} ({axes}){', turned by half a turn' if self.filters.flipped else ''}"


@dataclass(frozen=True)
class Bias:
    """Where the bias lies, and how.

    Parameters
    ----------
    slot : Slot
        Where.
    kind : {"filters", "number", "positions"}
        One number for every filter, one for all, or one for every position of the output.
    shape : tuple of int
        Of an array for filters: its shape, with 0 for the axis of the filters.
    axes : Axes, optional
        Of one for every position: its order of axes.
    """

    slot: Slot
    kind: str
    shape: tuple[int, ...] = ()
    axes: Axes | None = None

    def words(self) -> str:
        """Slot and axes."""
        if self.kind == "number":
            return f"{self.slot} (a number)"
        if self.axes is not None:
            return f"{self.slot} ({', '.join(self.axes.order.replace('C', 'F'))})"
        return f"{self.slot} ({', '.join('F' if size == 0 else '1' for size in self.shape)})"


@dataclass(frozen=True)
class Forward:
    """A forward function.

    Parameters
    ----------
    operation : {"conv2d", "max_pool2d", "avg_pool2d"}
        What it computes.
    x, y : Image
        Input and output.
    weight : Weight or None
        Filters of a convolution.
    bias : Bias or None
        Bias of a convolution that has one.
    sizes : mapping of str to (Source, Source)
        "stride", "padding" and "dilation", and of a pooling "kernel", per axis.
    fixed : mapping of str to int
        Sizes of the example, by letter (N, C, F, H, W, KH, KW), of which it is not known whether others can be.
    companions : mapping of str to tuple of Slot
        By letter, where the function has the size a second time, as a number.
    square : frozenset of str
        "image" or "kernel", where both axes have to be the same.
    guards : tuple of Guard
        What else has to be as in the example.
    """

    operation: str
    x: Image
    y: Image
    weight: Weight | None
    bias: Bias | None
    sizes: Mapping[str, Sources]
    fixed: Mapping[str, int] = field(default_factory=dict)
    companions: Mapping[str, tuple[Slot, ...]] = field(default_factory=dict)
    square: frozenset[str] = frozenset()
    guards: tuple[Guard, ...] = ()

    def words(self) -> str:
        """One line in the words of a person."""
        parts = [OPERATION_WORDS[self.operation], self.x.words()]
        if self.weight is not None:
            parts.append(f"weights {self.weight.words()}")
            parts.append("no bias" if self.bias is None else f"bias {self.bias.words()}")
        parts += [f"{name} {_source_words(sources)}" for name, sources in self.sizes.items() if _says(name, sources)]
        if self.fixed:
            parts.append(f"for {', '.join(f'{letter} = {size}' for letter, size in self.fixed.items())}")
        parts += [f"square {thing}s" for thing in sorted(self.square)]
        return ", ".join(parts)


def read_size(sources: Sources, call: Mapping[str, Any]) -> Pair:
    """Return a size of a call per axis."""
    height, width = (source if isinstance(source, int) else source.get(call) for source in sources)
    if type(height) is int and type(width) is int:
        return height, width
    if not all(isinstance(size, (int, np.integer)) and not isinstance(size, bool) for size in (height, width)):
        raise Declined
    return int(height), int(width)


def _says(name: str, sources: Sources) -> bool:
    return name != "dilation" or sources != (1, 1)


def _source_words(sources: Sources) -> str:
    height, width = sources
    if isinstance(height, int) and isinstance(width, int):
        return f"{height}" if height == width else f"{height} and {width}"
    return f"{height}" if height == width else f"({height}, {width})"


def full_bias(bias: Any, kind: str, filters: int) -> Array:
    """Return a bias as (F,)."""
    if kind == "number":
        return np.full(filters, bias, np.result_type(bias, np.float64) if np.isscalar(bias) else None)
    return np.reshape(bias, filters)
