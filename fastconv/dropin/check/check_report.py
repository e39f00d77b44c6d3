"""What an examination found, as a report: a record that prints on one screen and is saved as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fastconv.dropin.check.case_results import CaseResult, Examination
from fastconv.dropin.check.screen import Block, as_markdown, as_text, blocks, counted
from fastconv.report import Record, Report, Table, read_record


def table(heading: str, cases: Sequence[CaseResult]) -> Table:
    """Return a row for each case: its name, the verdict, and what there is to say."""
    rows = tuple((each.case, each.verdict, _words(each)) for each in cases)
    return Table(heading, ("case", "verdict", ""), rows, left=3)


def _words(case: CaseResult) -> str:
    return " ".join((f"{case.what} ({case.where})" if case.where else case.what).split())


def closing_line(report: CheckReport) -> str:
    """Say in one line how many cases fail."""
    if report.failure is not None:
        return "nothing was examined: the file cannot be imported"
    return counted([case for each in report.implementations for case in each.cases])


def said(report: CheckReport, *, everything: bool = False) -> Iterator[Block]:
    """Give what is printed, part by part: the verdict first, what to do next last.

    Parameters
    ----------
    report : CheckReport
        What was found.
    everything : bool
        Every failure with its program, and every case by name.
    """
    yield Block("heading", f"{report.file}: {closing_line(report)}")
    if report.failure is not None:
        yield Block("words", f"{report.file} cannot be imported: {report.failure.verdict}: {_words(report.failure)}")
    yield from blocks(report.implementations, everything=everything)
    for note in report.notes:
        yield Block("words", note)
    yield Block("words", advice(report))


def advice(report: CheckReport) -> str:
    """Say what to do next."""
    if report.failure is not None:
        if report.failure.verdict == "timed out":
            return "Where it only takes long, give it more time: --time-limit (time_limit=)."
        return 'Repair that first. What is to run as a program alone belongs under if __name__ == "__main__":'
    silent = [each.label for each in report.implementations if not each.ran]
    if silent:
        return f"Nothing is known of {', '.join(silent)}: no case could be put to it."
    if report.ok:
        return "fastconv.accelerate(module) replaces these functions by fast ones that compute the same."
    return "fastconv.accelerate leaves what differs as it is, and calls like those that raise to the original."


@dataclass(frozen=True)
class CheckReport(Record):
    """What `fastconv.check` found; prints the verdict, and what fails with the line at fault and a program.

    Attributes
    ----------
    file : str
        The file that was examined.
    implementations : tuple of Examination
        One for each pair of functions, function or class that was recognised.
    failure : CaseResult or None
        Why nothing could be examined: the file cannot be imported.
    time_limit : float
        Seconds that a case was given.
    notes : tuple of str
        What is special about the file: where it stopped, what could not be imported, what looks like convolution or
        pooling and is not recognised.

    Examples
    --------
    >>> right = CaseResult("plain", "the case that everybody tests", "ok")
    >>> wrong = CaseResult("ties", "several equal maxima", "wrong", "dx differs by up to 1", array="dx", difference=1.0)
    >>> report = CheckReport("pool.py", (Examination("pool", "cs231n.max_pool", "pool(x, param)", (right, wrong)),))
    >>> report.ok, report
    (False, <CheckReport pool.py: 1 of 2 cases wrong>)
    """

    FORMAT: ClassVar[str] = "fastconv-check/1"
    DERIVED: ClassVar[tuple[str, ...]] = ("ok",)
    NON_FINITE_AS_TEXT: ClassVar[bool] = True

    file: str
    implementations: tuple[Examination, ...]
    failure: CaseResult | None = None
    time_limit: float = field(default=10.0, compare=False)
    notes: tuple[str, ...] = field(default=(), metadata={"added": True})

    @property
    def ok(self) -> bool:
        """Whether everything that was recognised is right in every case that it can express, and there is one."""
        return not self.bad and any(each.ran for each in self.implementations)

    @property
    def bad(self) -> tuple[CaseResult, ...]:
        """Cases that failed, of all implementations."""
        found = tuple(case for each in self.implementations for case in each.bad)
        return found if self.failure is None else (self.failure, *found)

    def __getitem__(self, label: str) -> Examination:
        for examination in self.implementations:
            if label in (examination.label, *examination.label.split(" / ")):
                return examination
        raise KeyError(label)

    def __repr__(self) -> str:
        return f"<CheckReport {self.file}: {closing_line(self)}>"

    def __str__(self) -> str:
        """Return the verdict, what fails and why, with a program for each implementation, and what to do next."""
        return as_text(tuple(said(self)))

    def report(self) -> Report:
        """Return a table for each implementation, of every case, and what to do next."""
        tables = [table(f"{each.title}: {each.convention}", each.cases) for each in self.implementations]
        if self.failure is not None:
            tables = [table(f"{self.file} cannot be imported", (self.failure,))]
        verdict = (f"{self.file}: {closing_line(self)}",)
        return Report(tuple(tables), (*self.notes, advice(self)), verdict=verdict)

    def markdown(self) -> str:
        """Return what `print` shows, as Markdown, for a page to include."""
        return as_markdown(tuple(said(self))) + "\n"

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CheckReport:
        """Return the report that `to_dict` made plain data of; `KeyError` if something is missing."""
        return read_record(cls, data)
