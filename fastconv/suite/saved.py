"""What any command saved, recognised by its content: as tables, as Markdown, as a chart."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from fastconv.comparison import text
from fastconv.comparison.markdown import comparison_markdown
from fastconv.comparison.reading import comparison_of
from fastconv.comparison.text import Table
from fastconv.contest import report as contest_report
from fastconv.contest.chart import plot_contest
from fastconv.errors import FastconvError, InvalidValueError
from fastconv.plotting import plot_comparison
from fastconv.suite import report
from fastconv.suite.chart import plot_suite
from fastconv.suite.results import FORMAT, read_json, read_suite

__all__ = ["Saved", "read_saved"]

_COMPARE, _CONTEST = "fastconv-compare/1", "fastconv-contest/1"
_T = TypeVar("_T")


class Saved(NamedTuple):
    """A file of one of the commands.

    Attributes
    ----------
    kind : {"compare", "contest", "suite"}
        Which command wrote it.
    data : dict
        What is in it.
    name : str
        What messages call it.
    """

    kind: str
    data: dict[str, Any]
    name: str

    def markdown(self) -> str:
        """Return the tables and notes that the documentation shows."""
        makers: dict[str, Callable[[], str]] = {
            "compare": lambda: comparison_markdown(self.data),
            "contest": lambda: contest_report.markdown(self.data),
            "suite": lambda: report.markdown(read_suite(self.data, self.name)),
        }
        return self._whole(makers[self.kind])

    def tables(self) -> tuple[list[Table], list[str]]:
        """Return the tables and notes that the commands print."""
        makers: dict[str, Callable[[], tuple[list[Table], list[str]]]] = {
            "compare": lambda: _comparison(self.data),
            "contest": lambda: (contest_report.tables(self.data), contest_report.notes(self.data)),
            "suite": lambda: _suite(self.data, self.name),
        }
        return self._whole(makers[self.kind])

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the chart; the suffix of the file says png, svg or pdf.

        Raises
        ------
        ValueError
            If the suffix is something else.
        ImportError
            If matplotlib is missing.
        OSError
            If the file cannot be written.
        """
        makers: dict[str, Callable[[], None]] = {
            "compare": lambda: plot_comparison(comparison_of(self.data), path),
            "contest": lambda: plot_contest(self.data, path),
            "suite": lambda: plot_suite(read_suite(self.data, self.name), path),
        }
        self._whole(makers[self.kind])

    def _whole(self, make: Callable[[], _T]) -> _T:
        """Let what is missing in a file be an error that names it."""
        try:
            return make()
        except (FastconvError, ImportError, OSError):
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise InvalidValueError(
                f"report: {self.name} must be a whole result, but it is damaged ({type(error).__name__}: {error})."
            ) from None


def read_saved(path: str | os.PathLike[str]) -> Saved:
    """Read a file of ``fastconv compare --json``, ``fastconv bench --save`` or ``fastconv bench --against … --json``.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    ValueError
        If it is damaged, or none of them.
    OSError
        If it cannot be read.
    """
    data, name = read_json(path), os.fspath(path)
    head = data.get("fastconv")
    form = head.get("format") if isinstance(head, dict) else data.get("format")
    kinds = {_COMPARE: "compare", _CONTEST: "contest", FORMAT: "suite"}
    if form not in kinds:
        raise InvalidValueError(
            f"report: {name} must be what `fastconv compare --json`, `fastconv bench --save` or `fastconv bench "
            f"--against ENGINES --json` wrote, but its format is {form!r}."
        )
    return Saved(kinds[form], data, name)


def _suite(data: dict[str, Any], name: str) -> tuple[list[Table], list[str]]:
    suite = read_suite(data, name)
    return report.tables(suite), report.notes(suite)


def _comparison(data: dict[str, Any]) -> tuple[list[Table], list[str]]:
    comparison = comparison_of(data)
    return list(text.tables(comparison)), [*text.notes(comparison), *text.failures(comparison)]
