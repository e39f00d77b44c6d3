"""The tables of the family: what each operation and layer takes on numpy and on fast, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fastconv.evidence.bench.cases import FAMILY, entry, kind_of, names
from fastconv.evidence.bench.family import LayerOf
from fastconv.evidence.bench.suite import Result, Suite
from fastconv.report import MISSING, Table, format_seconds, format_times
from fastconv.report.words import format_shape

ON_BOTH = "NumPy on both"
_HEADERS = ("pass", "shape", "numpy", "fast", "numpy / fast", "error")
_SPARE = ("shape", "numpy", "error")


class Pair(NamedTuple):
    """One pass of one of the family on both backends.

    Attributes
    ----------
    name, step, dtype : str
        Which.
    numpy, fast : Result or None
        The results; None where a backend did not run.
    """

    name: str
    step: str
    dtype: str
    numpy: Result | None
    fast: Result | None

    @property
    def ratio(self) -> float | None:
        """Median of numpy divided by that of fast: above 1, fast is faster."""
        return self.numpy.median / self.fast.median if self.numpy and self.fast else None

    @property
    def slower(self) -> bool:
        """Whether fast takes longer, by the median and by the shortest round: a disturbance seldom moves both."""
        if not self.numpy or not self.fast:
            return False
        return self.fast.median > self.numpy.median and self.fast.minimum > self.numpy.minimum

    def __str__(self) -> str:
        return f"{self.name} {self.step} {self.dtype}"


def pairs(suite: Suite) -> Iterator[Pair]:
    """Passes of the family that a run has, in the order of the table."""
    found: dict[tuple[str, str, str], dict[str, Result]] = {}
    for case, result in suite.results.items():
        if kind_of(case.workload) == FAMILY:
            found.setdefault((case.workload, case.step, case.dtype), {})[case.backend] = result
    places = {name: place for place, name in enumerate(names())}
    for key in sorted(found, key=lambda key: places[key[0]]):  # stable: the passes keep their order
        yield Pair(*key, found[key].get("numpy"), found[key].get("fast"))


def family_tables(suite: Suite) -> list[Table]:
    """Return a table of the operations and one of the layers, for each dtype."""
    rows: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for pair in pairs(suite):
        kind = "layer" if isinstance(entry(pair.name).member, LayerOf) else "operation"
        rows.setdefault((pair.dtype, kind), []).append(_cells(pair))
    return [
        Table(f"{kind.capitalize()}s, {dtype}", (kind, *_HEADERS), tuple(rows[dtype, kind]), 3, _SPARE)
        for dtype, kind in sorted(rows, key=lambda key: (key[0], key[1] != "operation"))
    ]


def _cells(pair: Pair) -> tuple[str, ...]:
    judged = pair.fast or pair.numpy
    assert judged is not None
    return (
        pair.name,
        pair.step,
        format_shape(judged.sizes["shapes"]["x"]),
        MISSING if pair.numpy is None else format_seconds(pair.numpy.median),
        MISSING if pair.fast is None else format_seconds(pair.fast.median),
        _ratio(pair),
        error_cell(judged),
    )


def _ratio(pair: Pair) -> str:
    return ON_BOTH if pair.ratio is None and _on_both(pair.name) else format_times(pair.ratio)


def _on_both(name: str) -> bool:
    member = entry(name).member
    return member is not None and member.on_both


def error_cell(result: Result) -> str:
    """Return the worst element as a share of what is allowed for it."""
    share = result.of_tolerance
    if share is None:
        return "not checked"
    return f"{share:.0%}" if share >= 0.01 or share == 0 else "< 1%"


def family_notes(suite: Suite) -> list[str]:
    """Say in words what the columns mean, and where fast is slower."""
    found = list(pairs(suite))
    if not found:
        return []
    compared = [pair for pair in found if pair.ratio is not None]
    lines = [
        "numpy, fast: median of one call, after the first one, which compiles; shape: of the input.",
        "error: the worst element of fast as a share of 64 eps times the largest of its array, 0% where it is exact.",
    ]
    if any(_on_both(pair.name) for pair in found):
        lines.append(f"{ON_BOTH}: it is the same code on every backend, so that it is timed once.")
    slower = sorted((pair for pair in compared if pair.slower), key=lambda pair: pair.ratio or 0)
    if slower:
        words = ", ".join(f"{pair} ({_ratio(pair)})" for pair in slower)
        lines.append(f"fast is slower than numpy, by the median and the shortest round, on {len(slower)}: {words}.")
    elif compared:
        lines.append(f"fast is slower than numpy on none of {len(compared)}, by the median and the shortest round.")
    return lines
