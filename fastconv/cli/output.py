"""What every command does with its results: print tables, write JSON, Markdown and a chart, say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal, NamedTuple

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from fastconv.backends.settings import options
from fastconv.cli.console import FAILURE, WIDE, console, require
from fastconv.files import check_writable, write_whole
from fastconv.report import Record, Report, Table
from fastconv.report.fit import GAP, fit_table
from fastconv.report.page import page

_PLOTS = (".pdf", ".png", ".svg")
_STYLES = {
    **dict.fromkeys(("ok", "faster"), "green"),
    **dict.fromkeys(("BEYOND", "slower", "missing", "wrong", "raised", "crashed", "timed out"), "bold red"),
    **dict.fromkeys(("cannot be expressed", "skipped"), "dim"),
}

Draw = Callable[[Path], None]

# options of several commands; the last four are for those whose help has panels

in_output = partial(typer.Option, rich_help_panel="Output")
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the fast backend.")]
Exact = Annotated[bool, typer.Option("--exact", help="Compute exactly: no algorithm that multiplies less.")]
Numbers = Annotated[str | None, typer.Option(metavar="FILE", help="Write the numbers; - for stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show every table.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
NumbersInPanel = Annotated[str | None, in_output(metavar="FILE", help="Write the numbers; - for stdout.")]
VerboseInPanel = Annotated[bool, in_output("--verbose", help="Show every table.")]
Html = Annotated[Path | None, in_output(metavar="FILE", help="Write one page: verdict, chart, sortable tables.")]
DebugInPanel = Annotated[bool, in_output("--debug", help="Show the traceback of an error.")]


def exactness(asked: bool) -> AbstractContextManager[object]:
    """Return the block of ``--exact``; without it the options are what they are."""
    return options(exact=True) if asked else nullcontext()


class Result(NamedTuple):
    """What a command found, or what it once saved.

    Attributes
    ----------
    report : Report
        Its tables and notes.
    json, markdown : callable
        Return its JSON, and what a page of the documentation shows.
    draw : callable or None
        Draws its chart into a file, where it has one.
    show : callable or None
        Prints it, where that is more than tables and notes.
    """

    report: Report
    json: Callable[[], str]
    markdown: Callable[[], str]
    draw: Draw | None = None
    show: Callable[[Console], None] | None = None

    @classmethod
    def of(cls, record: Record, draw: Draw | None = None) -> Result:
        """Return what a record is to the command line."""
        return cls(record.report(), record.to_json, record.markdown, draw)

    def print(self, out: Console, *, verbose: bool = False) -> None:
        """Print it, with its details where they are asked for."""
        if self.show is None:
            print_report(self.report.in_full if verbose else self.report, out)
        else:
            self.show(out)


class Outputs(NamedTuple):
    """Where the results of a command go beside the terminal.

    Attributes
    ----------
    command : str
        Whose they are.
    json : str or None
        A file for the numbers; "-" for the standard output, and the tables go to the standard error stream then.
    markdown, plot, html : Path or None
        Files for the tables, for the chart, and for a page with both.
    """

    command: str
    json: str | None = None
    markdown: Path | None = None
    plot: Path | None = None
    html: Path | None = None

    def check(self) -> None:
        """Find out before the work whether its results can be written."""
        if self.plot is not None:
            if self.plot.suffix.lower() not in _PLOTS:
                raise typer.BadParameter(
                    f"must end in {', '.join(_PLOTS)}, but got {str(self.plot)!r}.", param_hint="--plot"
                )
            require("matplotlib", "plot", f"{self.command} --plot")
        for path in (None if self.json == "-" else self.json, self.markdown, self.plot, self.html):
            if path is not None:
                check_writable(path)

    def write(self, result: Result) -> None:
        """Write the files, before anything is printed: the reader of a pipe may go."""
        if self.json is not None and self.json != "-":
            _write(self.json, result.json())
        if self.markdown is not None:
            _write(self.markdown, result.markdown())
        if self.plot is not None and result.draw is not None:
            result.draw(self.plot)
        if self.html is not None:
            _write(self.html, page(f"fastconv {self.command}", result.report, _chart(result.draw)))

    def deliver(self, result: Result, *, ok: bool, verbose: bool = False) -> None:
        """Write and print everything, and exit with 1 where something is wrong."""
        self.write(result)
        result.print(console(stderr=self.json == "-"), verbose=verbose)
        if self.json == "-":
            typer.echo(result.json(), nl=False)
        for failure in result.report.failures:
            typer.echo(f"fastconv: {self.command}: {failure}", err=True)
        if not ok:
            raise typer.Exit(FAILURE)


def _chart(draw: Draw | None) -> bytes | None:
    """Return the chart as SVG, where there is one and matplotlib to draw it."""
    if draw is None or find_spec("matplotlib") is None:
        return None
    with TemporaryDirectory() as folder:
        target = Path(folder) / "chart.svg"
        draw(target)
        return target.read_bytes()


def _write(path: str | Path, text: str) -> None:
    write_whole(path, lambda stream: stream.write(text.encode()))


def print_report(report: Report, out: Console) -> None:
    """Print the verdict, the tables and the notes below; what is wrong is for the standard error stream."""
    for line in report.verdict:
        print_words(line, out, "bold")
    if report.verdict:
        out.print()
    for table in report.tables:
        print_table(table, out)
    for note in report.notes:
        print_words(note, out, "dim")
    if report.details:
        print_words(f"--verbose shows more: {'; '.join(table.title for table in report.details)}.", out, "dim")


def print_table(table: Table, out: Console) -> None:
    """Print one table of strings, or what fits of it; a word below it says what does not."""
    fitted = fit_table(table, out.width)
    drawn = RichTable(box=SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), show_edge=False, pad_edge=False)
    for index, (header, width) in enumerate(zip(fitted.table.headers, fitted.widths)):
        side: Literal["left", "right"] = "left" if index < fitted.table.left else "right"
        drawn.add_column(header, justify=side, width=width, no_wrap=True)
    for row in fitted.table.rows:
        drawn.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    if table.title:
        print_words(table.title, out, "bold")
        out.print()
    out.print(drawn)
    if fitted.note:
        print_words(fitted.note, out, "dim")
    out.print()


def print_words(text: str, out: Console, style: str = "") -> None:
    """Print a line, broken at its spaces where it is longer than a terminal is wide."""
    out.print(Text(text, style=style), soft_wrap=out.width >= WIDE)
