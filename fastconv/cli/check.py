"""``fastconv check``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from fastconv.cli.arguments import refused
from fastconv.cli.console import console, progress_bar
from fastconv.cli.output import Debug, Html, Outputs, Result, print_table
from fastconv.errors import InvalidValueError
from fastconv.report import Table

QUICK = (  # the cases of most mistakes
    "plain",
    "a rectangular image",
    "a wide kernel",
    "a stride that does not divide",
    "padding",
    "overlapping windows",
    "negative input in overlapping windows",
    "gradients against slopes",
)

if TYPE_CHECKING:
    from rich.console import Console

    from fastconv.dropin.check import CheckReport


def check(
    file: Annotated[
        Path | None, typer.Argument(help="A Python file, a notebook or a folder with convolution or pooling in it.")
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=CONVENTION", help="Say what a function with an unusual name is."),
    ] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds for each case.")] = 10.0,
    case: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A case to run; all by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"The {len(QUICK)} cases of most mistakes.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Name every case, and show every program.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the cases and the known conventions, and stop.")] = False,
    json: Annotated[str | None, typer.Option(metavar="FILE", help="Write the verdicts; - for stdout.")] = None,
    html: Html = None,
    debug: Debug = False,
) -> None:
    """Examine somebody's convolution and pooling over the cases where such code is wrong in practice.

    The file is run as far as it runs, in a process of its own, so it must be one that you trust. Exits with 1 if
    anything is wrong.
    """
    if list_:
        _print_cases(console())
        return
    if file is None:
        raise typer.BadParameter("must be given (--list names the cases).", param_hint="FILE")
    from fastconv.dropin.check import check as run
    from fastconv.dropin.check.examination import names_of_cases

    names = parse_mapping("--map", mapping or [])
    if quick and case:
        raise typer.BadParameter("does not go with --quick, which chooses the cases.", param_hint="--case")
    outputs = Outputs("check", json, html=html)
    outputs.check()
    with wrong_usage(), progress_bar() as advance:
        tell = advance if sys.stderr.isatty() else lambda text, done: advance(text.partition(": ")[0], done)
        report = run(file, names, time_limit=time_limit, cases=case or (QUICK if quick else None), progress=tell)
    if quick:
        others = len(names_of_cases()) - len(QUICK)
        report = replace(report, notes=(*report.notes, f"--quick left out {others} cases; without it they run too"))
    result = Result.of(report)._replace(show=lambda out: print_check(report, out, everything=everything))
    outputs.deliver(result, ok=report.ok)


@contextlib.contextmanager
def wrong_usage() -> Iterator[None]:
    """Let what is wrong with the call itself be wrong usage."""
    try:
        yield
    except InvalidValueError as error:
        raise typer.BadParameter(str(error)) from None
    except FileNotFoundError as error:
        raise typer.BadParameter(f"{error.filename}: {error.strerror}") from None


def parse_mapping(option: str, words: list[str]) -> dict[str, str]:
    """Read ``["my_conv=cs231n.conv2d.forward"]``."""
    mapping = {}
    for word in words:
        name, sign, convention = word.partition("=")
        if not (name and sign and convention):
            raise refused(option, "be NAME=CONVENTION, such as my_conv=cs231n.conv2d.forward", word)
        if name in mapping:
            raise typer.BadParameter(f"must name each function once, but got {name!r} again.", param_hint=option)
        mapping[name] = convention
    return mapping


def print_check(report: CheckReport, out: Console, *, everything: bool = False) -> None:
    """Print verdicts, examples and what to do next."""
    from fastconv.dropin.check.check_report import said
    from fastconv.dropin.check.screen import wrapped

    verdict = "bold green" if report.ok else "bold red"
    for number, block in enumerate(said(report, everything=everything)):
        if number > 1 and block.kind in ("heading", "program"):
            out.print()
        if block.kind == "program":
            out.print(block.text, soft_wrap=True)  # in no colour: it is there to be copied
            out.print()
        else:
            style = {"heading": "bold" if number else verdict}.get(block.kind, "")
            text = block.text if block.kind == "line" else wrapped(block.text, out.width)
            out.print(Text(text, style=style), soft_wrap=True)


def _print_cases(out: Console) -> None:
    from fastconv.dropin.check.examination import names_of_cases
    from fastconv.dropin.conventions import CONVENTIONS

    cases = tuple(names_of_cases().items())
    conventions = tuple((each.name, each.form, each.source) for each in CONVENTIONS)
    print_table(Table("Cases", ("case", "what code does that fails it"), cases, 2), out)
    print_table(Table("Conventions", ("name", "calls", "who writes so"), conventions, 3), out)
