"""What an examination found: frozen records that print as tables and are saved as JSON."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from fastconv.dropin.check.text import closing_line, plain_text
from fastconv.files import write_whole

__all__ = ["CaseResult", "CheckReport", "Example", "Examination"]

_FORMAT = "fastconv-check/1"
_BAD = ("wrong", "raised", "crashed", "timed out")


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
        In words: what differs and by how much, what was raised, why it cannot be expressed.
    where : str
        File, line and function, where the code did not come to an end.
    array : {"y", "dx", "dweight", "dbias"} or None
        What is wrong.
    difference : float or None
        Largest absolute difference; infinite where the shape is wrong or one side alone is NaN.
    example : Example or None
        For a failure.
    """

    case: str
    why: str
    verdict: str
    what: str = ""
    where: str = ""
    array: str | None = None
    difference: float | None = None
    example: Example | None = None

    @property
    def bad(self) -> bool:
        """Whether this is a failure: wrong, raised, crashed or timed out."""
        return self.verdict in _BAD

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
    """

    label: str
    convention: str
    form: str
    cases: tuple[CaseResult, ...]

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


@dataclass(frozen=True)
class CheckReport:
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

    Examples
    --------
    >>> right = CaseResult("plain", "the case that everybody tests", "ok")
    >>> wrong = CaseResult("ties", "several equal maxima", "wrong", "dx differs by up to 1", array="dx", difference=1.0)
    >>> report = CheckReport("pool.py", (Examination("pool", "cs231n.max_pool", "pool(x, param)", (right, wrong)),))
    >>> report.ok, report
    (False, <CheckReport pool.py: 1 of 2 cases wrong>)
    """

    file: str
    implementations: tuple[Examination, ...]
    failure: CaseResult | None = None
    time_limit: float = field(default=10.0, compare=False)

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
        return plain_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data.

        Returns
        -------
        dict
            Dicts, lists, strings and numbers; what is not finite is a string: ``"nan"``, ``"inf"``, ``"-inf"``.
        """
        plain = {
            "format": _FORMAT,
            "file": self.file,
            "ok": self.ok,
            "time_limit": self.time_limit,
            "failure": None if self.failure is None else asdict(self.failure),
            "implementations": [
                {**asdict(each), "ok": each.ok, "counts": dict(each.counts)} for each in self.implementations
            ],
        }
        finite: dict[str, Any] = _plain(plain)
        return finite

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CheckReport:
        """Return the report that `to_dict` made plain data of.

        Raises
        ------
        KeyError
            If something is missing.
        """
        implementations = tuple(
            Examination(each["label"], each["convention"], each["form"], tuple(map(_case, each["cases"])))
            for each in data["implementations"]
        )
        failure = None if data["failure"] is None else _case(data["failure"])
        return cls(data["file"], implementations, failure, data["time_limit"])

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON to a file, whole or not at all.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        data = self.to_json().encode()
        write_whole(path, lambda stream: stream.write(data))


def _case(data: dict[str, Any]) -> CaseResult:
    values = {each.name: data[each.name] for each in fields(CaseResult)}
    if values["difference"] is not None:
        values["difference"] = float(values["difference"])
    if values["example"] is not None:
        example = values["example"]
        values["example"] = Example(
            example["problem"], example["code"], _numbers(example["got"]), _numbers(example["expected"])
        )
    return CaseResult(**values)


def _plain(value: Any) -> Any:
    """Replace what JSON has no numbers for."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _numbers(value: Any) -> Any:
    """Undo `_plain` in nested lists of numbers."""
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if isinstance(value, str) else value
