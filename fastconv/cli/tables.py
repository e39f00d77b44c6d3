"""Comparisons as rich tables."""

from __future__ import annotations

from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastconv.comparison import Comparison
from fastconv.comparison import text as plain

__all__ = ["print_comparison", "print_table"]

_STYLES = {
    "ok": "green",
    "BEYOND": "bold red",
    "slower": "bold red",
    "missing": "bold red",
    "faster": "green",
    "wrong": "bold red",
    "raised": "bold red",
    "crashed": "bold red",
    "timed out": "bold red",
    "cannot be expressed": "dim",
    "skipped": "dim",
}


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print both tables and the notes below them."""
    for table in plain.tables(comparison):
        print_table(table, console)
    for note in plain.notes(comparison):
        console.print(Text(note, style="dim"), soft_wrap=not console.is_terminal)


def print_table(table: plain.Table, console: Console) -> None:
    """Print one table of strings."""
    drawn = Table(
        title=table.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for index, header in enumerate(table.headers):
        side: Literal["left", "right"] = "left" if index < table.left else "right"
        drawn.add_column(header, justify=side, overflow="fold", no_wrap=index == 0)  # names stay whole
    for row in table.rows:
        drawn.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    console.print(drawn)
