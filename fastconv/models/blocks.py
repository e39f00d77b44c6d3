"""What networks are made of: a convolution with its batch norm, a residual block, and names that skip containers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastconv.layers import BatchNorm2d, Conv2d, Dropout, Identity, Layer, ReLU, Residual, Sequential
from fastconv.layers.base import Step, Value
from fastconv.layers.containers import Container


class Block(Sequential):
    """Layers one after the other, whose names leave some of the containers inside out.

    A sum of branches is a container here and a line of code in PyTorch, whose state dicts therefore do not mention it.

    Parameters
    ----------
    layers : dict of str to Layer
        In the order of the forward pass.
    unnamed : sequence of str
        Containers, at any depth, that are passed over: what is in them is called as if it were in this one.

    Examples
    --------
    >>> block = Block({"sum": Residual({"body": Sequential({"conv": Conv2d(2, 2, 1, bias=False)})})}, ("sum", "body"))
    >>> list(block.state_dict())
    ['conv.weight']
    """

    def __init__(self, layers: dict[str, Layer], unnamed: Iterable[str]) -> None:
        super().__init__(layers)
        self._unnamed = frozenset(unnamed)

    def named_children(self) -> Iterator[tuple[str, Layer]]:
        """Yield the layers with their names, those in unnamed containers as if they were here."""
        yield from self._named(self)

    def _named(self, container: Container) -> Iterator[tuple[str, Layer]]:
        for name, layer in container._layers.items():
            if name in self._unnamed and isinstance(layer, Container):
                yield from self._named(layer)
            else:
                yield name, layer

    def trace(self, value: Value, steps: list[Step], name: str = "") -> Value:
        """See `Layer.trace`."""
        first = len(steps)
        value = super().trace(value, steps, name)
        names = {id(layer): inside for inside, layer in self.named_layers(name)}
        steps[first:] = [step._replace(name=names.get(id(step.layer), step.name)) for step in steps[first:]]
        return value


class ResidualBlock(Block):
    """Layers with a shortcut around them, and a ReLU after the sum: ``relu(body(x) + shortcut(x))``.

    Parameters
    ----------
    body : dict of str to Layer
        One after the other.
    shortcut : dict of str to Layer
        What runs around them, with its name; empty for the input itself.
    """

    def __init__(self, body: dict[str, Layer], shortcut: dict[str, Layer]) -> None:
        total = Residual({"body": Sequential(body), **shortcut})
        super().__init__({"sum": total, "relu": ReLU()}, ("sum", "body"))


def normalized(in_channels: int, out_channels: int, kernel: int, stride: int = 1, **options: Any) -> list[Layer]:
    """Return a convolution that keeps the size at stride 1, without a bias, and its batch norm, which has one."""
    padding = kernel // 2
    convolution = Conv2d(in_channels, out_channels, kernel, stride, padding=padding, bias=False, **options)
    return [convolution, BatchNorm2d(out_channels, dtype=convolution.weight.dtype)]


def basic_body(in_channels: int, out_channels: int, stride: int, **options: Any) -> dict[str, Layer]:
    """Two 3×3 convolutions (He et al., 2016, figure 5, left)."""
    conv1, bn1 = normalized(in_channels, out_channels, 3, stride, **options)
    conv2, bn2 = normalized(out_channels, out_channels, 3, **options)
    return {"conv1": conv1, "bn1": bn1, "relu1": ReLU(), "conv2": conv2, "bn2": bn2}


def dropped(p: float, rng: Any) -> Layer:
    """Dropout, or the layer that does nothing in its place."""
    return Dropout(p, rng=rng) if p else Identity()
