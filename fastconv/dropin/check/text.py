"""A report as strings: for `print`, and for whoever draws it nicer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from fastconv.comparison.text import Table, draw_table

if TYPE_CHECKING:
    from fastconv.dropin.check.results import CaseResult, CheckReport, Examination

__all__ = [
    "advice",
    "closing_line",
    "error_and_place",
    "examples",
    "others",
    "plain_text",
    "sections",
    "tables",
    "wrapped",
]

_WIDTH = 100  # letters of a line
_PLACE = re.compile(r"\([^()]+, line \d+\)$")
_FEW = 3  # examples of one kind that are printed; the JSON has all
_ORDER = ("wrong", "raised", "crashed", "timed out")


def tables(report: CheckReport, *, everything: bool = False) -> tuple[Table, ...]:
    """Return a table of verdicts for each implementation: of all cases, or of one for each way to fail."""
    if report.failure is not None:
        return (_table(f"{report.file} cannot be imported", (report.failure,)),)
    return tuple(
        _table(title(each), each.cases if everything else [alike[0] for alike in _failures(each)])
        for each in report.implementations
    )


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
    >>> from fastconv.dropin.check.results import CaseResult, Examination
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
    for verdict in ("ok", "cannot be expressed", "skipped"):
        reasons: dict[str, list[str]] = {}
        for case in examination.cases:
            if case.verdict == verdict:
                reasons.setdefault(_words(case), []).append(case.case)
        named = [f"{', '.join(names)} ({reason})" if reason else ", ".join(names) for reason, names in reasons.items()]
        if named:
            lines.append(f"{sum(map(len, reasons.values()))} {verdict}: {'; '.join(named)}")
    return tuple(lines)


def sections(report: CheckReport, *, everything: bool = False) -> Iterator[tuple[Table, tuple[str, ...]]]:
    """Give each table with the lines below it, which name the cases that are not in it."""
    drawn = tables(report, everything=everything)
    short = report.failure is None and not everything
    below = [others(each) for each in report.implementations] if short else [()] * len(drawn)
    yield from zip(drawn, below)


def wrapped(line: str, width: int = _WIDTH) -> str:
    """Return a long line as several, of `width` letters at most."""
    return fill(line, min(width, _WIDTH), subsequent_indent="    ", break_on_hyphens=False)


def title(examination: Examination) -> str:
    """Say which functions these are, and in which convention they are called."""
    return f"{examination.label}: {examination.convention}"


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
            key = (examination.label, (case.verdict, str(case.array)))
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


def error_and_place(said: str) -> str:
    """Return the type of an error and the line that raised it, without the message: that may name sizes.

    Examples
    --------
    >>> error_and_place("ValueError: shapes (2,) (3,) differ (conv, line 12)")
    'ValueError (conv, line 12)'
    """
    place = _PLACE.search(said)
    return f"{said.partition(':')[0]} {place[0]}" if place else said.partition(":")[0]


def _lines(code: str) -> int:
    return code.count("\n")


def _code(case: CaseResult) -> str:
    return "" if case.example is None else case.example.code.rstrip()


def closing_line(report: CheckReport) -> str:
    """Say in one line how many cases fail.

    Examples
    --------
    >>> from fastconv.dropin.check.results import CaseResult, CheckReport, Examination
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
    return f"{count} fail: " + ", ".join(f"{kinds[kind]} {kind}" for kind in _ORDER if kinds[kind])


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


def plain_text(report: CheckReport) -> str:
    """Return what fails, the other cases by name, the examples and the closing line as text."""
    blocks = []
    for table, lines in sections(report):
        blocks.append(draw_table(table) if table.rows else table.title)
        blocks += ["\n".join(wrapped(line) for line in lines)] if lines else []
    blocks += [f"# {heading}\n{code}" for heading, code in examples(report)]
    return "\n\n".join([*blocks, f"{closing_line(report)}\n{advice(report)}"])
