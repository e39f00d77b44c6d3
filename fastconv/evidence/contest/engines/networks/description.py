"""A network as data, from which every engine builds its own: kinds of layers, sizes, names of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastconv.errors import InvalidValueError
from fastconv.layers import (
    BatchNorm1d,
    BatchNorm2d,
    Concat,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    Identity,
    Layer,
    Linear,
    MaxPool1d,
    MaxPool2d,
    ReLU,
    ReLU6,
    Residual,
    Sequential,
    SubsampleShortcut,
)

_ARRAYS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Node:
    """One layer.

    Attributes
    ----------
    kind : str
        Name of its class.
    options : dict
        Its arguments, as lists of an integer for each axis; of a padding, pairs of before and after.
    arrays : dict of str to str
        What its weights are called in the state dict: ``{"weight": "0.weight"}``.
    children : tuple of Node
        What is inside of a `Sequential`, a `Residual` (whose sum has all its terms here) or a `Concat`.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, str] = field(default_factory=dict)
    children: tuple[Node, ...] = ()


def describe(model: Layer) -> Node:
    """Return a network as data.

    Raises
    ------
    ValueError
        If something in it is none of the layers that every engine has.

    Examples
    --------
    >>> node = describe(Sequential(Conv1d(2, 3, 5, padding=2), ReLU()))
    >>> [child.kind for child in node.children], node.children[0].arrays
    (['Conv1d', 'ReLU'], {'weight': '0.weight', 'bias': '0.bias'})
    >>> node.children[0].options
    {'stride': [1], 'dilation': [1], 'groups': 1, 'padding': [[2, 2]]}
    """
    return _described(model, {id(layer): name for name, layer in model.named_layers()})


def _described(layer: Layer, names: dict[int, str]) -> Node:
    for kind, options_of in _KINDS.items():
        if type(layer) is kind or (kind is Sequential and isinstance(layer, Sequential)):
            children = tuple(_described(child, names) for child in _children(layer))
            return Node(kind.__name__, _plain(options_of(layer)), _arrays(layer, names), children)
    known = ", ".join(kind.__name__ for kind in _KINDS)
    raise InvalidValueError(f"contest: a layer of a network must be one of {known}, but got {layer!r}.")


def _children(layer: Any) -> list[Layer]:
    if not isinstance(layer, (Sequential, Residual, Concat)):
        return []
    children = list(layer)
    return [Identity(), *children] if isinstance(layer, Residual) and len(children) == 1 else children


def _arrays(layer: Layer, names: dict[int, str]) -> dict[str, str]:
    """Name every weight as the state dict does."""
    prefix = names.get(id(layer), "")
    present = [array for array in _ARRAYS if getattr(layer, array, None) is not None]
    return {array: f"{prefix}.{array}" if prefix else array for array in present}


def _convolution(layer: Any) -> dict[str, Any]:
    if layer.padding_mode != "zeros":
        raise InvalidValueError(
            f"contest: padding_mode of a convolution must be 'zeros' in a network, but got {layer.padding_mode!r}."
        )
    return {**_window(layer, "stride", "dilation", "groups"), "padding": _padding(layer)}


def _padding(layer: Any) -> Any:
    """Pairs of before and after, also of "same", where they do not depend on the size of the input."""
    if not isinstance(layer.padding, str):
        return layer.padding
    extents = [dilation * (kernel - 1) for dilation, kernel in zip(layer.dilation, layer.kernel_size)]
    if layer.padding != "same" or any(step != 1 for step in layer.stride) or any(extent % 2 for extent in extents):
        raise InvalidValueError(
            "contest: padding of a convolution must be numbers, or 'same' at stride 1 with an odd kernel, but got "
            f"{layer.padding!r} with stride={layer.stride} and kernel_size={layer.kernel_size}."
        )
    return tuple((extent // 2, extent // 2) for extent in extents)


def _transposed(layer: Any) -> dict[str, Any]:
    return _window(layer, "stride", "padding", "output_padding", "dilation", "groups")


def _pool(layer: Any) -> dict[str, Any]:
    if any(step != 1 for step in layer.dilation):
        raise InvalidValueError(f"contest: a pooling must have no dilation, but got {layer.dilation}.")
    return _window(layer, "kernel_size", "stride", "padding", "ceil_mode")


def _concat(layer: Any) -> dict[str, Any]:
    if layer.axis != 1:
        raise InvalidValueError(f"contest: axis of a Concat must be 1, but got {layer.axis}.")
    return {}


def _flatten(layer: Any) -> dict[str, Any]:
    if (layer.start_dim, layer.end_dim) != (1, -1):
        raise InvalidValueError(f"contest: a Flatten must flatten all but the batch, but got {layer!r}.")
    return {}


def _window(layer: Any, *options: str) -> dict[str, Any]:
    if getattr(layer, "layout", "NC").index("C") != 1:
        raise InvalidValueError(f"contest: the layout of a network must be channels first, but got {layer.layout}.")
    return {option: getattr(layer, option) for option in options}


def _shortcut(layer: Any) -> dict[str, Any]:
    added = layer.out_channels - layer.in_channels
    return {**_window(layer, "stride"), "before": added // 2, "after": added - added // 2}


def _nothing(layer: Any) -> dict[str, Any]:
    return {}


_KINDS: dict[type[Layer], Callable[[Any], dict[str, Any]]] = {
    Sequential: _nothing,
    Residual: _nothing,
    Concat: _concat,
    Identity: _nothing,
    Conv1d: _convolution,
    Conv2d: _convolution,
    ConvTranspose2d: _transposed,
    BatchNorm1d: lambda layer: {"eps": layer.eps, "momentum": layer.momentum},
    BatchNorm2d: lambda layer: {"eps": layer.eps, "momentum": layer.momentum},
    ReLU: _nothing,
    ReLU6: _nothing,
    MaxPool1d: _pool,
    MaxPool2d: _pool,
    GlobalAvgPool1d: _nothing,
    GlobalAvgPool2d: _nothing,
    Flatten: _flatten,
    Linear: _nothing,
    SubsampleShortcut: _shortcut,
}


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
