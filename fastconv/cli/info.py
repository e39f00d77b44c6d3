"""``fastconv info``."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from fastconv.cli.console import console
from fastconv.report import format_bytes

__all__ = ["info"]


def info(
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Print versions, processor, threads, threading layer, cache folder and BLAS: what a report should carry."""
    from fastconv.cli.machine import describe

    facts = asdict(describe())
    if json:
        typer.echo(json_format.dumps(facts, indent=2))
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, value in facts.items():
        grid.add_row(name.replace("_", " "), _show(name, value))
    console().print(grid)


def _show(name: str, value: Any) -> str:
    if name == "memory_limit" and value is not None:
        return format_bytes(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_show(key, item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "none"
    return "unknown" if value is None else str(value)
