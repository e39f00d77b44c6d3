"""Somebody's file under examination: asked again and again, and started again where it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fastconv.dropin.check.code_process import RAISED, CodeProcess, CodeProcessError
from fastconv.dropin.check.messages import pack_problem, unpack, unpack_problem
from fastconv.dropin.conventions import Convention, Problem, Results
from fastconv.dropin.conventions.judge import Run
from fastconv.dropin.conventions.recognise import by_name
from fastconv.dropin.source.statements import Place
from fastconv.errors import InvalidValueError
from fastconv.evidence.process import Message

_RECORDING = 2.0  # seconds
_COMPILING = 60.0  # seconds more for the first calls of what Numba compiles, on a machine that is busy
_ENDS = 3  # statements of a file that may end its process or take too long


class CannotExpress(Exception):
    """A problem that the functions have no way to be asked."""


class Subject(NamedTuple):
    """What was recognised in the file, as seen from outside its process.

    Attributes
    ----------
    number : int
        Its place in the file, from 0.
    label : str
        Names of the functions.
    convention : Convention
        How they are called.
    targets : dict of str to str
        Names of the functions by role.
    names : tuple of str
        What a program imports from the file to call them.
    details : dict
        What the convention found out about them by trying.
    """

    number: int
    label: str
    convention: Convention
    targets: dict[str, str]
    names: tuple[str, ...]
    details: dict[str, Any]

    def label_of(self, operation: str) -> str:
        """The names, with the operation where an argument decides which it is."""
        return self.label if len(self.convention.operations) == 1 else f"{self.label} ({operation})"

    @property
    def differentiates(self) -> bool:
        """Whether there is a backward function."""
        return any(role != self.convention.first for role in self.targets)


class Recorded(NamedTuple):
    """What was recorded of a run.

    Attributes
    ----------
    imports, lines : list of str
        Statements.
    first : int
        Which of the lines is the first call.
    arrays : dict of str to ndarray
        What has a name after them.
    changed : list of str
        Inputs that were written to.
    """

    imports: list[str]
    lines: list[str]
    first: int
    arrays: dict[str, Any]
    changed: list[str]


class Examinee:
    """A Python file in a process of its own, which is started again after a crash.

    Parameters
    ----------
    file : Path
        The file.
    mapping : mapping of str to str
        Conventions of functions with other names.
    time_limit : float
        Seconds for each question, and for the import.
    source : str
        Who asks, for messages.
    root : Path, optional
        The folder that is examined with all its files, which may import from there.

    Attributes
    ----------
    module : str
        Name under which the file was imported.
    stopped : CodeProcessError or None
        Why the file did not come to its end, if it did not; what it defines is examined all the same.
    notes : tuple of str
        What else is to be said about how it was loaded.
    near_misses : tuple of str
        What looks like convolution or pooling and is not recognised.
    """

    def __init__(
        self,
        file: Path,
        mapping: Mapping[str, str],
        time_limit: float,
        source: str = "check",
        root: Path | None = None,
    ) -> None:
        self.file, self.time_limit, self.module = file, time_limit, ""
        self._mapping, self._source, self._root = dict(mapping), source, root
        self.stopped: CodeProcessError | None = None
        self.notes: tuple[str, ...] = ()
        self.near_misses: tuple[str, ...] = ()
        self._process: CodeProcess | None = None
        self._jitted, self._called = False, set[tuple[Any, ...]]()
        self._avoided: list[tuple[Place, tuple[str, str, str]]] = []

    def __enter__(self) -> Examinee:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def load(self) -> list[Subject]:
        """Import the file as far as it runs, and return what is recognised in it.

        A statement that ends the process or takes too long is left out in a new one.

        Raises
        ------
        ValueError
            If the mapping does not fit the file.
        CodeProcessError
            If the file cannot be read.
        """
        answer = self._loaded()
        if "refused" in answer:
            raise InvalidValueError(answer["refused"])
        self.module = answer["module"]
        self.stopped = None if answer["stopped"] is None else CodeProcessError(*answer["stopped"])
        self.notes, self.near_misses = tuple(answer["notes"]), tuple(answer["near_misses"])
        self._jitted, self._called = answer["jitted"], set()
        return [
            Subject(number, each["label"], by_name(each["convention"])[0], each["targets"], tuple(each["names"]), {})
            for number, each in enumerate(answer["found"])
        ]

    def _loaded(self) -> Message:
        """Load the file in a new process, and in another one without the statement that ended it."""
        self.end()
        self._process = process = CodeProcess(self.file)
        root = None if self._root is None else str(self._root)
        details = {"mapping": self._mapping, "source": self._source, "avoided": self._avoided}
        try:
            return process.ask(self.time_limit, "load", file=str(self.file), root=root, **details)
        except CodeProcessError as error:
            if error.verdict == RAISED or process.at is None or len(self._avoided) == _ENDS:
                raise
            self._avoided.append((process.at, (error.verdict, error.what, error.where)))
        return self._loaded()

    def run(self, subject: Subject, problem: Problem, *, limit: float | None = None) -> tuple[Problem, Run]:
        """Run a problem, forward and backward.

        Returns
        -------
        problem : Problem
            The part of it that the functions take, usually the whole.
        run : Run
            What came out; exceptions are in its `errors`.

        Raises
        ------
        CannotExpress
            If there is no way to ask for it.
        CodeProcessError
            If the process ended, or took too long.
        """
        problem, answer = self.pose(problem, "run", limit=limit, index=subject.number)
        subject.details.update(answer["details"])
        results = Results(*map(unpack, answer["results"]))
        return problem, Run(results, answer["errors"], tuple((role, name) for role, name in answer["modified"]))

    def replace(self, statement: str, block: str) -> bool:
        """Run a statement of the file again, changed; return whether the same functions are recognised.

        Parameters
        ----------
        statement : str
            The definition of a function or class, at its line of the file.
        block : str
            What tracebacks call that file, or cell.

        Raises
        ------
        CodeProcessError
            If it raises, or takes too long.
        """
        return bool(self.ask("replace", statement=statement, block=block)["same"])

    def record(self, subject: Subject, problem: Problem) -> Recorded:
        """Return the statements that run a problem; up to the one that fails, if one does."""
        process = self._ready()
        try:
            limit = min(self.time_limit, _RECORDING)  # where that is not enough, what led there is known by then
            answer = process.ask(limit, "record", index=subject.number, problem=pack_problem(problem))
        except CodeProcessError:
            return Recorded(*process.notes, 0, {}, [])
        arrays = {name: unpack(array) for name, array in answer["arrays"].items()}
        return Recorded(**{**answer, "arrays": arrays})

    def pose(self, problem: Problem, do: str, *, limit: float | None = None, **details: Any) -> tuple[Problem, Message]:
        """Ask for a problem; return the part of it that the functions take, usually the whole, and the answer.

        Raises
        ------
        CannotExpress
            If there is no way to ask for it.
        """
        process = self._ready()
        if limit is None:
            limit = self._limit(problem, details["index"])
        answer = process.ask(limit, do, problem=pack_problem(problem), **details)
        if "cannot" in answer:
            raise CannotExpress(answer["cannot"])
        return problem if answer["adapted"] is None else unpack_problem(answer["adapted"]), answer

    def _limit(self, problem: Problem, index: int) -> float:
        """Seconds for a problem: more where Numba compiles, once for every dtype and memory order in every process."""
        kind = (index, problem.x.dtype, problem.memory)
        compiles = self._jitted and kind not in self._called
        self._called.add(kind)
        return self.time_limit + _COMPILING if compiles else self.time_limit

    def ask(self, do: str, *, limit: float | None = None, **details: Any) -> Message:
        """Ask the process, a new one where it has ended."""
        return self._ready().ask(self.time_limit if limit is None else limit, do, **details)

    def _ready(self) -> CodeProcess:
        process = self._process
        if process is None or not process.alive:
            self.load()
            return self._ready()
        return process
