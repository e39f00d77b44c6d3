"""How a case becomes ready to be timed: arrays drawn, first call made, results checked, everything written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module, util
from math import prod
from typing import Any, NamedTuple

from fastconv.backends.settings import get_num_threads
from fastconv.errors import InvalidValueError
from fastconv.evidence.bench.cases import Case, Network, entry, sized
from fastconv.evidence.bench.correctness import Agreement, ResultCheck
from fastconv.evidence.bench.family import Member
from fastconv.evidence.bench.family_work import check_member, member_work
from fastconv.evidence.bench.network_work import check_network, network_work
from fastconv.evidence.bench.operation_work import operation_work, shapes
from fastconv.evidence.environment import blas_libraries, current_environment, current_load, version_of
from fastconv.evidence.quiet import Watch
from fastconv.evidence.timing import once, settle
from fastconv.evidence.workloads import Workload
from fastconv.report import plain_data

_PEAK, _SMALL_PEAK = 0.02, 0.001  # seconds
_OTHERS = ("scipy", "torch", "threadpoolctl")
_FEW, _TWO = 4, 2  # images of a network and of one of the family, only checked; batch norm needs more than one


_Checked = tuple[Callable[[], object], dict[str, Any], Agreement]  # what to time, its sizes, its error


class Ready(NamedTuple):
    """A case whose results are right.

    Attributes
    ----------
    call : callable
        What to time.
    info : dict
        What goes beside its time: names, sizes, error, operations.
    """

    call: Callable[[], object]
    info: dict[str, Any]


class Preparation:
    """Prepares one case after another.

    Parameters
    ----------
    batch : int, optional
        Images of every layer; its own number by default.
    small : bool
        Take one image of each: to check without timing.
    check : ResultCheck, optional
        Who says what is right.
    """

    def __init__(self, *, batch: int | None = None, small: bool = False, check: ResultCheck | None = None) -> None:
        self._batch, self._small = batch, small
        self._check = ResultCheck(get_num_threads()) if check is None else check

    def prepare(self, case: Case) -> Ready:
        """Make a case ready.

        Raises
        ------
        WrongResultError
            If a result of it is wrong: it is not to be timed.
        """
        line = entry(case.workload)
        if line.workload is not None:
            call, sizes, found = self._operation(case, line.workload)
        elif line.network is not None:
            call, sizes, found = self._network(case, line.network)
        elif line.member is not None:
            call, sizes, found = self._member(case, line.member)
        else:
            raise InvalidValueError(
                f"bench: {case.workload} must be a convolution, a pooling, a network or one of the family."
            )
        info = {**case._asdict(), "description": line.description, **sizes, **found._asdict(), **before()}
        return Ready(call, info)

    def _operation(self, case: Case, workload: Workload) -> _Checked:
        whole = sized(workload, "fast", batch=self._batch, small=self._small)
        work = operation_work(case, sized(workload, case.backend, batch=self._batch, small=self._small))
        first, results = once(work.call)
        passes = 1 if case.step == "forward" else 2  # backward: dx and dweight
        sizes = {
            "shapes": shapes(work),
            "arguments": plain_data(work.problem.arguments),
            "outputs": work.problem.outputs,
            "whole_outputs": prod(whole.output_shape),
            "flops": 2 * passes * work.problem.multiply_adds,
            "first_seconds": first,
        }
        return work.call, sizes, self._check.check(case, work, results)

    def _network(self, case: Case, network: Network) -> _Checked:
        batch = _FEW if self._small else self._batch or network.batch
        work = network_work(case, network, batch)
        sizes = {"shapes": work.shapes, "arguments": {"parameters": work.parameters}, "flops": work.flops}
        return work.call, sizes, check_network(case, network, batch, work)

    def _member(self, case: Case, member: Member) -> _Checked:
        batch = _TWO if self._small else self._batch
        work = member_work(case, member, batch)
        sizes = {"shapes": work.shapes, "arguments": {"call": str(member)}}
        return work.call, sizes, check_member(case, member, work, batch)

    def peak(self, dtype: str) -> float | None:
        """GFLOP/s of nothing but multiply-adds, now; None without Numba.

        It waits until the threads of NumPy's BLAS sleep. They spin for a while after each product (OpenBLAS: about
        30 ms), and took half of the peak of two cores; they would slow down as well what is timed next.
        """
        if not self._small:
            settle()
        return peak(dtype, get_num_threads(), _SMALL_PEAK if self._small else _PEAK)

    def end(self) -> None:
        """End what was started."""
        self._check.end()


def before() -> dict[str, Any]:
    """Threads and load at the beginning of a case."""
    return {"threads": get_num_threads(), "load": current_load()}


def peak(dtype: str, threads: int, seconds: float = _PEAK) -> float | None:
    """GFLOP/s of nothing but multiply-adds, now; None without Numba."""
    if util.find_spec("numba") is None:
        return None
    measure = import_module("fastconv.evidence.peak").measure_peak
    return float(measure(dtype, threads, seconds))


def doubts(watch: Watch) -> str:
    """Say why the times since a watch began are not reliable; nothing on a quiet machine."""
    return watch.judged(current_environment()).unreliable


def facts(dtypes: tuple[str, ...]) -> dict[str, Any]:
    """What the machine is, which versions run on it, and its peak with one thread and with all."""
    here = asdict(current_environment())
    here["versions"] |= {name: version for name in _OTHERS if (version := version_of(name)) is not None}
    counts = sorted({1, get_num_threads()})
    here["peaks"] = {dtype: {str(threads): peak(dtype, threads) for threads in counts} for dtype in dtypes}
    here["blas"] = blas_libraries() or []
    return here
