"""`race`: somebody's functions against fast ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends.settings import with_exact
from fastconv.dropin.check.api import Progress, check_limit, nothing_recognised, part_of, silent
from fastconv.dropin.check.code_process import TIMED_OUT, CodeProcessError
from fastconv.dropin.check.examinee import CannotExpress, Examinee, Subject
from fastconv.dropin.check.finding import file_of, files_of, is_whole
from fastconv.dropin.check.messages import unpack
from fastconv.dropin.conventions import Problem
from fastconv.dropin.conventions.expected import Results, expected, rounding
from fastconv.dropin.race.race_report import Lap, Race, RaceRow
from fastconv.dropin.race.sizes import Plan, Sizes, candidates
from fastconv.errors import InvalidValueError, shown
from fastconv.evidence.accuracy import Difference, differences, exact_bounds
from fastconv.evidence.environment import current_environment
from fastconv.validation.sizes import check_flag, check_integer

_COMPILING = 600.0  # seconds that the first call of fast may take
_TOGETHER = 4.0  # seconds that the rounds of one pass of theirs may take
_TRIALS, _HOPELESS = 4, 16.0  # trials of smaller planes; how many times too long is assumed of what did not end
_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True)
class _Settings:
    sizes: Sizes
    dtype: np.dtype[Any]
    backward: bool
    repeats: int
    bearable: float
    seed: int


class _Prepared:
    """What one side made of a problem, and how long its first calls took."""

    def __init__(self, examinee: Examinee, subject: Subject, problem: Problem, *, fast: bool, results: bool) -> None:
        limit = _COMPILING if fast else None
        details = {"index": subject.number, "fast": fast, "results": results}
        self.problem, answer = examinee.pose(problem, "prepare", limit=limit, **details)
        self.seconds: dict[str, float] = answer["seconds"]
        self.results = Results(*map(unpack, answer["results"])) if results else Results()


def race(
    path_or_module: str | os.PathLike[str] | ModuleType,
    mapping: Mapping[str, str] | None = None,
    *,
    sizes: Sizes | None = None,
    dtype: DTypeLike = np.float64,
    backward: bool = True,
    repeats: int = 5,
    seconds: float = 2.0,
    time_limit: float = 60.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Race:
    """Time somebody's functions against fast ones: what ``fastconv race`` runs.

    Parameters
    ----------
    path_or_module : path-like or module
        A Python file, a notebook, a folder or a module, as for `fastconv.check`. It is run, in a process of its own.
    mapping : mapping of str to str, optional
        Conventions of functions with unusual names, as for `fastconv.check`.
    sizes : Sizes, optional
        By default those of the CS231n notebook, made smaller until a call takes about `seconds`.
    dtype : {float32, float64}
        Of the arrays.
    backward : bool
        Time the gradients too.
    repeats : int
        Rounds; the median counts. What takes seconds has fewer.
    seconds : float
        How long one of their calls may take.
    time_limit : float
        Seconds after which a call that has not come to an end is given up.
    seed : int
        Seed of the arrays.
    progress : callable, optional
        Called with what is being done and the fraction done.

    Returns
    -------
    Race
        Prints as tables; `ok` says whether both sides are right.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        As of `fastconv.check`.
    CodeProcessError
        If the file cannot be imported; of a folder such files are named in `Race.notes`.

    Notes
    -----
    Both sides are called in the form of the functions, on the same arrays, in one process, in turns. Only the calls
    themselves are timed. "Times faster" divides by the time of the functions, not by that of the frozen loops.
    """
    path = file_of("compare", path_or_module)
    files = files_of("compare", path, mapping)
    settings = _Settings(
        (sizes or Sizes()).checked(),
        _check_dtype(dtype),
        check_flag("compare", "backward", backward),
        check_integer("compare", "repeats", repeats, 1),
        check_limit("compare", "seconds", seconds),
        check_integer("compare", "seed", seed, 0),
    )
    limit = check_limit("compare", "time_limit", time_limit)
    environment = with_exact(True, current_environment)  # as both sides are
    rows, notes = list[RaceRow](), list[str]()
    for number, file in enumerate(files):
        with Examinee(file, mapping or {}, limit, "compare", path if path.is_dir() else None) as examinee:
            try:
                found = _rows(examinee, settings, part_of(progress or silent, number, len(files)))
            except CodeProcessError as error:
                if file == path:
                    raise
                notes.append(f"{file.relative_to(path)} cannot be imported: {error}")
                continue
            told = (*examinee.notes, *examinee.near_misses)
        if file == path or (is_whole(path, file) and found):
            rows, notes = found, [*told]
            break
        name = file.relative_to(path)
        rows += [replace(row, label=f"{name}, {row.label}") for row in found]
        notes += [f"{name}: {note}" for note in told]
    (progress or silent)("done", 1.0)
    if not rows:
        raise nothing_recognised("compare", path, notes)
    return Race(path.name, tuple(rows), environment, tuple(notes))


def _rows(examinee: Examinee, settings: _Settings, progress: Progress) -> list[RaceRow]:
    """Time what is recognised in one file."""
    subjects = examinee.load()
    if not subjects and examinee.stopped:
        raise examinee.stopped
    runs = [(subject, operation) for subject in subjects for operation in subject.convention.operations]
    return [
        _row(examinee, subject, operation, settings, _reporter(progress, subject.label, number / len(runs)))
        for number, (subject, operation) in enumerate(runs)
    ]


def _reporter(progress: Progress, label: str, share: float) -> Callable[[str], None]:
    return lambda stage: progress(f"{label}: {stage}", share)


def _check_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        checked = np.dtype(dtype)
    except TypeError:
        checked = None
    if checked not in _DTYPES:
        raise InvalidValueError(f"compare: dtype must be float32 or float64, but got {shown(dtype)}.")
    return checked


def _row(
    examinee: Examinee, subject: Subject, operation: str, settings: _Settings, report: Callable[[str], None]
) -> RaceRow:
    """Run one implementation against fast; what goes wrong is said in the row."""
    row = RaceRow(subject.label_of(operation), subject.convention.name, operation, "", str(settings.dtype))
    try:
        report("how long its loops take")
        problem = _bearable(examinee, subject, operation, settings)
        row = replace(row, problem=str(problem))
        report("first calls")
        theirs = _Prepared(examinee, subject, problem, fast=False, results=True)
        row = replace(row, problem=str(theirs.problem))
        try:
            fast = _Prepared(examinee, subject, problem, fast=True, results=True)
        except CodeProcessError as error:
            return replace(row, trouble=f"fast ones cannot be called in its place: {error}")
        report("rounds")
        laps = _laps(examinee, theirs.seconds, fast.seconds, settings.repeats)
        return replace(row, laps=laps, **_accuracy(theirs, fast))
    except CannotExpress as reason:
        return replace(row, trouble=f"cannot be asked for these sizes: {reason}")
    except CodeProcessError as error:
        return replace(row, trouble=f"{error.verdict}: {error}")


def _bearable(examinee: Examinee, subject: Subject, operation: str, settings: _Settings) -> Problem:
    """Return the largest problem, up to that of the course, whose loops take a bearable time."""
    reason = CannotExpress("nothing")
    for plan in candidates(operation, settings.sizes, settings.dtype, settings.seed, settings.backward):
        try:
            return _scaled(examinee, subject, plan, settings).draw()
        except CannotExpress as error:
            reason = error
    raise reason


def _scaled(examinee: Examinee, subject: Subject, plan: Plan, settings: _Settings) -> Plan:
    """Try one image, smaller ones if even that takes too long, and take as many images as take a bearable time.

    Sizes that were asked for are taken whole.
    """
    if settings.sizes.input_shape is not None:
        _Prepared(examinee, subject, plan.with_images(1).draw(), fast=False, results=False)  # whether it can be asked
        return plan
    most, plan = plan.images, plan.with_images(1)
    for _ in range(_TRIALS):
        try:
            spent = max(_Prepared(examinee, subject, plan.draw(), fast=False, results=False).seconds.values())
        except CodeProcessError as error:
            if error.verdict != TIMED_OUT:
                raise
            spent = _HOPELESS * settings.bearable
        if spent <= settings.bearable:
            return plan.with_images(max(1, min(most, int(settings.bearable / max(spent, 1e-6)))))
        plan = plan.smaller(settings.bearable / spent / 2)
    return plan


def _laps(examinee: Examinee, theirs: dict[str, float], fast: dict[str, float], repeats: int) -> tuple[Lap, ...]:
    """Time both sides in turns; what takes long has fewer rounds."""
    rounds = {step: max(1, min(repeats, int(_TOGETHER / max(spent, 1e-9)))) for step, spent in theirs.items()}
    spent: dict[tuple[str, bool], list[float]] = {(step, side): [] for step in theirs for side in (False, True)}
    for number in range(max(rounds.values())):
        for step in theirs:
            if number < rounds[step]:
                for side in (False, True):
                    spent[step, side].append(examinee.ask("turn", fast=side, step=step)["seconds"])
    return tuple(
        Lap(step, median(spent[step, False]), median(spent[step, True]), theirs[step], fast[step], rounds[step])
        for step in theirs
    )


def _accuracy(theirs: _Prepared, fast: _Prepared) -> dict[str, Any]:
    """Return how far both sides are from each other, and from the right result."""
    problem = theirs.problem
    right, sums = expected(problem, "numpy"), rounding(problem, "numpy")
    names = [name for name in Results._fields if getattr(fast.results, name) is not None]

    def compared(found: Results, other: Results, reference: str) -> tuple[Difference, ...]:
        arrays, others = ({name: np.asarray(getattr(each, name)) for name in names} for each in (found, other))
        sizes = {name: np.broadcast_to(getattr(sums, name), others[name].shape) for name in names}
        return differences(arrays, others, exact_bounds(sizes, problem.x.dtype), reference)

    def share(side: _Prepared) -> float:
        return max(each.of_tolerance for each in compared(side.results, right, "numpy in float64"))

    return {
        "differences": compared(theirs.results, fast.results, "fast"),
        "of_tolerance": share(theirs),
        "fast_of_tolerance": share(fast),
    }
