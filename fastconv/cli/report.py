"""``fastconv report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fastconv.cli.console import console, require
from fastconv.cli.output import Outputs
from fastconv.files import check_writable

__all__ = ["report"]


def report(
    file: Annotated[Path, typer.Argument(help="What any command wrote with --json, or bench with --save.")],
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the tables as Markdown.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the chart: png, svg, pdf.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Make the tables and the chart of a saved result: of compare, bench, race, check or summary.

    Without an option it prints the tables.
    """
    from fastconv.cli.saved import read_saved

    if plot is not None:
        require("matplotlib", "plot", "report --plot")
    saved = read_saved(file)
    for path in (markdown, plot):
        if path is not None:
            check_writable(path)
    if markdown is not None:
        Outputs("report", markdown=markdown).write(saved.result._replace(markdown=saved.markdown))
    if plot is not None:
        saved.plot(plot)
    if markdown is None and plot is None:
        saved.result.print(console())
