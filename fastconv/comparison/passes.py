"""The two passes of a problem on a named backend."""

from __future__ import annotations

from fastconv import functional
from fastconv.comparison.problem import Problem
from fastconv.validation.arrays import Array

__all__ = ["backward", "forward", "winners"]

_CONV_OPTIONS = ("stride", "padding", "dilation", "groups", "layout")


def forward(problem: Problem, backend: str) -> dict[str, Array]:
    """Compute the result, under the name ``y``."""
    operation = getattr(functional, problem.operation)
    return {"y": operation(**problem.arrays(), **problem.arguments, backend=backend)}


def winners(problem: Problem, backend: str) -> Array | None:
    """Positions of the maxima, which only the gradient of a max pooling needs."""
    if problem.operation != "max_pool2d":
        return None
    return functional.max_pool2d(problem.x, **problem.arguments, return_indices=True, backend=backend)[1]


def backward(problem: Problem, backend: str, dy: Array, indices: Array | None) -> dict[str, Array]:
    """Compute every gradient, under the names ``dx``, ``dweight`` and ``dbias``."""
    if problem.weight is not None:
        options = {name: value for name, value in problem.arguments.items() if name in _CONV_OPTIONS}
        gradients = functional.conv2d_backward(dy, problem.x, problem.weight, **options, backend=backend)
        return {name: array for name, array in gradients._asdict().items() if array is not None}
    if indices is not None:
        layout = problem.arguments.get("layout", "NCHW")
        return {"dx": functional.max_pool2d_backward(dy, indices, problem.x.shape, layout=layout, backend=backend)}
    return {"dx": functional.avg_pool2d_backward(dy, problem.x.shape, **problem.arguments, backend=backend)}
