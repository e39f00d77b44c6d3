"""``fastconv report``: what any command saved, recognised by its content; the one table of all kinds of files."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import typer

from fastconv.cli.check import print_check
from fastconv.cli.console import console, require
from fastconv.cli.output import Debug, Outputs, Result, Verbose
from fastconv.errors import FastconvError, InvalidValueError
from fastconv.evidence.bench.rounding import Roundings
from fastconv.evidence.bench.suite import FORMAT as SUITE
from fastconv.evidence.bench.suite import Suite, read_suite
from fastconv.evidence.bench.tables import plot_suite, report_of
from fastconv.evidence.compare.comparison import Comparison, plot_comparison
from fastconv.evidence.contest.contest import Contest, plot_contest
from fastconv.evidence.contest.networks.contest import NetworkContest, plot_networks
from fastconv.evidence.ladder import Ladder, plot_ladder
from fastconv.evidence.model_files import ModelComparison
from fastconv.evidence.scaling import Scaling, plot_scaling
from fastconv.evidence.summary import Summary
from fastconv.files import check_writable
from fastconv.models.evaluations import Evaluation, plot_confusion
from fastconv.models.predictions import Predictions, plot_predictions
from fastconv.onnx.summary import ModelSummary
from fastconv.report import Record, Report, read_record
from fastconv.report.record import json_text, read_json
from fastconv.training import History
from fastconv.training.plot import plot_history
from fastconv.training.records import epoch_table

_T = TypeVar("_T")
# keys of the formats without a name
_UNNAMED = {"summary": {"model", "layers", "peak_training_bytes"}, "train": {"epochs", "step_losses", "test"}}


def report(
    file: Annotated[Path, typer.Argument(help="What any command wrote with --json, or bench with --save.")],
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the tables as Markdown.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the chart: png, svg, pdf.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one page with both.")] = None,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Make the tables and the chart of what any command saved.

    Without an option it prints the tables.
    """
    if plot is not None:
        require("matplotlib", "plot", "report --plot")
    saved = read_saved(file)
    for path in (markdown, plot, html):
        if path is not None:
            check_writable(path)
    if markdown is not None:
        Outputs("report", markdown=markdown).write(saved.result._replace(markdown=saved.markdown))
    if html is not None:
        Outputs(f"report {file.name}", html=html).write(saved.result)
    if plot is not None:
        saved.plot(plot)
    if markdown is None and plot is None and html is None:
        saved.result.print(console(), verbose=verbose)


class Kind(NamedTuple):
    """One kind of file.

    Attributes
    ----------
    name : str
        What we call it.
    command : str
        What writes it, after ``fastconv``.
    read : callable
        Makes the result of the JSON and of the name of the file.
    """

    name: str
    command: str
    read: Callable[[dict[str, Any], str], Result]


def _record(kind: type[Record], draw: Callable[[Any, Path], None] | None, data: dict[str, Any], name: str) -> Result:
    """Read a record; what is wrong is printed below its tables."""
    found: Any = read_record(kind, data)
    result = Result.of(found, None if draw is None else partial(draw, found))
    report = result.report
    return result._replace(report=report._replace(notes=(*report.notes, *report.failures), failures=()))


def suite_result(suite: Suite, data: dict[str, Any]) -> Result:
    """Return what a suite and its JSON are to the command line."""
    report = report_of(suite)
    return Result(report, partial(json_text, data), report.markdown, partial(plot_suite, suite))


def _race(data: dict[str, Any], name: str) -> Result:
    from fastconv.dropin.race import Race  # not for --help

    return _record(Race, None, data, name)


def _check(data: dict[str, Any], name: str) -> Result:
    from fastconv.dropin.check import CheckReport  # not for --help

    found = CheckReport.from_dict(data)
    return Result.of(found)._replace(show=partial(print_check, found))


def _train(data: dict[str, Any], name: str) -> Result:
    history, test = History.from_dict(data), data["test"]
    draw = partial(plot_history, history) if history.step_losses else None
    verdict = () if test is None else (f"test accuracy {test['accuracy']:.2%} (loss {test['loss']:.4f})",)
    report = Report((epoch_table(history),), verdict=verdict)
    return Result(report, partial(json_text, data), report.markdown, draw)


KINDS = {
    Comparison.FORMAT: Kind("compare", "compare --json", partial(_record, Comparison, plot_comparison)),
    ModelComparison.FORMAT: Kind("model", "compare MODEL.onnx --json", partial(_record, ModelComparison, None)),
    ModelSummary.FORMAT: Kind("model summary", "summary MODEL.onnx --json", partial(_record, ModelSummary, None)),
    Contest.FORMAT: Kind("contest", "bench --against ENGINES --json", partial(_record, Contest, plot_contest)),
    NetworkContest.FORMAT: Kind(
        "networks", "bench --against ENGINES --networks --json", partial(_record, NetworkContest, plot_networks)
    ),
    Ladder.FORMAT: Kind("ladder", "bench --ladder --json", partial(_record, Ladder, plot_ladder)),
    Scaling.FORMAT: Kind("scaling", "bench scaling --json", partial(_record, Scaling, plot_scaling)),
    Roundings.FORMAT: Kind("rounding", "bench --accuracy --json", partial(_record, Roundings, None)),
    SUITE: Kind("suite", "bench --json", lambda data, name: suite_result(read_suite(data, name), data)),
    "fastconv-race/1": Kind("race", "race --json", _race),
    "fastconv-check/1": Kind("check", "check --json", _check),
    Evaluation.FORMAT: Kind("evaluate", "evaluate --json", partial(_record, Evaluation, plot_confusion)),
    Predictions.FORMAT: Kind("predict", "predict --json", partial(_record, Predictions, plot_predictions)),
    "train": Kind("train", "train --json", _train),
    "summary": Kind("summary", "summary --json", partial(_record, Summary, None)),
}


class Saved(NamedTuple):
    """A file of one of the commands.

    Attributes
    ----------
    kind : str
        What it is: a name of `KINDS`.
    data : dict
        What is in it.
    name : str
        What messages call it.
    result : Result
        What can be shown of it.
    """

    kind: str
    data: dict[str, Any]
    name: str
    result: Result

    def markdown(self) -> str:
        """Return the tables and notes that the documentation shows."""
        return _whole(self.name, self.result.markdown)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the chart; the suffix of the file says png, svg or pdf.

        Raises
        ------
        ValueError
            If the suffix is something else, or there is no chart of such a result.
        ImportError
            If matplotlib is missing.
        OSError
            If the file cannot be written.
        """
        draw = self.result.draw
        if draw is None:
            raise InvalidValueError(f"report: {self.name} must have a chart, but there is none of a {self.kind}.")
        _whole(self.name, lambda: draw(Path(path)))


def read_saved(path: str | os.PathLike[str]) -> Saved:
    """Read a file that any of the commands wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    ValueError
        If it is damaged, or of none of them.
    OSError
        If it cannot be read.
    """
    data, name = read_json(path), os.fspath(path)
    head = data.get("fastconv")
    form = head.get("format") if isinstance(head, dict) else data.get("format")
    if form is None:
        form = next((kind for kind, keys in _UNNAMED.items() if data.keys() >= keys), None)
    if form not in KINDS:
        *others, last = (f"`fastconv {kind.command}`" for kind in KINDS.values())
        raise InvalidValueError(
            f"report: {name} must be what {', '.join(others)} or {last} wrote, but its format is {form!r}."
        )
    kind = KINDS[form]
    return Saved(kind.name, data, name, _whole(name, lambda: kind.read(data, name)))


def _whole(name: str, make: Callable[[], _T]) -> _T:
    """Let what is missing in a file be an error that names it."""
    try:
        return make()
    except (FastconvError, ImportError, OSError):
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InvalidValueError(
            f"report: {name} must be a whole result, but it is damaged ({type(error).__name__}: {error})."
        ) from None
