"""Layers made of layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeGuard

import numpy as np

from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.layers.base import Layer, Shape, Step, Value
from fastconv.layers.inference import inference_mode
from fastconv.layers.parameter import note_change
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_any_shape, check_integer
from fastconv.validation.types import ArrayLike


class Container(Layer):
    """A layer that runs the layers inside, which have names: their positions, or those of a dict."""

    _part, _parts = "layer", "layers"

    def __init__(self, layers: tuple[Layer | dict[str, Layer], ...]) -> None:
        super().__init__()
        self._layers: dict[str, Layer] = {}
        named: Any = {str(i): layer for i, layer in enumerate(layers)}
        if len(layers) == 1 and isinstance(layers[0], dict):
            named = layers[0]
        self._add(named)

    def _add(self, named: Mapping[str, object]) -> None:
        """Add layers under their names."""
        kind, part = type(self).__name__, self._part
        owners = {id(one): name for name, present in self._layers.items() for _, one in present.named_layers()}
        for name, layer in named.items():
            if not isinstance(layer, Layer):
                raise InvalidTypeError(f"{kind}: {part} {name} must be a Layer, but got {shown(layer)}.")
            if not name or "." in name:
                raise InvalidValueError(
                    f"{kind}: the name of a {part} must not be empty or have a dot, but got {shown(name)}."
                )
            for _, one in layer.named_layers():
                other = owners.setdefault(id(one), name)
                if other != name:
                    raise InvalidValueError(
                        f"{kind}: every layer must be an object of its own, but {self._parts} {other} and {name} share "
                        "one. Each remembers its last input; make a second one."
                    )
            self._layers[name] = layer
        note_change()

    def named_children(self) -> Iterator[tuple[str, Layer]]:
        """Yield the layers with their names: their positions, or those of the dict."""
        yield from self._layers.items()

    def multiply_adds(self, input_shape: Shape) -> int:
        """Sum over all layers inside."""
        return sum(step.layer.multiply_adds(step.inputs[0].shape) for step in self._steps(input_shape))

    def flops(self, input_shape: Shape) -> int:
        """Sum over all layers inside, and the additions where their outputs are added."""
        return sum(step.layer.flops(step.inputs[0].shape) for step in self._steps(input_shape))

    def _steps(self, input_shape: Shape) -> list[Step]:
        steps: list[Step] = []
        self.trace(Value(0, check_any_shape(type(self).__name__, "input_shape", input_shape)), steps)
        return steps

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._layers.values())

    def __getitem__(self, key: int | str) -> Layer:
        return self._layers[key] if isinstance(key, str) else list(self._layers.values())[key]


class Sequential(Container):
    """One layer after the other.

    Parameters
    ----------
    *layers : Layer, or one OrderedDict or dict of str to Layer
        In the order of the forward pass; a dict names them.

    Raises
    ------
    TypeError
        If something is not a layer.
    ValueError
        If a layer appears twice: each remembers its last input, so one object cannot stand in two places.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Conv2d, Flatten, Linear, ReLU
    >>> model = Sequential(Conv2d(1, 4, 3, rng=0), ReLU(), Flatten(), Linear(4 * 6 * 4, 10, rng=1))
    >>> model.output_shape((2, 1, 8, 6))
    (2, 10)
    >>> model(np.ones((2, 1, 8, 6), np.float32)).shape
    (2, 10)
    >>> model[0]
    Conv2d(1, 4, kernel_size=(3, 3))
    """

    def __init__(self, *layers: Layer | dict[str, Layer] | OrderedDict[str, Layer]) -> None:
        super().__init__(layers)

    def append(self, layer: Layer) -> Sequential:
        """Add a layer at the end.

        Parameters
        ----------
        layer : Layer
            The layer.

        Returns
        -------
        Sequential
            Itself.
        """
        self._add({str(len(self._layers)): layer})
        return self

    def forward(self, x: ArrayLike) -> Array:
        """Run all layers; see `Layer.forward`."""
        y = check_array("Sequential", "x", x)
        self._keep_inside()
        for layer in self._flat():
            y = layer.forward(y)
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Run all backward passes, last layer first; see `Layer.backward`."""
        self._recall()
        layers = self._flat()
        gradient: Any = check_array(f"{type(self).__name__}.backward", "dy", dy)
        for i in reversed(range(len(layers))):
            gradient = layers[i].backward(gradient, input_gradient=input_gradient or i > 0)
        return gradient if input_gradient else None

    def _flat(self) -> list[Layer]:
        """Layers in the order of the forward pass, those of a plain Sequential inside as if they were its own.

        A call of its `forward` would hold on to its input, and one of its `backward` to dy, until its last layer is
        done: one array more than a network needs.
        """
        flat: list[Layer] = []
        for layer in self._layers.values():
            flat.extend(layer._flat() if is_plain(layer) else [layer])
        return flat

    def _keep_inside(self) -> None:
        """Remember that a forward pass ran, also in those whose `forward` is not called."""
        self._keep()
        for layer in self._layers.values():
            if is_plain(layer):
                layer._keep_inside()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape after the last layer; see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        for layer in self._layers.values():
            shape = layer.output_shape(shape)
        return shape

    def trace(self, value: Value, steps: list[Step], name: str = "") -> Value:
        """See `Layer.trace`."""
        for child, layer in self._layers.items():
            value = layer.trace(value, steps, f"{name}.{child}" if name else child)
        return value

    def __getitem__(self, key: int | str | slice) -> Layer:
        return Sequential(dict(list(self._layers.items())[key])) if isinstance(key, slice) else super().__getitem__(key)


def is_plain(layer: Layer) -> TypeGuard[Sequential]:
    """Whether a layer does nothing but run the layers inside."""
    kind = type(layer)
    return isinstance(layer, Sequential) and (kind.forward, kind.backward) == (Sequential.forward, Sequential.backward)


@contextmanager
def modes_kept(model: Layer) -> Iterator[None]:
    """Give every layer its mode, training or evaluation, back at the end of the block."""
    modes = [(layer, layer.training) for _, layer in model.named_layers()]
    try:
        yield
    finally:
        for layer, mode in modes:
            layer.training = mode


def predict(model: Layer, x: ArrayLike, *, batch_size: int = 128) -> Array:
    """Run a network in evaluation mode over many images, in batches, keeping nothing for a backward pass.

    ``(N, ...) -> (N, ...)``

    Parameters
    ----------
    model : Layer
        The network; its mode (training or evaluation) is restored afterwards.
    x : array_like, shape (N, ...)
        Inputs.
    batch_size : int
        Images at a time; a batch takes the memory of the two largest consecutive layers.

    Returns
    -------
    ndarray
        Outputs of all images.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Flatten
    >>> predict(Flatten(), np.ones((5, 2, 3)), batch_size=2).shape
    (5, 6)
    """
    x = check_array("predict", "x", x)
    if x.ndim == 0:
        raise InvalidValueError("predict: x must have an axis of inputs, but got shape ().")
    size = check_integer("predict", "batch_size", batch_size, 1)
    if not isinstance(model, Layer):
        raise InvalidTypeError(f"predict: model must be a Layer, but got {shown(model)}.")
    with modes_kept(model), inference_mode():
        model.eval()
        outputs = [model.forward(x[first : first + size]) for first in range(0, max(len(x), 1), size)]
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
