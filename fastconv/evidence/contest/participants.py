"""Who and what takes part: engines that are installed and can be imported, and the arguments of a contest."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.backends.settings import get_num_threads, use_num_threads
from fastconv.errors import BackendUnavailableError, InvalidValueError, meant
from fastconv.evidence.contest.engines import FASTCONV, Entrant
from fastconv.evidence.contest.processes import EngineProcess
from fastconv.evidence.process import WorkerError


def present(entrants: Sequence[Entrant]) -> tuple[list[Entrant], dict[str, str]]:
    """Sort out whose packages are not installed; fastconv's have to be."""
    if FASTCONV.missing:
        raise BackendUnavailableError("contest: the fast backend needs Numba, which is not installed.")
    absent = {each.name: f"not installed ({', '.join(each.missing)})" for each in entrants if each.missing}
    return [each for each in entrants if each.name not in absent], absent


def meet(processes: list[EngineProcess], absent: dict[str, str]) -> dict[str, str]:
    """Ask every engine for its versions, which imports it; one that cannot be imported is absent."""
    versions: dict[str, str] = {}
    for process in list(processes):
        try:
            versions |= process.ask("versions")["versions"]
        except WorkerError as error:
            if process is processes[0]:
                raise
            absent[process.name] = str(error)
            processes.remove(process)
            process.worker.end()
    return versions


def check_names(
    subject: str, names: Sequence[str], known: tuple[str, ...], operation: str = "contest"
) -> tuple[str, ...]:
    """Return names without repetitions; refuse none, and those that are not known."""
    chosen = tuple(dict.fromkeys(names))
    unknown = next((name for name in chosen if name not in known), None)
    if not chosen or unknown is not None:
        got, hint = ", ".join(map(repr, chosen)) or "none", meant(unknown, known)
        raise InvalidValueError(f"{operation}: {subject} must be some of {', '.join(known)}, but got {got}.{hint}")
    return chosen


def check_threads(threads: int | None) -> int:
    """Return the number of threads of everybody."""
    if threads is None:
        return get_num_threads()
    with use_num_threads(threads):  # checks the number
        return threads
