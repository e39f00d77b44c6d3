"""``fastconv report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fastconv.cli.console import console, require
from fastconv.cli.tables import print_table
from fastconv.comparison.files import check_writable, write_whole

__all__ = ["report"]


def report(
    file: Annotated[Path, typer.Argument(help="What compare --json, bench --save or bench --against --json wrote.")],
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the tables as Markdown.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the chart: png, svg, pdf.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Make the tables and the chart of a saved result: of the suite, the contest or a comparison.

    Without an option it prints the tables.
    """
    from fastconv.suite.saved import read_saved

    if plot is not None:
        require("matplotlib", "plot", "report --plot")
    saved = read_saved(file)
    for path in (markdown, plot):
        if path is not None:
            check_writable(path)
    if markdown is not None:
        text = saved.markdown().encode()
        write_whole(markdown, lambda stream: stream.write(text))
    if plot is not None:
        saved.plot(plot)
    if markdown is None and plot is None:
        out = console()
        tables, notes = saved.tables()
        for table in tables:
            print_table(table, out)
        for note in notes:
            out.print(note, style="dim", soft_wrap=not out.is_terminal)
