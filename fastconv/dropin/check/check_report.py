"""What an examination found, as a report: a record that prints as tables and is saved as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import fill
from typing import Any, ClassVar

from fastconv.dropin.check.case_results import BAD, CaseResult, Examination, error_and_place
from fastconv.report import Record, Report, Table, read_record
from fastconv.report.table import draw_table, markdown_table

_WIDTH = 100  # letters of a line
_FEW = 3  # examples of one kind that are printed; the JSON has all


def _failures(examination: Examination) -> list[list[CaseResult]]:
    """Return the cases that fail, those of the same cause together."""
    found: dict[tuple[str, ...], list[CaseResult]] = {}
    for case in examination.bad:
        found.setdefault((case.verdict, str(case.array), _cause(case) or case.what), []).append(case)
    return list(found.values())


def others(examination: Examination) -> tuple[str, ...]:
    r"""Return a line for each verdict that is no failure, with the cases that have it.

    Examples
    --------
    >>> from fastconv.dropin.check.case_results import CaseResult, Examination
    >>> cannot = CaseResult("dilation", "", "cannot be expressed", "it has no dilation")
    >>> print(*others(Examination("conv", "", "", (CaseResult("plain", "", "ok"), cannot))), sep="\n")
    1 ok: plain
    1 cannot be expressed: dilation (it has no dilation)
    """
    lines = [
        f"{len(alike)} more {first.verdict}, like {first.case}: {', '.join(case.case for case in alike)}"
        for first, *alike in _failures(examination)
        if alike
    ]
    right = [case.case for case in examination.cases if case.verdict == "ok"]
    lines += [f"{len(right)} ok: {', '.join(right)}"] if right else []
    for verdict in ("cannot be expressed", "skipped"):
        lines += _by_reason(verdict, [case for case in examination.cases if case.verdict == verdict])
    return (*lines, *_by_reason("ok with a remark", [case for case in examination.cases if case.remark]))


def _by_reason(heading: str, cases: Sequence[CaseResult]) -> list[str]:
    """Return a line with the number and the names of cases, those of the same reason together; none for no case."""
    reasons: dict[str, list[str]] = {}
    for case in cases:
        reasons.setdefault(_words(case), []).append(case.case)
    named = [f"{', '.join(names)} ({reason})" if reason else ", ".join(names) for reason, names in reasons.items()]
    return [f"{len(cases)} {heading}: {'; '.join(named)}"] if named else []


def sections(report: CheckReport, *, everything: bool = False) -> Iterator[tuple[Table, tuple[str, ...]]]:
    """Give a table of verdicts for each implementation, with the lines below it.

    Parameters
    ----------
    report : CheckReport
        What was found.
    everything : bool
        Give the table of all cases; by default one for each way to fail, and lines that name the others.
    """
    if report.failure is not None:
        yield _table(f"{report.file} cannot be imported", (report.failure,)), ()
        return
    for each in report.implementations:
        shown = each.cases if everything else [alike[0] for alike in _failures(each)]
        yield _table(f"{each.title}: {each.convention}", shown), () if everything else others(each)


def wrapped(line: str, width: int = _WIDTH) -> str:
    """Return a long line as several, of `width` letters at most."""
    return fill(line, min(width, _WIDTH), subsequent_indent="    ", break_on_hyphens=False)


def _table(heading: str, cases: Sequence[CaseResult]) -> Table:
    rows = tuple((each.case, each.verdict, _words(each)) for each in cases)
    return Table(heading, ("case", "verdict", ""), rows, left=3)


def _words(case: CaseResult) -> str:
    return " ".join((f"{case.what} ({case.where})" if case.where else case.what).split())


def examples(report: CheckReport) -> tuple[tuple[str, str], ...]:
    """Return headings and programs: the shortest for each reason, a few where it is not known, and none twice."""
    found: list[tuple[str, tuple[str, str], list[CaseResult]]] = []
    for examination in report.implementations:
        for case in examination.bad:
            if case.example is None:
                continue
            key = (examination.title, (case.verdict, str(case.array)))
            known = [group for *other, group in found if (*other,) == key]
            alike = [group for group in known if any(_same_failure(case, other) for other in group)]
            if alike:
                alike[0].append(case)
            elif _cause(case) or len(known) < _FEW:
                found.append((*key, [case]))
    return tuple(
        (f"{label}, {kind[0]}: {'; '.join(case.case for case in cases)}", min(map(_code, cases), key=_lines))
        for label, kind, cases in found
    )


def _same_failure(case: CaseResult, other: CaseResult) -> bool:
    cause = _cause(case)
    return cause == _cause(other) and (bool(cause) or case.what == other.what or _code(case) == _code(other))


def _cause(case: CaseResult) -> str:
    """Say what two failures of the same cause have in common; nothing where that is not known."""
    if case.verdict == "wrong":
        return case.what.partition(": ")[2]
    if case.verdict == "raised":
        return error_and_place(case.what)
    return f"{case.what} {case.where}" if case.where else ""


def _lines(code: str) -> int:
    return code.count("\n")


def _code(case: CaseResult) -> str:
    return "" if case.example is None else case.example.code.rstrip()


def closing_line(report: CheckReport) -> str:
    """Say in one line how many cases fail.

    Examples
    --------
    >>> from fastconv.dropin.check.case_results import CaseResult, Examination
    >>> cases = (CaseResult("a", "", "ok"), CaseResult("b", "", "raised"), CaseResult("c", "", "wrong"))
    >>> closing_line(CheckReport("pool.py", (Examination("pool", "", "", cases),)))
    '2 of 3 cases fail: 1 wrong, 1 raised'
    """
    if report.failure is not None:
        return "nothing was examined: the file cannot be imported"
    ran = sum(each.ran for each in report.implementations)
    kinds = Counter(case.verdict for case in report.bad)
    if not ran:
        return "no case could be put to it"
    if not kinds:
        return f"all {ran} cases are right" if ran != 1 else "the one case that ran is right"
    count = f"{kinds.total()} of {ran} cases"
    if set(kinds) == {"wrong"}:
        return f"{count} wrong"
    return f"{count} fail: " + ", ".join(f"{kinds[kind]} {kind}" for kind in BAD if kinds[kind])


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
    return (
        "fastconv.accelerate leaves a function as it is where its numbers differ, and calls like those in which it"
        " raises to it."
    )


@dataclass(frozen=True)
class CheckReport(Record):
    """What `fastconv.check` found; prints as tables, with examples of what fails.

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
        """What fails, the other cases by name, the examples and the closing line."""
        blocks = []
        for table, lines in sections(self):
            blocks.append(draw_table(table) if table.rows else table.title)
            blocks += ["\n".join(wrapped(line) for line in lines)] if lines else []
        blocks += [f"# {heading}\n{code}" for heading, code in examples(self)]
        blocks += ["\n".join(wrapped(note) for note in self.notes)] if self.notes else []
        return "\n\n".join([*blocks, f"{closing_line(self)}\n{advice(self)}"])

    def report(self) -> Report:
        """Return a table for each implementation, of one case for each way to fail, and what to do next."""
        return Report(tuple(table for table, _ in sections(self)), (*self.notes, closing_line(self), advice(self)))

    def markdown(self) -> str:
        """Return what `print` shows, as Markdown, for a page to include."""
        blocks = []
        for table, lines in sections(self):
            blocks.append(markdown_table(table) if table.rows else f"**{table.title}**")
            blocks += ["\n".join(f"- {line}" for line in lines)] if lines else []
        blocks += [f"{heading}\n\n```python\n{code}\n```" for heading, code in examples(self)]
        blocks += ["\n".join(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n\n".join([*blocks, f"{closing_line(self)}\n\n{advice(self)}"]) + "\n"

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CheckReport:
        """Return the report that `to_dict` made plain data of; `KeyError` if something is missing."""
        return read_record(cls, data)
