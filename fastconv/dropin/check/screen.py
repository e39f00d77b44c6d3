"""What an examination found, on one screen: each failure with its line and a program, the rest by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import NamedTuple

from fastconv.dropin.check.case_results import BAD, CaseResult, Examination
from fastconv.dropin.check.failures import Failure, failures

WIDTH = 100  # letters of a line
_FEW = 3  # failures that are told without `everything`
_NAMED = 2  # names of cases, likewise


class Block(NamedTuple):
    """A part of what is printed.

    Attributes
    ----------
    kind : {"heading", "words", "line", "program"}
        What it is.
    text : str
        Of words and headings one line, however long.
    """

    kind: str
    text: str


def blocks(implementations: Sequence[Examination], *, everything: bool = False) -> Iterator[Block]:
    """Give what is said of every implementation, those that fail first.

    Parameters
    ----------
    implementations : sequence of Examination
        What was examined.
    everything : bool
        Name every case and show every program.
    """
    for each in implementations:
        if each.bad:
            yield from _failing(each, everything)
    right = [each for each in implementations if not each.bad]
    for each in right if everything else ():
        yield Block("heading", f"{each.title} ({each.convention}): {counted(each.cases)}")
        yield from _named(each.cases)
    if right and not everything:
        yield Block("words", "right: " + "; ".join(f"{each.title} ({_numbers(each)})" for each in right))
    remarks: dict[str, list[str]] = {}
    for each in implementations:
        for remark in dict.fromkeys(case.remark for case in each.cases if case.remark):
            remarks.setdefault(remark, []).append(each.title)
    for remark, labels in remarks.items():
        where = labels[0] if len(labels) == 1 else f"{len(labels)} of {len(implementations)} implementations"
        yield Block("words", f"remark: {remark} ({where})")


def _failing(examination: Examination, everything: bool) -> Iterator[Block]:
    yield Block("heading", f"{examination.title} ({examination.convention}): {counted(examination.cases)}")
    found = failures(examination)
    shown = found if everything else found[:_FEW]
    for failure in shown:
        yield Block("words", _told(failure, everything))
        if failure.line is not None:
            yield Block("line", str(failure.line))
        elif failure.fix:
            yield Block("line", f"idea: {failure.fix}")
    if len(found) > len(shown):
        yield Block("words", f"and {len(found) - len(shown)} other ways to fail, which --all shows (everything=True)")
    if everything:
        yield from _named(examination.cases)
    programs = [failure.example.code.rstrip() for failure in shown if failure.example is not None]
    for program in dict.fromkeys(programs if everything else programs[:1]):
        yield Block("program", program)


def _told(failure: Failure, everything: bool) -> str:
    """Return verdict, cause and cases in one line."""
    first, names = failure.first, failure.names
    what = " ".join((f"{first.what} ({first.where})" if first.where else first.what).split())
    shown = names if everything or len(names) <= _NAMED + 1 else names[:_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return f"{first.verdict}: {what} [{', '.join(shown)}{more}]"


def _named(cases: Sequence[CaseResult]) -> Iterator[Block]:
    """Give a line for each verdict that is no failure, with the cases that have it."""
    for verdict in ("ok", "cannot be expressed", "skipped"):
        reasons: dict[str, list[str]] = {}
        for case in cases:
            if case.verdict == verdict:
                reasons.setdefault("" if verdict == "ok" else case.what, []).append(case.case)
        named = [f"{', '.join(names)} ({why})" if why else ", ".join(names) for why, names in reasons.items()]
        if named:
            yield Block("words", f"{sum(map(len, reasons.values()))} {verdict}: {'; '.join(named)}")


def _numbers(examination: Examination) -> str:
    """Return how many cases have each verdict, and why some cannot be expressed."""
    counts = examination.counts
    said = [f"{counts[verdict]} {verdict}" for verdict in ("ok", "cannot be expressed", "skipped") if counts[verdict]]
    return ", ".join(said)


def counted(cases: Sequence[CaseResult]) -> str:
    """Say in a few words how many cases fail.

    Examples
    --------
    >>> from fastconv.dropin.check.case_results import CaseResult
    >>> counted((CaseResult("a", "", "ok"), CaseResult("b", "", "raised"), CaseResult("c", "", "wrong")))
    '2 of 3 cases fail: 1 wrong, 1 raised'
    """
    ran = sum(case.ran for case in cases)
    kinds = Counter(case.verdict for case in cases if case.bad)
    if not ran:
        return "no case could be put to it"
    if not kinds:
        return f"all {ran} cases are right" if ran != 1 else "the one case that ran is right"
    count = f"{kinds.total()} of {ran} cases"
    if set(kinds) == {"wrong"}:
        return f"{count} wrong"
    return f"{count} fail: " + ", ".join(f"{kinds[kind]} {kind}" for kind in BAD if kinds[kind])


def wrapped(line: str, width: int = WIDTH) -> str:
    """Return a long line as several, of `width` letters at most."""
    return fill(line, min(width, WIDTH), subsequent_indent="    ", break_on_hyphens=False)


def as_text(found: Sequence[Block]) -> str:
    """Return blocks as plain text: programs stand by themselves, lines at fault below what is said of them."""
    parts = []
    for number, (before, block) in enumerate(zip([Block("", ""), *found], found)):
        apart = (number > 1 and block.kind in ("heading", "program")) or before.kind == "program"
        text = block.text if block.kind in ("line", "program") else wrapped(block.text)
        parts.append("\n" * apart + text)
    return "\n".join(parts)


def as_markdown(found: Sequence[Block]) -> str:
    """Return blocks as Markdown."""
    parts = []
    for block in found:
        if block.kind in ("line", "program"):
            parts.append(f"```python\n{block.text}\n```")
        else:
            parts.append(f"**{block.text}**" if block.kind == "heading" else block.text)
    return "\n\n".join(parts)
