"""One case as a call that can be timed."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastconv.evidence.bench.cases import LOOPS, Case, kind_of
from fastconv.evidence.problem import Call, OperationProblem, bound_call, from_workload
from fastconv.evidence.timing import seed_loops
from fastconv.evidence.workloads import Workload
from fastconv.validation.arrays import Array

_COURSE_BACKENDS = ("fast", "naive")  # the names in the course


class Work(NamedTuple):
    """A call with what it works on.

    Attributes
    ----------
    problem : OperationProblem
        The arrays.
    dy : ndarray or None
        Gradient of the output; None in a forward pass.
    call : callable
        Computes the results by name: ``y``, or ``dx`` and with it ``dweight`` and ``dbias``.
    fault : str or None
        Why the results are known to be wrong.
    promises : str
        The backend whose promise its results keep; empty for what is always direct.
    """

    problem: OperationProblem
    dy: Array | None
    call: Call
    fault: str | None = None
    promises: str = ""


def operation_work(case: Case, workload: Workload, seed: int = 0) -> Work:
    """Draw the arrays of a convolution or pooling and bind the backend to them."""
    problem = from_workload(workload, np.dtype(case.dtype), seed)
    dy = problem.draw_gradient(seed) if case.step == "backward" else None
    if kind_of(case.workload) == "course" and case.backend in _COURSE_BACKENDS:
        return Work(problem, dy, _course_call(problem, dy, case.backend))
    if case.backend == LOOPS:
        bind = _loops_pool if problem.weight is None else _loops_conv
        return Work(problem, dy, bind(problem, dy), _loops_fault(problem, case.step))
    return Work(problem, dy, bound_call(problem, case.backend, dy), promises=case.backend)


def shapes(work: Work) -> dict[str, Any]:
    """Shapes of the arrays by name, and of the result."""
    named = {name: list(array.shape) for name, array in work.problem.arrays().items()}
    return {**named, "y": list(work.problem.output_shape)}


# the cell of CS231n that sets the fast functions against the naive ones


def _course_call(problem: OperationProblem, dy: Array | None, backend: str) -> Call:
    """Bind ``conv_forward_fast`` and the like to the arrays of a problem, its cache made beforehand."""
    from fastconv.compat.cs231n import fast_layers, layers

    module: Any = fast_layers if backend == "fast" else layers
    axes, x = problem.geometry.axes, problem.x
    if problem.weight is not None:
        names: tuple[str, ...] = ("dx", "dweight", "dbias")
        forward, backward = (getattr(module, f"conv_{step}_{backend}") for step in ("forward", "backward"))
        parameters: dict[str, int] = {"stride": axes[0].stride, "pad": axes[0].before}
        arguments: tuple[Any, ...] = (x, problem.weight, problem.bias, parameters)
    else:
        names = ("dx",)
        forward, backward = (getattr(module, f"max_pool_{step}_{backend}") for step in ("forward", "backward"))
        height, width = problem.geometry.kernel
        arguments = x, {"pool_height": height, "pool_width": width, "stride": axes[0].stride}
    if dy is None:
        return lambda: {"y": forward(*arguments)[0]}
    _, cache = forward(*arguments)

    def gradients() -> dict[str, Array]:
        found = backward(dy, cache)
        return dict(zip(names, found if isinstance(found, tuple) else (found,)))

    return gradients


# the frozen loops, called as a backend would be


def _loops_fault(problem: OperationProblem, step: str) -> str | None:
    """Say why the loops give a wrong result here, as their original does; None where it is right."""
    overlapping = any(axis.stride < axis.extent for axis in problem.geometry.axes)
    if problem.operation == "max_pool2d" and step == "backward" and overlapping:
        return "not checked: where windows overlap, the loops of the tutorials overwrite the gradient"
    return None


def _loops_conv(problem: OperationProblem, dy: Array | None) -> Call:
    """Bind the loops to the arrays of a problem with the same padding on both sides."""
    loops, axes, groups = seed_loops(), problem.geometry.axes, getattr(problem.geometry, "groups", 1)
    x, weight = problem.x, problem.weight
    bias = np.zeros(problem.geometry.output_shape[1], problem.dtype) if problem.bias is None else problem.bias
    stride, pad = (axes[0].stride, axes[1].stride), (axes[0].before, axes[1].before)
    forward, backward = loops.conv_forward, loops.conv_backward
    if groups > 1:
        forward = partial(loops.conv_forward_grouped, groups=groups)
        backward = partial(loops.conv_backward_grouped, groups=groups)
    if dy is None:
        return lambda: {"y": forward(x, weight, bias, stride, pad)}
    return lambda: dict(zip(("dx", "dweight", "dbias"), backward(dy, x, weight, bias, stride, pad)))


def _loops_pool(problem: OperationProblem, dy: Array | None) -> Call:
    """The loops do not pad, so the padding is written around the images before the clock starts."""
    loops, (rows, columns), kernel = seed_loops(), problem.geometry.axes, problem.geometry.kernel
    maximum = problem.operation == "max_pool2d"
    around = ((0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after))
    x = np.pad(problem.x, around, constant_values=-np.inf if maximum else 0)
    stride = (rows.stride, columns.stride)
    if dy is None:
        forward = loops.max_pool_forward if maximum else loops.avg_pool_forward
        return lambda: {"y": forward(x, *kernel, stride)}
    backward = loops.max_pool_backward if maximum else loops.avg_pool_backward
    inside = (..., slice(rows.before, rows.before + rows.size), slice(columns.before, columns.before + columns.size))
    return lambda: {"dx": backward(dy, x, *kernel, stride)[inside]}
