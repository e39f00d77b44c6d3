"""What an examination found, case by case: the records that a report is made of."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fastconv.dropin.check.repair import Line
from fastconv.report.record import ADDED

BAD = ("wrong", "raised", "crashed", "timed out")
_PLACE = re.compile(r"\([^()]+, line \d+\)$")


@dataclass(frozen=True)
class Example:
    """The smallest problem that was found on which somebody's code fails.

    Attributes
    ----------
    problem : str
        Its sizes.
    code : str
        Python that shows the failure where it is run beside the file.
    got, expected : list or None
        The array that is wrong, and the right one; None where there was no result.
    """

    problem: str
    code: str
    got: Any = None
    expected: Any = None

    def __post_init__(self) -> None:
        for name in ("got", "expected"):  # JSON has text for what is not finite
            object.__setattr__(self, name, _numbers(getattr(self, name)))


@dataclass(frozen=True)
class CaseResult:
    """The verdict on one case.

    Attributes
    ----------
    case, why : str
        Name of the case, and why such code is wrong there in practice.
    verdict : str
        ``"ok"``, ``"wrong"``, ``"raised"``, ``"crashed"``, ``"timed out"``, ``"cannot be expressed"`` or
        ``"skipped"``.
    what : str
        In words: what differs and by how much, what was raised, why it cannot be expressed; for what is ok a remark.
    where : str
        File, line and function, where the code did not come to an end.
    array : {"y", "dx", "dweight", "dbias"} or None
        What is wrong.
    difference : float or None
        Largest absolute difference; infinite where the shape is wrong or one side alone is NaN.
    example : Example or None
        For a failure.
    mistake, fix : str
        Name of the usual mistake that it is, and the idea of the fix; nothing where it is none.
    line : Line or None
        The line at fault, where one was found.
    """

    case: str
    why: str
    verdict: str
    what: str = ""
    where: str = ""
    array: str | None = None
    difference: float | None = None
    example: Example | None = None
    mistake: str = field(default="", metadata=ADDED)
    fix: str = field(default="", metadata=ADDED)
    line: Line | None = field(default=None, metadata=ADDED)

    @property
    def bad(self) -> bool:
        """Whether this is a failure: wrong, raised, crashed or timed out."""
        return self.verdict in BAD

    @property
    def remark(self) -> str:
        """What is right and could be better, such as float64 for float32 input; empty for most cases."""
        return self.what if self.verdict == "ok" else ""

    @property
    def ran(self) -> bool:
        """Whether the case says something about the code."""
        return self.bad or self.verdict == "ok"


@dataclass(frozen=True)
class Examination:
    """One implementation, over all cases.

    Attributes
    ----------
    label : str
        Names of the functions or of the class.
    convention, form : str
        How the calls look: the name of the convention, and one line that shows them.
    cases : tuple of CaseResult
        In the order in which they ran.
    file : str
        The file in the folder that was examined; empty where one file was.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("ok", "counts")

    label: str
    convention: str
    form: str
    cases: tuple[CaseResult, ...]
    file: str = field(default="", metadata={"added": True})

    @property
    def title(self) -> str:
        """The names of the functions, with their file where there are several."""
        return f"{self.file}, {self.label}" if self.file else self.label

    @property
    def ok(self) -> bool:
        """Whether every case that can be expressed is right."""
        return not self.bad

    @property
    def ran(self) -> int:
        """How many cases say something about the code."""
        return sum(case.ran for case in self.cases)

    @property
    def bad(self) -> tuple[CaseResult, ...]:
        """Cases that failed."""
        return tuple(case for case in self.cases if case.bad)

    @property
    def counts(self) -> Counter[str]:
        """How many cases have each verdict."""
        return Counter(case.verdict for case in self.cases)

    def __getitem__(self, case: str) -> CaseResult:
        for result in self.cases:
            if result.case == case:
                return result
        raise KeyError(case)


def _numbers(value: Any) -> Any:
    """Nested lists with numbers in place of "nan", "inf" and "-inf"."""
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if isinstance(value, str) else value


def error_and_place(said: str) -> str:
    """Return the type of an error and the line that raised it, without the message: that may name sizes.

    Examples
    --------
    >>> error_and_place("ValueError: shapes (2,) (3,) differ (conv, line 12)")
    'ValueError (conv, line 12)'
    """
    place = _PLACE.search(said)
    return f"{said.partition(':')[0]} {place[0]}" if place else said.partition(":")[0]


def has_place(said: str) -> bool:
    """Whether an error says which line of somebody's raised it.

    Examples
    --------
    >>> has_place("TypeError: no (conv, line 12)"), has_place("TypeError: conv() missing 1 argument: 'b'")
    (True, False)
    """
    return _PLACE.search(said) is not None
