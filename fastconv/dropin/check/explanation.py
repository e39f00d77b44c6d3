"""Why cases fail: the usual mistake, and the line at fault, found by trying changes of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fastconv.backends.locks import cached_property
from fastconv.dropin.check.code_process import CodeProcessError
from fastconv.dropin.check.examinee import CannotExpress, Examinee, Subject
from fastconv.dropin.check.findings import Finding
from fastconv.dropin.check.repair import Line, Source, read_sources
from fastconv.dropin.check.repair.changes import CHANGES, OF_SIZES
from fastconv.dropin.check.repair.source import Function
from fastconv.dropin.check.repair.trying import find_line
from fastconv.dropin.conventions import OK, RAISED, WRONG, Verdict
from fastconv.dropin.conventions.mistakes import MISTAKES

_SECONDS = 3.0  # of trying lines, for each implementation
_CERTAIN = ("empty cut", "true division")  # what nothing else is changed like
_ARRAYS = ("y", "dx", "dweight", "dbias")

Judge = Callable[[Finding], Verdict]


class Explainer:
    """Finds the line at fault of an implementation.

    Parameters
    ----------
    examinee : Examinee
        The file.
    subject : Subject
        Which of its functions.
    judge : callable
        Runs the case of a finding again.
    """

    def __init__(self, examinee: Examinee, subject: Subject, judge: Judge) -> None:
        self._examinee, self._subject, self._judge = examinee, subject, judge
        self._end = time.monotonic() + min(_SECONDS, examinee.time_limit)
        self._lines: dict[Line, tuple[str, Source]] = {}

    def explained(self, findings: Sequence[Finding]) -> list[Finding]:
        """Return the findings, with the lines at fault in the results of those that failed."""
        groups: dict[tuple[str, ...], list[Finding]] = {}
        for finding in findings:
            if finding.result.verdict in (WRONG, RAISED):
                groups.setdefault(finding.cause, []).append(finding)
        right = [finding for finding in findings if finding.result.verdict == OK and finding.problem is not None]
        made = {id(finding): finding for finding in findings}
        for search in (True, False):  # a line that was found late may be that of an earlier group
            for group in sorted(groups.values(), key=_most_telling):
                found = None if made[id(group[0])].result.line else self._of_group(group, right, search)
                if found is not None:
                    made.update({id(finding): _with_line(finding, *found) for finding in group})
        return [made[id(finding)] for finding in findings]

    def _of_group(self, group: list[Finding], right: list[Finding], search: bool) -> tuple[str, Line] | None:
        """Return the line with which all of a group and what was right are right, and the mistake in it."""

        def works(source: Source, number: int, better: str) -> bool:
            return self._tried(source, number, better, [*group, *right])

        for line, (name, source) in self._lines.items():
            if works(source, line.number, line.better):
                return name, line
        result, mistake = group[0].result, group[0].mistake
        if not search or group[0].problem is None or (result.verdict == WRONG and not result.difference):
            return None  # slopes: what is wrong there is wrong elsewhere, too; or a dtype
        names: Iterable[str] = _untold(group[0]) if mistake is None else (mistake.name,)
        for source in self._sources:
            found = find_line(source, self._functions(source, group), names, works, self._end - time.monotonic())
            if found is not None:
                self._lines[found[1]] = found[0], source
                return found
        return None

    @cached_property
    def _sources(self) -> list[Source]:
        return read_sources(self._examinee.file)

    def _functions(self, source: Source, group: list[Finding]) -> list[Function]:
        """Return the functions that compute what is wrong, the guilty role first, and what they call."""
        array, gives = group[0].result.array, self._subject.convention.gives
        roles = [role for role in self._subject.targets if array is None or array in gives.get(role, ())]
        names = [self._subject.targets[role] for role in roles or self._subject.targets]
        return source.functions(self._subject.names, names)

    def _tried(self, source: Source, number: int, better: str, findings: list[Finding]) -> bool:
        """Whether all findings are right with a change, which is taken back."""
        changed, before = source.statement(number, better), source.statement(number)
        try:
            recognised = self._examinee.replace(changed, source.filename)
            return recognised and all(self._mended(finding) for finding in findings)
        except (CodeProcessError, CannotExpress):
            return False
        finally:
            with contextlib.suppress(CodeProcessError):
                self._examinee.replace(before, source.filename)

    def _mended(self, finding: Finding) -> bool:
        """Whether what was wrong is right: something after it may be wrong for a reason of its own."""
        verdict = self._judge(finding)
        if verdict.kind == OK or (verdict.kind == WRONG and not verdict.difference):  # but for a dtype
            return True
        array = finding.result.array
        return verdict.kind == WRONG and array in _ARRAYS and verdict.array in _ARRAYS[_ARRAYS.index(array) + 1 :]


def _untold(finding: Finding) -> Iterable[str]:
    """Return the mistakes to try where none explains the numbers: those in sizes where sizes are wrong alone."""
    sizes = finding.result.verdict == RAISED or finding.result.difference == float("inf")
    return [name for name in (*_CERTAIN, *CHANGES) if sizes or name not in OF_SIZES]


def _most_telling(group: list[Finding]) -> tuple[bool, bool, int]:
    """Put the groups whose mistake is known before the others, large ones first, and slopes last."""
    return group[0].problem is None, group[0].mistake is None, -len(group)


def _with_line(finding: Finding, mistake: str, line: Line) -> Finding:
    """Return a finding with the line at fault; with words for the mistake, where the change leaves no doubt of it."""
    known = finding.mistakes or ((MISTAKES[mistake],) if mistake in _CERTAIN else ())
    return replace(finding, mistakes=known, result=replace(finding.result, line=line))
