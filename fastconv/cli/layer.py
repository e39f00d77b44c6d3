"""The options that describe a layer, and the arrays and arguments that they mean."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from fastconv.cli.arguments import is_shape, load_array, option_of, parse_padding, parse_shape, parse_sizes
from fastconv.cli.choices import choice
from fastconv.validation.arrays import Array

of_layer = partial(typer.Option, rich_help_panel="A layer or arrays of your own")


CONV2D = "conv2d"
OPERATIONS = (CONV2D, "max_pool2d", "avg_pool2d")
LAYOUTS = ("NCHW", "NHWC")

# options of several commands

InputShape = Annotated[str | None, of_layer("--input", metavar="NxCxHxW", help="Shape of its input.")]
KernelSize = Annotated[str | None, of_layer(metavar="K|KHxKW", help="Window of a pooling.")]
Stride = Annotated[str | None, of_layer(metavar="S|SHxSW", help="Step of the window.")]
Padding = Annotated[
    str | None, of_layer(metavar="P|PHxPW|B:AxB:A|NAME", help="Per axis, before:after, or valid, same, same_lower.")
]
Operation = Annotated[str | None, choice(OPERATIONS, "What the layer computes; conv2d by default.", of_layer)]
Layout = Annotated[str | None, choice(LAYOUTS, "Order of the axes.", of_layer)]
Dilation = Annotated[str | None, of_layer(metavar="D|DHxDW", help="Step between the taps.")]


class Layer(NamedTuple):
    """A layer as it was typed; its fields are the names of the options."""

    operation: str | None
    input: str | None
    x: Path | None
    weight: str | None
    bias: Path | None
    kernel_size: str | None
    stride: str | None
    padding: str | None
    dilation: str | None
    groups: int | None
    layout: str | None

    @property
    def computes(self) -> str:
        """What it computes: a convolution, unless something else was asked for."""
        return CONV2D if self.operation is None else self.operation

    def call(self, dtype: str, seed: int) -> tuple[str, dict[str, Any]]:
        """Return the operation with its arguments; arrays that are not read are drawn."""
        return self.computes, {**self._arrays(np.dtype(dtype), seed), **self._options()}

    def _arrays(self, dtype: np.dtype[Any], seed: int) -> dict[str, Array]:
        rng = np.random.default_rng(seed)
        if (self.x is None) == (self.input is None):
            raise typer.BadParameter("a layer needs its input: either --input NxCxHxW or --x FILE.")
        if self.x is not None:
            arrays = {"x": load_array("--x", self.x)}
        else:
            arrays = {"x": rng.standard_normal(parse_shape("--input", str(self.input), 4)).astype(dtype)}
        if self.computes != CONV2D:
            return arrays
        if self.weight is None:
            raise typer.BadParameter("a convolution needs its filters: --weight FxCxKHxKW or --weight FILE.")
        if is_shape(self.weight):
            shape = parse_shape("--weight", self.weight, 4)
            drawn = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
            arrays["weight"] = drawn.astype(dtype)
        else:
            arrays["weight"] = load_array("--weight", Path(self.weight))
        if self.bias is not None:
            arrays["bias"] = load_array("--bias", self.bias)
        return arrays

    def _options(self) -> dict[str, Any]:
        """Return the keyword arguments of the operation that were given."""
        operation, pooling = self.computes, self.computes != CONV2D
        for name in ("weight", "bias", "groups"):
            if pooling and getattr(self, name) is not None:
                raise typer.BadParameter(f"{option_of(name)} belongs to conv2d, but the operation is {operation}.")
        if pooling == (self.kernel_size is None):
            raise typer.BadParameter(
                f"{operation} needs --kernel-size." if pooling else "--kernel-size belongs to a pooling operation."
            )
        options: dict[str, Any] = {}
        for name in ("kernel_size", "stride", "padding", "dilation"):
            if (text := getattr(self, name)) is not None:
                parse = parse_padding if name == "padding" else parse_sizes
                options[name] = parse(option_of(name), text)
        if self.groups is not None:
            options["groups"] = self.groups
        if self.layout is not None:
            options["layout"] = self.layout
        return options
