"""`check`: the public function."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType

from fastconv.dropin.check.case_results import CaseResult, Examination
from fastconv.dropin.check.check_report import CheckReport
from fastconv.dropin.check.code_process import CodeProcessError, unexamined
from fastconv.dropin.check.examination import examine, names_of_cases
from fastconv.dropin.check.examinee import Examinee, Subject
from fastconv.dropin.check.finding import file_of, files_of, is_whole
from fastconv.dropin.conventions import CONVENTIONS
from fastconv.dropin.conventions.judge import fault_of
from fastconv.errors import FastconvError, InvalidTypeError, InvalidValueError, shown, unknown_name
from fastconv.validation.sizes import entries_of

_LONGEST = 1e6  # seconds

Progress = Callable[[str, float], None]


def check(
    path_or_module: str | os.PathLike[str] | ModuleType,
    mapping: Mapping[str, str] | None = None,
    *,
    time_limit: float = 10.0,
    cases: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Examine somebody's convolution and pooling over the cases where such code is wrong in practice.

    Parameters
    ----------
    path_or_module : path-like or module
        A Python file, a notebook, the module of a file, or a folder: then every file in it that has convolution or
        pooling, unless it is a package whose ``__init__`` has them. Each is run, in a process of its own.
    mapping : mapping of str to str, optional
        Conventions of functions with unusual names: ``{"my_conv": "cs231n.conv2d.forward"}``.
    time_limit : float
        Seconds for each case, and for the import of the file.
    cases : sequence of str, optional
        Names of cases; all of them by default.
    progress : callable, optional
        Called with what is being done and the fraction done.

    Returns
    -------
    CheckReport
        Prints the verdict, and for what fails the mistake, the line at fault and a program; `ok` says whether all is
        right.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no Python file, nothing in it is recognised, the mapping or a case is unknown, or there is a mapping
        for a folder.
    TypeError
        If `path_or_module` or `time_limit` is something else.
    ExaminationError
        If something is wrong with fastconv itself: then nothing is known of the file.

    Notes
    -----
    What is right is what the naive backend computes in float64, to within rounding. An exception, a crash and an
    endless loop are verdicts. A file that does not come to its end is examined as far as it defines something, and
    `CheckReport.notes` says where it stopped. Nothing that the code does reaches the process that calls this function,
    except through files and the network, to which it has the access that you have.

    Where a usual mistake gives exactly what came out, the result names it (`mistake`). A `line` at fault was tried:
    with the change that is shown, in that process and not in the file, all cases of the same kind are right, and those
    that were right are still.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "pools.py")
    >>> _ = file.write_text('''
    ... import numpy as np
    ...
    ... def max_pool_forward(x, pool_param):
    ...     HH, WW, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    ...     N, C, H, W = x.shape
    ...     out = np.zeros((N, C, (H - HH) // s + 1, (W - HH) // s + 1), x.dtype)   # HH for WW
    ...     for i in range(out.shape[2]):
    ...         for j in range(out.shape[3]):
    ...             out[:, :, i, j] = x[:, :, i * s : i * s + HH, j * s : j * s + WW].max((2, 3))
    ...     return out, (x, pool_param)
    ... ''')
    >>> report = check(file, cases=["plain", "overlapping rectangular windows"])
    >>> report
    <CheckReport pools.py: 1 of 2 cases wrong>
    >>> report["max_pool_forward"]["overlapping rectangular windows"].what
    'y has shape (2, 3, 2, 2) instead of ...: the size of the output is computed from the other axis along the width'
    >>> print(report["max_pool_forward"]["overlapping rectangular windows"].line.better)
    out = np.zeros((N, C, (H - HH) // s + 1, (W - WW) // s + 1), x.dtype)   # HH for WW
    """
    path = file_of("check", path_or_module)
    if mapping is not None and not isinstance(mapping, Mapping):
        raise InvalidTypeError(
            "check: mapping must map names to conventions, such as {'my_conv': 'plain.conv2d'}, but got "
            f"{shown(mapping)}."
        )
    limit, chosen = check_limit("check", "time_limit", time_limit), _check_cases(cases)
    files, reports = files_of("check", path, mapping), dict[Path, CheckReport]()
    for number, file in enumerate(files):
        of_file = part_of(progress or silent, number, len(files))
        examinee = Examinee(file, mapping or {}, limit, root=path if path.is_dir() else None)
        reports[file] = _examined(examinee, chosen, of_file)
        if is_whole(path, file) and reports[file].implementations:
            break
    (progress or silent)("done", 1.0)
    report = _together(path, reports, limit)
    if not report.implementations and report.failure is None:
        raise nothing_recognised("check", path, report.notes)
    return report


def _examined(examinee: Examinee, chosen: tuple[str, ...] | None, progress: Progress) -> CheckReport:
    """Return the report on one file; without implementations where nothing is recognised."""
    file, limit = examinee.file, examinee.time_limit
    name = file.parent.name if file.name == "__init__.py" else file.name
    with _no_verdict_of_ours(file), examinee:
        try:
            subjects = examinee.load()
        except CodeProcessError as error:
            return CheckReport(name, (), _unloaded(error), limit)
        notes = (*examinee.notes, *examinee.near_misses)
        failure = _unloaded(examinee.stopped) if examinee.stopped and not subjects else None
        report = _reporter(progress, subjects, len(chosen or names_of_cases()))
        found = [each for subject in subjects for each in examine(examinee, subject, chosen, report)]
    return CheckReport(name, tuple(found), failure, limit, notes)


def _unloaded(error: CodeProcessError) -> CaseResult:
    return CaseResult("import", "nothing can be examined", error.verdict, error.what, error.where)


def _together(path: Path, reports: Mapping[Path, CheckReport], limit: float) -> CheckReport:
    """Return the reports on the files of a folder as one; that on a file, or a package as a whole, as it is."""
    for file, report in reports.items():
        if file == path or (is_whole(path, file) and report.implementations):
            return report
    found, notes = list[Examination](), list[str]()
    for file, report in reports.items():
        name = str(file.relative_to(path))
        found += [replace(each, file=name) for each in report.implementations]
        notes += [f"{name}: {note}" for note in report.notes]
        if report.failure is not None:
            notes.append(f"{name} cannot be imported: {report.failure.what}")
    return CheckReport(path.name, tuple(found), None, limit, tuple(notes))


@contextmanager
def _no_verdict_of_ours(file: Path) -> Iterator[None]:
    """Let an unexpected error of the block say that it is no verdict on the file."""
    try:
        yield
    except (FastconvError, OSError, MemoryError):
        raise
    except Exception as error:
        raise unexamined(file, fault_of(error) or repr(error)) from error


def silent(text: str, share: float) -> None:
    """Tell nobody how far it is."""


def part_of(progress: Progress, number: int, count: int) -> Progress:
    """Return what tells `progress` about one of several files."""
    return lambda text, share: progress(text, (number + share) / count)


def _reporter(progress: Progress, subjects: Sequence[Subject], cases: int) -> Callable[[str], None]:
    """Return what tells `progress` of every case."""
    total = cases * sum(len(subject.convention.operations) for subject in subjects)
    begun = count()
    return lambda text: progress(text, next(begun) / total)


def check_limit(operation: str, subject: str, seconds: object) -> float:
    """Return a number of seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise InvalidTypeError(f"{operation}: {subject} must be a number of seconds, but got {shown(seconds)}.")
    if not 0 < seconds < _LONGEST:
        raise InvalidValueError(f"{operation}: {subject} must be positive (seconds), but got {shown(seconds)}.")
    return float(seconds)


def _check_cases(cases: Sequence[str] | None) -> tuple[str, ...] | None:
    if cases is None:
        return None
    chosen, known = (cases,) if isinstance(cases, str) else entries_of(cases), names_of_cases()
    if chosen is None:
        raise InvalidTypeError(f"check: cases must be a sequence of names, but got {shown(cases)}.")
    for name in chosen:
        if not (isinstance(name, str) and name in known):
            raise unknown_name("check", "a case", name, known, bare=True)
    if not chosen:
        raise InvalidValueError("check: cases must name at least one, but got none. Leave it out for all.")
    return chosen


def nothing_recognised(operation: str, file: Path, notes: Sequence[str] = ()) -> InvalidValueError:
    """Return the error for a file or folder without anything to examine; `notes` say what comes near."""
    known, first = ", ".join(convention.name for convention in CONVENTIONS), CONVENTIONS[0].name
    near = "".join(f" {note[:1].upper()}{note[1:]}." for note in notes)
    return InvalidValueError(
        f"{operation}: the file must define convolution or pooling in a form that is known, but in {file.name} nothing "
        f"is recognised.{near} Say which function is which: --map my_conv={first}.forward (or "
        f'mapping={{"my_conv": "{first}.forward"}}). Known are {known}; fastconv check --list shows their calls.'
    )
