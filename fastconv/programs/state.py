"""What a training step changes: parameters, statistics, what layers keep, slots of an optimiser; and going back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from fastconv.layers import Dropout, Layer, Parameter
from fastconv.optim import Optimizer
from fastconv.programs.recording import overwrite
from fastconv.validation.arrays import Array


def is_trained(layer: Layer) -> bool:
    """Whether a layer, or one inside, has a parameter that is trained."""
    return any(parameter.requires_grad for parameter in layer.parameters())


def state_of(model: Layer) -> list[Array]:
    """Arrays of a network that change in training, or that one step draws anew."""
    arrays = [parameter.data for parameter in model.parameters()]
    arrays += [buffer for _, buffer in model.named_buffers()]
    return [array for array in [*arrays, *seeds_of(model)] if array.size]


def seeds_of(model: Layer) -> list[Array]:
    """What layers draw in each forward pass."""
    return [layer._seed for _, layer in model.named_layers() if isinstance(layer, Dropout)]


@dataclass
class Kept:
    """Everything about a layer that a pass changes: its attributes, its arrays, its generators and its gradients."""

    layer: Layer

    def __post_init__(self) -> None:
        self._layers = [layer for _, layer in self.layer.named_layers()]
        self._attributes = [dict(vars(layer)) for layer in self._layers]
        self._parameters = self.layer.parameters()
        self.gradients = [parameter._grad for parameter in self._parameters]
        self.arrays = state_of(self.layer)
        self._values = [array.copy() for array in self.arrays]
        found = (value for layer in self._layers for value in vars(layer).values())
        self._generators = [one for one in found if isinstance(one, np.random.Generator)]
        self._states = [generator.bit_generator.state for generator in self._generators]

    def scatter(self) -> None:
        """Give parameters and statistics numbers that no layer begins with."""
        for array in self.arrays:
            if array.dtype.kind == "f":
                array[...] = scattered(array)

    def shift(self) -> None:
        """Move them a little."""
        _shift(self.arrays)

    def restore(self) -> None:
        """Go back."""
        for layer, attributes in zip(self._layers, self._attributes):
            vars(layer).clear()
            vars(layer).update(attributes)
        for parameter, gradient in zip(self._parameters, self.gradients):
            parameter._grad = gradient
        overwrite(self.arrays, self._values)
        for generator, state in zip(self._generators, self._states):
            generator.bit_generator.state = state


def optimizer_slots(optimizer: Optimizer, due: list[int]) -> list[Array]:
    """Arrays of an optimiser that a step changes."""
    return [array for index in due for array in optimizer._slots.get(index, {}).values()]


class Progress:
    """How far an optimiser is."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer, self._steps = optimizer, optimizer._steps.copy()
        self._values = {
            i: {name: array.copy() for name, array in slots.items()} for i, slots in optimizer._slots.items()
        }

    def restore(self) -> None:
        """Go back; slots that are new are zero."""
        self._optimizer._steps = self._steps.copy()
        for i, slots in self._optimizer._slots.items():
            for name, array in slots.items():
                array[...] = self._values[i][name] if i in self._values else 0

    def shift(self) -> None:
        """Move the slots a little, the same way each time."""
        _shift(array for slots in self._optimizer._slots.values() for array in slots.values())


def scattered(array: Array) -> Array:
    """Numbers, none of them negative, that no array begins with."""
    kind = np.float32 if array.dtype == np.float32 else np.float64
    return np.random.default_rng(array.size).random(array.shape, kind) + kind(0.5)


def give(parameters: Iterable[Parameter], gradients: Iterable[Array]) -> None:
    """Let parameters have gradients, which may lie in an arena."""
    for parameter, gradient in zip(parameters, gradients):
        parameter._grad = gradient


def taken_from(parameters: list[Parameter]) -> Iterator[Array]:
    """Gradients, which their parameters then have no more."""
    for parameter in parameters:
        if parameter.grad is not None:
            yield parameter.grad
            parameter.zero_grad()


def _shift(arrays: Iterable[Array]) -> None:
    for array in arrays:
        if array.dtype.kind == "f":
            array += (scattered(array) - 0.5) / 64
