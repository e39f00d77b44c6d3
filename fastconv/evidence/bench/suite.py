"""What the JSON of a suite holds: written by pytest-benchmark, completed by us, and read again with care."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from fastconv.errors import InvalidValueError
from fastconv.evidence.bench.cases import LOOPS, Case, Selection
from fastconv.evidence.environment import Environment
from fastconv.evidence.quiet import moved
from fastconv.report import read_record

FORMAT = "fastconv-suite/1"


@dataclass(frozen=True)
class Result:
    """One case with its time and its error.

    Attributes
    ----------
    case : Case
        Which one.
    description : str
        What it stands for.
    minimum, median, iqr : float
        Seconds of one call: shortest round, median round, distance between the quartiles.
    sizes : dict
        Shapes and arguments: two results are of the same work where they are equal.
    outputs, whole_outputs : int
        Outputs that were computed, and those of the whole layer; 0 where there are none to count.
    flops : int
        Floating-point operations, a multiply-add counted as two; 0 where there are no multiply-adds to count.
    peak : float or None
        GFLOP/s of nothing but multiply-adds next to it.
    threads : int
        Threads that ran.
    checked : str
        What the result was compared with; or why it was not.
    of_tolerance : float or None
        Worst element as a share of what is allowed.
    """

    case: Case
    description: str
    minimum: float
    median: float
    iqr: float
    sizes: dict[str, Any]
    outputs: int
    whole_outputs: int
    flops: int
    peak: float | None
    threads: int
    checked: str
    of_tolerance: float | None

    @property
    def gflops(self) -> float | None:
        """GFLOP/s by the median; None where there are no multiply-adds."""
        return self.flops / self.median / 1e9 if self.flops else None

    @property
    def of_peak(self) -> float | None:
        """GFLOP/s as a share of the peak next to it."""
        return None if self.gflops is None or not self.peak else self.gflops / self.peak


@dataclass(frozen=True)
class Suite:
    """All results of one run.

    Attributes
    ----------
    results : dict of Case to Result
        In the order in which they ran.
    environment : Environment
        Machine, versions, threads, load.
    selection : Selection
        What was asked for.
    peaks : dict
        GFLOP/s of nothing but multiply-adds before the first case, by dtype and number of threads.
    """

    results: dict[Case, Result]
    environment: Environment
    selection: Selection
    peaks: dict[str, dict[str, float | None]]

    def best_peak(self, dtype: str) -> float | None:
        """Largest peak of the whole run: what the chip can do when nobody disturbs it."""
        return max((r.peak for r in self.results.values() if r.peak and r.case.dtype == dtype), default=None)

    def times_faster(self, result: Result) -> float | None:
        """Time of the frozen loops for as many outputs, divided by the median of a result.

        The shortest round of the loops counts, so that a disturbance of the yardstick flatters nobody.
        """
        loops = self.results.get(result.case._replace(backend=LOOPS))
        if loops is None or not loops.outputs or result.case.backend == LOOPS:
            return None
        return loops.minimum / loops.outputs * result.outputs / result.median


def complete(data: dict[str, Any], selection: Selection) -> None:
    """Add to the JSON of pytest-benchmark what makes it one of ours, and drop the single rounds."""
    data["fastconv"] = {"format": FORMAT, "selection": asdict(selection)}
    for record in data["benchmarks"]:
        record["stats"].pop("data", None)
        info, median = record["extra_info"], record["stats"]["median"]
        if info.get("flops"):
            info["gflops"] = info["flops"] / median / 1e9
            info["of_peak"] = info["gflops"] / info["peak_gflops"] if info.get("peak_gflops") else None
    _doubt(data)


def _doubt(data: dict[str, Any]) -> None:
    """Say in the JSON that the times are not reliable where the peak beside the cases moved."""
    peaks: dict[tuple[str, int], list[float | None]] = {}
    for record in data["benchmarks"]:
        info = record["extra_info"]
        peaks.setdefault((info["dtype"], info["threads"]), []).append(info.get("peak_gflops"))
    reasons = [reason for rates in peaks.values() for reason in moved(rates)]
    here = data["machine_info"]["fastconv"]
    here["unreliable"] = " and ".join(dict.fromkeys(filter(None, (here.get("unreliable"), *reasons))))


def read_suite(data: dict[str, Any], name: str) -> Suite:
    """Make results of what `read_json` read.

    Parameters
    ----------
    data : dict
        The JSON of a suite.
    name : str
        What messages call it: its file.

    Raises
    ------
    ValueError
        If it is no suite, or something in it is missing or no number.
    """
    head = data.get("fastconv")
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise InvalidValueError(
            f"bench: {name} must be what `fastconv bench --save` wrote ({FORMAT}), but it is something else."
        )
    try:
        found = [_result(record) for record in data["benchmarks"]]
        selection = _selection(head["selection"])
        here = data["machine_info"]["fastconv"]
        environment = read_record(Environment, {"platform": "", **here})
        peaks = dict(here.get("peaks") or {})
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidValueError(
            f"bench: {name} must be a whole result of a suite, but it is damaged ({type(error).__name__}: {error})."
        ) from None
    for case, times in Counter(result.case for result in found).items():
        if times > 1:
            raise InvalidValueError(f"bench: {name} must hold every case once, but got {case} twice.")
    return Suite({result.case: result for result in found}, environment, selection, peaks)


def _selection(plain: dict[str, Any]) -> Selection:
    found: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    return Selection(**found)


def _result(record: dict[str, Any]) -> Result:
    info, stats = record["extra_info"], record["stats"]
    peak, share = info.get("peak_gflops"), info["of_tolerance"]
    return Result(
        case=Case(*(_text(info[name]) for name in Case._fields)),
        description=_text(info["description"]),
        minimum=_positive(stats["min"]),
        median=_positive(stats["median"]),
        iqr=float(stats["iqr"]),
        sizes={"shapes": info["shapes"], "arguments": info["arguments"]},
        outputs=int(info.get("outputs", 0)),
        whole_outputs=int(info.get("whole_outputs", 0)),
        flops=int(info.get("flops", 0)),
        peak=None if peak is None else _positive(peak),
        threads=int(info["threads"]),
        checked=_text(info["checked"]),
        of_tolerance=None if share is None else float(share),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _positive(value: Any) -> float:
    number = float(value)
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{value!r} is no positive number")
    return number
