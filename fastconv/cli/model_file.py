"""``fastconv compare`` and ``summary`` of a model file of ONNX."""

from __future__ import annotations

import contextlib
from typing import Any

import typer

from fastconv.backends import resolve_backend
from fastconv.backends.settings import use_num_threads
from fastconv.cli.console import progress_bar
from fastconv.cli.output import Outputs, Result, exactness
from fastconv.evidence.model_files import compare_model_file
from fastconv.evidence.model_files.example import input_shape
from fastconv.onnx import load


def is_model_file(name: str) -> bool:
    """Whether a model file of ONNX is meant."""
    return name.lower().endswith(".onnx")


def compare_file(
    names: list[str], outputs: Outputs, others: list[str], *, threads: int | None, exact: bool, **settings: Any
) -> None:
    """Compare two backends over a model file; `others` are the options that were given and do not go with it."""
    if len(names) > 1:
        raise typer.BadParameter(f"takes one model file at a time, but got {', '.join(names)}.")
    _refuse(others)
    for name in settings["backends"]:
        resolve_backend(name, "compare")
    with (
        contextlib.nullcontext() if threads is None else use_num_threads(threads),
        exactness(exact),
        progress_bar() as advance,
    ):
        found = compare_model_file(names[0], progress=advance, **settings)
    outputs.deliver(Result.of(found), ok=found.ok)


def summarise_file(name: str, outputs: Outputs, others: list[str], batch: int, image: tuple[int, ...] | None) -> None:
    """List the nodes of a model file; `others` are as above, `image` is the shape of its input without the batch."""
    _refuse(others)
    model = load(name)
    shapes = {value.name: input_shape("summary", value, batch, image) for value in model.inputs}
    outputs.deliver(Result.of(model.summary(shapes)), ok=True)


def _refuse(options: list[str]) -> None:
    for option in options:
        raise typer.BadParameter(f"{option} does not go with a model file.")
