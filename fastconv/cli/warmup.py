"""``fastconv warmup``."""

from __future__ import annotations

import re
import time
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from fastconv.backends import resolve_backend
from fastconv.cli.console import console, progress_bar
from fastconv.cli.output import Debug, print_table, print_words
from fastconv.files import check_writable
from fastconv.report import Table, format_bytes, format_seconds

_TILE = re.compile(r"\d+x\d+")

Export = Annotated[Path | None, typer.Option("--export", metavar="FILE", help="Then write all kernels into a file.")]
Import = Annotated[
    Path | None,
    typer.Option(
        "--import",
        metavar="FILE",
        help="Compile nothing, and take the kernels of a file. They are programs: take them from those you trust.",
    ),
]


def warmup(export: Export = None, import_: Import = None, debug: Debug = False) -> None:
    """Compile everything and put it into the cache, so that no later call waits for the compiler."""
    if export is not None and import_ is not None:
        raise typer.BadParameter("must be given without --import, which compiles nothing.", param_hint="--export")
    if import_ is not None:
        _import(import_)
        return
    if export is not None:
        check_writable(export)
    _compile()
    if export is not None:
        _export(export)


def _compile() -> None:
    with progress_bar() as advance:
        start = time.perf_counter()
        advance("importing Numba", 0.0)
        resolve_backend("fast")  # where Numba is missing, an error that says so
        kernels = import_module("fastconv.backends.fast").warmup(
            progress=lambda name, fraction: advance(f"compiled {name}", fraction)
        )
        seconds = time.perf_counter() - start
    _print(kernels, seconds)


def _export(file: Path) -> None:
    moved = import_module("fastconv.kernel_archive").export_kernels(file)
    print_words(f"{moved.kernels} kernels, {format_bytes(moved.nbytes)}, are in {file}.", console())


def _import(file: Path) -> None:
    resolve_backend("fast")
    moved = import_module("fastconv.kernel_archive").import_kernels(file)
    print_words(f"{moved.kernels} kernels, {format_bytes(moved.nbytes)}, are in {moved.folder}.", console())


def _families(kernels: list[tuple[str, float, bool]]) -> tuple[tuple[str, ...], ...]:
    """One line for all kernels whose names differ in their tile alone: (name, seconds, whether it was in the cache)."""
    families: dict[str, list[tuple[float, bool]]] = {}
    for name, spent, cached in kernels:
        families.setdefault(_TILE.sub("*", name), []).append((spent, cached))
    return tuple(
        (
            family,
            str(sum(not cached for _, cached in members)),
            str(sum(cached for _, cached in members)),
            format_seconds(sum(spent for spent, _ in members)),
        )
        for family, members in families.items()
    )


def _print(kernels: list[tuple[str, float, bool]], seconds: float) -> None:
    out = console()
    print_table(Table("Kernels", ("kernel", "compiled", "from the cache", "time"), _families(kernels), left=1), out)
    compiled = sum(not cached for _, _, cached in kernels)
    cached = len(kernels) - compiled
    print_words(
        f"{compiled} compiled, {cached} from the cache, {format_seconds(seconds)} with the import of Numba.", out
    )
