"""``fastconv compare`` of a model file of ONNX."""

from __future__ import annotations

import contextlib
from typing import Any

import typer

from fastconv.backends import resolve_backend
from fastconv.backends.settings import use_num_threads
from fastconv.cli.console import progress_bar
from fastconv.cli.output import Outputs, Result, exactness
from fastconv.evidence.model_files import compare_model_file


def is_model_file(name: str) -> bool:
    """Whether a model file of ONNX is meant."""
    return name.lower().endswith(".onnx")


def compare_file(
    names: list[str], outputs: Outputs, others: list[str], *, threads: int | None, exact: bool, **settings: Any
) -> None:
    """Compare two backends over a model file; `others` are the options that were given and do not go with it."""
    if len(names) > 1:
        raise typer.BadParameter(f"takes one model file at a time, but got {', '.join(names)}.")
    for option in others:
        raise typer.BadParameter(f"{option} does not go with a model file.")
    for name in settings["backends"]:
        resolve_backend(name, "compare")
    with (
        contextlib.nullcontext() if threads is None else use_num_threads(threads),
        exactness(exact),
        progress_bar() as advance,
    ):
        found = compare_model_file(names[0], progress=advance, **settings)
    outputs.deliver(Result.of(found), ok=found.ok)
