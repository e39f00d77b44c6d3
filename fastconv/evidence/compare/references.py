"""What a process of its own does of many problems while this one compiles: nothing is timed then.

First it calls the candidate, from the last problem on, until this process has called it for all the others: what that
compiles comes here from the cache of kernels. Then it computes the references, from the first on, as this process does
from the last on.
"""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from fastconv.backends.cores import available_cores
from fastconv.evidence.compare.reference import Reference, reference_of
from fastconv.evidence.compare.runs import Runs, Seconds, Settings
from fastconv.evidence.problem import OperationProblem
from fastconv.evidence.process import Worker, child_environment

Make = Callable[[], OperationProblem]

_FEWEST = 3  # problems for which a process is worth its start
_LIMIT = 3600.0  # seconds for one of them
_MODULE = "fastconv.evidence.compare.reference_process"
# beside another process a second thread of BLAS waits for its core, and the first for it: 20 times longer was seen
_ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS"), "1"
)


class References:
    """The references of problems, each taken once; a context that ends the other process.

    Parameters
    ----------
    makers : sequence of callable
        Each makes a problem, here or in the other process.
    settings : Settings
        How they are compared.
    """

    def __init__(self, makers: Sequence[Make], settings: Settings) -> None:
        self._makers, self._settings = makers, settings
        self._waiting: dict[int, Future[Path] | None] = dict.fromkeys(range(len(makers)))
        self._ahead: dict[int, Future[Path]] = {}  # first calls of the candidate
        self._stack, self._helped = contextlib.ExitStack(), False

    def __enter__(self) -> References:
        others = self._settings.reference != "fast" and not self._settings.full  # what is run in full is timed, too
        if others and len(self._makers) >= _FEWEST and available_cores() > 1:
            with contextlib.suppress(OSError):  # without another process, everything is computed here
                self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fastconv-compare-")))
        worker = Worker("compare: references", ("-m", _MODULE), child_environment(**_ONE_THREAD), _LIMIT)
        pool = ThreadPoolExecutor(1)
        self._stack.callback(pool.shutdown, cancel_futures=True)
        self._stack.callback(worker.end)
        self._stack.enter_context(_one_blas_thread())
        if self._settings.candidate == "fast":  # others compile nothing
            for i, make in reversed([*enumerate(self._makers)]):
                self._ahead[i] = pool.submit(_ask, worker, folder / f"{i}.first", ("first calls", make, self._settings))
        for i, make in enumerate(self._makers):
            self._waiting[i] = pool.submit(_ask, worker, folder / f"{i}", ("reference", make, self._settings))
        self._helped = True

    def first_calls(self) -> Iterator[tuple[int, Seconds | None]]:
        """Yield every problem, with the seconds of its first calls where the other process made them.

        Those that it makes just now come last, so that nothing is compiled twice.
        """
        begun = []
        for i in range(len(self._makers)):
            if i not in self._ahead or self._ahead[i].cancel():
                yield i, None
            else:
                begun.append(i)
        yield from ((i, _result(self._ahead[i])) for i in begun)

    def finished(self) -> Iterator[int]:
        """Yield those that are there to be taken, and not computed here."""
        yield from [i for i, future in self._waiting.items() if future is not None and future.done()]

    def left(self) -> Iterator[int]:
        """Yield those that nobody took, each of which has to be taken before the next one.

        First what is there; then from the last on, as the other process begins with the first: so both end together.
        """
        while self._waiting:
            here = max(self._waiting) if self._helped else min(self._waiting)
            yield next(self.finished(), here)

    def take(self, i: int) -> Reference:
        """Return a reference: from the other process, unless that has not begun it, or did not get through."""
        future = self._waiting.pop(i)
        found: Reference | None = None if future is None else _result(future)
        return reference_of(self._makers[i](), self._settings) if found is None else found


def call_first(problem: OperationProblem, settings: Settings) -> Seconds:
    """Call the candidate for the first time; return the seconds of each pass."""
    return Runs(problem, settings.candidate, settings.gradient(problem)).first


def _ask(worker: Worker, name: Path, question: Any) -> Path:
    """Have a question answered; it and its answer are in files."""
    asked, answer = name.with_suffix(".question"), name.with_suffix(".answer")
    asked.write_bytes(pickle.dumps(question))
    worker.ask({"question": str(asked), "answer": str(answer)})
    asked.unlink()
    return answer


def _result(future: Future[Path]) -> Any:
    """Return an answer; None where the other process has not begun it, and then never does, or did not get through."""
    if future.cancel():
        return None
    try:
        path = future.result()
        found = pickle.loads(path.read_bytes())
        path.unlink()
    except Exception:  # noqa: BLE001 - whatever kept the other process from it: it is computed here
        return None
    return found


def _one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """Keep BLAS to one thread, if threadpoolctl is there to do it."""
    try:
        limits: contextlib.AbstractContextManager[Any] = import_module("threadpoolctl").threadpool_limits(1, "blas")
    except ImportError:
        return contextlib.nullcontext()
    return limits
