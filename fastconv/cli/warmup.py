"""``fastconv warmup``."""

from __future__ import annotations

import re
import time
from importlib import import_module

from fastconv.backends import resolve_backend
from fastconv.cli.console import console, progress_bar
from fastconv.cli.output import Debug, print_table, print_words
from fastconv.report import Table, format_seconds

_TILE = re.compile(r"\d+x\d+")


def warmup(debug: Debug = False) -> None:
    """Compile everything and put it into the cache, so that no later call waits for the compiler."""
    with progress_bar() as advance:
        start = time.perf_counter()
        advance("importing Numba", 0.0)
        resolve_backend("fast")  # where Numba is missing, an error that says so
        kernels = import_module("fastconv.backends.fast").warmup(
            progress=lambda name, fraction: advance(f"compiled {name}", fraction)
        )
        seconds = time.perf_counter() - start
    _print(kernels, seconds)


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
