"""``fastconv compare --module``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fastconv.backends.settings import use_num_threads
from fastconv.cli.arguments import parse_shape, parse_sizes
from fastconv.cli.check import parse_mapping
from fastconv.cli.console import FAILURE, console, progress_bar
from fastconv.cli.tables import print_table
from fastconv.errors import InvalidValueError
from fastconv.files import check_writable

if TYPE_CHECKING:
    from fastconv.checking.race_results import Race

__all__ = ["compare_module", "refuse"]

_DTYPES = ("float32", "float64")


def refuse(given: dict[str, Any]) -> None:
    """Refuse options that do not go with --module.

    Parameters
    ----------
    given : dict
        Options by name, with what was typed; nothing where they were not.
    """
    for name, value in given.items():
        if value:
            raise typer.BadParameter(f"--module does not go with {name}: it takes the functions of the file.")


def compare_module(
    file: Path,
    *,
    mapping: list[str],
    time_limit: float,
    sizes: dict[str, str | None],
    dtype: str | None,
    backward: bool,
    repeats: int,
    threads: int | None,
    seed: int,
    json: str | None,
) -> None:
    """Time the functions of a file against fast, print the tables and write the JSON."""
    from fastconv.checking.racing import race

    if json not in (None, "-"):
        check_writable(json)
    if dtype is not None and dtype not in _DTYPES:
        raise typer.BadParameter(f"must be one of {', '.join(_DTYPES)} with --module, but got {dtype!r}.")
    try:
        with contextlib.nullcontext() if threads is None else use_num_threads(threads), progress_bar() as advance:
            found = race(
                file,
                parse_mapping("--map", mapping),
                sizes=_sizes(sizes),
                dtype=dtype or "float64",
                backward=backward,
                repeats=repeats,
                time_limit=time_limit,
                seed=seed,
                progress=advance,
            )
    except FileNotFoundError as error:
        raise typer.BadParameter(f"{error.filename}: {error.strerror}", param_hint="--module") from None
    except InvalidValueError as error:
        raise typer.BadParameter(str(error)) from None
    _deliver(found, json)


def _sizes(typed: dict[str, str | None]) -> Any:
    """Read the sizes that were typed."""
    from fastconv.checking.race_sizes import Sizes

    shapes = {
        field: parse_shape(option, text, 4)
        for option, field in (("--input", "input_shape"), ("--weight", "weight_shape"))
        if (text := typed[option]) is not None
    }
    pairs: dict[str, Any] = {
        option.lstrip("-").replace("-", "_"): parse_sizes(option, text)
        for option in ("--kernel-size", "--stride", "--padding", "--dilation")
        if (text := typed[option]) is not None
    }
    return Sizes(**shapes, **pairs)


def _deliver(found: Race, json: str | None) -> None:
    from fastconv.checking import race_text

    out = console(stderr=json == "-")
    for table in race_text.tables(found):
        print_table(table, out)
    for note in race_text.notes(found):
        out.print(note, style="dim", soft_wrap=not out.is_terminal)
    if json == "-":
        typer.echo(found.to_json(), nl=False)
    elif json is not None:
        found.save(json)
    for failure in race_text.failures(found):
        typer.echo(f"fastconv: compare: {failure}", err=True)
    if not found.ok:
        raise typer.Exit(FAILURE)
