"""The command line: ``fastconv compare``, ``bench``, ``train``, ``predict`` and the rest. Needs the extra ``cli``."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer

from fastconv._version import __version__
from fastconv.cli.bench import bench as bench_command
from fastconv.cli.check import check as check_command
from fastconv.cli.compare import compare as compare_command
from fastconv.cli.console import Speech, exit_code_of
from fastconv.cli.evaluate import evaluate as evaluate_command
from fastconv.cli.info import info as info_command
from fastconv.cli.predict import predict as predict_command
from fastconv.cli.race import race as race_command
from fastconv.cli.report import report as report_command
from fastconv.cli.summary import summary as summary_command
from fastconv.cli.train import train as train_command
from fastconv.cli.warmup import warmup as warmup_command
from fastconv.cli.words import word_of

__all__ = ["app", "main"]

_THEIRS = (
    ("dataset", "name_or_path"),
    ("input_", "input_shape"),
    ("weight", "weight_shape"),
    ("data_folder", "folder"),
)  # as the library says
_PANELS = 100  # columns from which on a help in panels breaks no word

app = typer.Typer(
    name="fastconv",
    add_completion=False,
    rich_markup_mode="rich" if shutil.get_terminal_size().columns >= _PANELS else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    compare_command,
    check_command,
    race_command,
    bench_command,
    report_command,
    summary_command,
    info_command,
    train_command,
    evaluate_command,
    predict_command,
    warmup_command,
):
    app.command()(command)


@app.callback(invoke_without_command=True)
def fastconv(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Convolutional networks for NumPy: plain loops and a Numba engine, side by side."""
    if version:
        typer.echo(f"fastconv {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> int:
    """Run the command line on ``sys.argv``.

    Returns
    -------
    int
        The exit code: 0 for success, 1 for a failure, 2 for wrong usage and where an error of fastconv itself leaves
        no verdict, 130 after Ctrl-C.
    """
    return exit_code_of(lambda: app(prog_name="fastconv", standalone_mode=False), _speech)


def _speech() -> Speech:
    """In whose words errors are told: those of the command that runs."""
    commands = getattr(typer.main.get_command(app), "commands", {})
    name = next((word for word in sys.argv[1:] if word in commands), "")
    params = commands[name].params if name else ()
    options = {
        each.name: [*each.opts, *each.secondary_opts] if each.param_type_name == "option" else [word_of(each)]
        for each in params
    }
    options |= {theirs: options[ours] for ours, theirs in _THEIRS if ours in options}
    return Speech(name, options, tuple(commands))
