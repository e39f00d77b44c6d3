"""One case as a call that can be timed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastconv.comparison.passes import backward, forward, winners
from fastconv.comparison.problem import Problem, from_workload
from fastconv.comparison.timing import Call
from fastconv.suite.cases import LOOPS, Case, kind_of
from fastconv.suite.course import COURSE_BACKENDS, course_call
from fastconv.suite.loops import loops_call, loops_fault
from fastconv.validation.arrays import Array
from fastconv.workloads import Workload

__all__ = ["Work", "operation_work", "shapes"]


class Work(NamedTuple):
    """A call with what it works on.

    Attributes
    ----------
    problem : Problem
        The arrays.
    dy : ndarray or None
        Gradient of the output; None in a forward pass.
    call : callable
        Computes the results by name: ``y``, or ``dx`` and with it ``dweight`` and ``dbias``.
    fault : str or None
        Why the results are known to be wrong.
    """

    problem: Problem
    dy: Array | None
    call: Call
    fault: str | None = None


def operation_work(case: Case, workload: Workload, seed: int = 0) -> Work:
    """Draw the arrays of a convolution or pooling and bind the backend to them."""
    problem = from_workload(workload, np.dtype(case.dtype), seed)
    dy = None
    if case.step == "backward":
        dy = np.random.default_rng([seed, 1]).standard_normal(problem.output_shape).astype(problem.dtype)
    if kind_of(case.workload) == "course" and case.backend in COURSE_BACKENDS:
        return Work(problem, dy, course_call(problem, dy, case.backend))
    if case.backend == LOOPS:
        return Work(problem, dy, loops_call(problem, dy), loops_fault(problem, case.step))
    return Work(problem, dy, _backend_call(problem, dy, case.backend))


def _backend_call(problem: Problem, dy: Array | None, backend: str) -> Call:
    if dy is None:
        return lambda: forward(problem, backend)
    gradient, indices = dy, winners(problem, backend)
    return lambda: backward(problem, backend, gradient, indices)


def shapes(work: Work) -> dict[str, Any]:
    """Shapes of the arrays by name, and of the result."""
    named = {name: list(array.shape) for name, array in work.problem.arrays().items()}
    return {**named, "y": list(work.problem.output_shape)}
