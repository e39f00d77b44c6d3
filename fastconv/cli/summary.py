"""``fastconv summary``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastconv.cli.arguments import given, parse_shape, unknown
from fastconv.cli.choices import choice
from fastconv.cli.console import console
from fastconv.cli.model_file import is_model_file, summarise_file
from fastconv.cli.output import Debug, Numbers, Outputs, Result, print_table
from fastconv.evidence.summary import summary as summarise
from fastconv.report import Table
from fastconv.report.words import format_shape

if TYPE_CHECKING:
    from fastconv.layers import Layer


_DTYPES = ("float16", "float32", "float64")
_OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam", "adamw")


def summary(
    model: Annotated[
        str | None, typer.Argument(help="Name of a network, or a file: net.py, net.py:name or net.onnx.")
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="CxHxW", help="Shape of an image, without a batch; that of the network by default."
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 1,
    classes: Annotated[int | None, typer.Option(min=1, help="Scores per image; by default its own.")] = None,
    dtype: Annotated[str | None, choice(_DTYPES, "That of the network by default.")] = None,
    optimizer: Annotated[str, choice(_OPTIMIZERS, "Whose state to count.")] = "adam",
    training: Annotated[bool, typer.Option("--training/--inference", help="What the table is about.")] = True,
    program: Annotated[bool, typer.Option("--program", help="Also plan the memory of a program.")] = False,
    json: Numbers = None,
    list_: Annotated[bool, typer.Option("--list", help="List the networks, and stop.")] = False,
    debug: Debug = False,
) -> None:
    """Count parameters, operations and memory of a network, layer by layer; nothing is computed.

    A Python file is run, so it must be one that you trust. Of an .onnx file the nodes are listed, with their parameters
    and the shapes of their outputs.
    """
    if list_:
        _print_models()
        return
    if model is None:
        raise typer.BadParameter("must be given (--list names the networks).", param_hint="MODEL")
    outputs = Outputs("summary", json)
    outputs.check()
    image = None if input_ is None else parse_shape("--input", input_)
    if is_model_file(model):
        layers: dict[str, Any] = {"classes": classes, "dtype": dtype, "program": program}
        summarise_file(model, outputs, given(layers), batch, image)
        return
    title, made, shape = _network(model, image, classes)
    options: dict[str, Any] = {"optimizer": optimizer, "training": training, "program": program, "name": title}
    found = summarise(made, shape, batch=batch, dtype=dtype, **options)
    outputs.deliver(Result.of(found), ok=True)


def _network(model: str, image: tuple[int, ...] | None, classes: int | None) -> tuple[str, Layer, tuple[int, ...]]:
    """Return the title of the network, itself, and the shape of one of its images."""
    from fastconv import models
    from fastconv.initializers import undrawn

    options: dict[str, Any] = {} if classes is None else {"classes": classes}
    if not models.is_model_file(model):
        if model not in models.MODELS:
            raise unknown("MODEL", model, models.MODELS, others=", or a Python file")
        shape = image or models.input_shape_of(model)
        with undrawn():
            return model, models.by_name(model, input_shape=shape, **options), shape
    if image is None:
        raise typer.BadParameter("must be given for a network from a file, such as 3x32x32.", param_hint="--input")
    return Path(model).name, models.load_model_file(model, input_shape=image, rng=0, **options), image


def _print_models() -> None:
    from fastconv import models

    rows = tuple((name, format_shape(made.input_shape), made.description) for name, made in models.MODELS.items())
    print_table(Table("", ("network", "image", "what it is"), rows, 3, spare=("image",)), console())
