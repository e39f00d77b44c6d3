"""The cell of CS231n that sets the fast functions against the naive ones, through the stand-ins for its modules."""

from __future__ import annotations

from typing import Any

from fastconv.comparison.problem import Problem
from fastconv.comparison.timing import Call
from fastconv.validation.arrays import Array

__all__ = ["COURSE_BACKENDS", "course_call"]

COURSE_BACKENDS = ("fast", "naive")  # the names in the course


def course_call(problem: Problem, dy: Array | None, backend: str) -> Call:
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
