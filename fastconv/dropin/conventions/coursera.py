"""The course of deeplearning.ai: functions on (N, H, W, C), sizes in `hparameters`, a cache for the backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import Cache, Function, Implementation, parameter_names
from fastconv.dropin.conventions.cs231n import CONV_WORDS, POOL_WORDS, Cached, cached_role, known
from fastconv.dropin.conventions.expected import CONV_ROLES, Results
from fastconv.dropin.conventions.gradients import GRADIENT, made_gradients, read_gradients
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.conventions.structure import read_results, structure_of
from fastconv.dropin.conventions.ties import rule_of
from fastconv.dropin.conventions.trying import BIASES, bias_as, bias_of

LAYOUT = "NHWC"
FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)  # from NHWC to NCHW, and back
FILTERS, TO_FILTERS = (3, 2, 0, 1), (2, 3, 1, 0)  # from (f, f, C, F) to (F, C, f, f), and back
MODES = {"max_pool2d": "max", "avg_pool2d": "average"}
_USUAL_BIAS = "(1, 1, 1, F)"
POOL_OF_MODE = {mode: operation for operation, mode in MODES.items()}


def _moved(array: Any, axes: tuple[int, ...]) -> Any:
    """Transpose what is an array of so many axes; anything else is left for the judge."""
    return array.transpose(axes) if isinstance(array, np.ndarray) and array.ndim == len(axes) else array


def _options(sizes: Any, weight: Any) -> dict[str, Any]:
    """Sizes of a convolution with square kernels; their size may be said among them."""
    if weight.shape[0] != weight.shape[1]:
        raise Declined
    known(sizes, 2 + ("f" in sizes))
    return {"stride": sizes["stride"], "padding": sizes["pad"], "layout": LAYOUT}


def _size(sizes: Any) -> int:
    """The one size of square windows."""
    size: int = known(sizes, 2)["f"]
    if not isinstance(size, (int, np.integer)):
        raise Declined
    return size


class _Coursera(Cached):
    source = "deeplearning.ai, Convolutional Neural Networks, week 1"

    def likes(self, found: Any) -> bool:
        return parameter_names(found)[:1] in (["dz"], ["da"], ["dh"], ["a_prev"])

    def cannot_express(self, implementation: Implementation, problem: Problem) -> str | None:
        if problem.kernel[0] != problem.kernel[1]:
            return "its kernels are square"
        return super().cannot_express(implementation, problem)

    def moved(self, y: Any) -> Any:
        return _moved(y, FIRST)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(shape[axis] for axis in LAST)


class Conv(_Coursera):
    """``conv_forward(A_prev, W, b, hparameters) -> Z, cache``."""

    name = "coursera.conv2d"
    operations = ("conv2d",)
    form = "conv_forward(A_prev, W, b, hparameters) -> Z, cache; conv_backward(dZ, cache) -> dA_prev, dW, db"
    gives = CONV_ROLES
    usual_bias = _USUAL_BIAS
    ways = tuple({"bias": bias} for bias in sorted(BIASES, key=lambda bias: bias != _USUAL_BIAS))

    def role_of(self, name: str, found: Any) -> str | None:
        return cached_role(name, found, CONV_WORDS, POOL_WORDS, 4, lambda sizes: sizes.startswith(("hparam", "hyper")))

    def arguments(self, implementation: Implementation, problem: Problem) -> tuple[Any, ...]:
        x, weight = problem.x.transpose(LAST), problem.filters[0].transpose(TO_FILTERS)
        bias = bias_as(problem, implementation.details.get("bias", _USUAL_BIAS))
        sizes = {"stride": problem.stride[0], "pad": problem.padding[0]}
        return problem.stored(x), problem.stored(weight), bias, sizes

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        dy = problem.stored(problem.gradient.transpose(LAST))
        filters, channels, *kernel = problem.filters[0].shape
        found = implementation["backward"](dy, context)
        weight = (*kernel, channels, filters)
        parts = read_gradients(implementation.details, found, self.shape(problem.x.shape), weight, filters)
        return Results(None, _moved(parts.get("dx"), FIRST), _moved(parts.get("dweight"), FILTERS), parts.get("dbias"))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        shape, result = implementation.details.get("bias", _USUAL_BIAS), self.result(implementation)
        gradients = made_gradients(implementation.details)

        def forward(A_prev: Any, W: Any, b: Any, hparameters: Any) -> Any:
            options = _options(hparameters, W)
            y = calls.conv2d(A_prev, W.transpose(FILTERS), bias_of(b, shape, W.shape[3]), **options)
            return result(y, Cache((A_prev, W, b, hparameters)))

        def backward(dZ: Any, cache: Any) -> Any:
            x, weight, b, sizes = self.unpacked(cache, calls)
            options, bias = _options(sizes, weight), bias_of(b, shape, weight.shape[3])
            dx, dweight, dbias = calls.conv2d_backward(dZ, x, weight.transpose(FILTERS), bias, **options)
            return gradients(dx, calls.stored(dweight.transpose(TO_FILTERS)), dbias)

        return self.called(implementation, {"forward": (forward, 4), "backward": (backward, 2)})


class Pool(_Coursera):
    """``pool_forward(A_prev, hparameters, mode="max") -> A, cache``."""

    name = "coursera.pool2d"
    operations = ("max_pool2d", "avg_pool2d")
    form = (
        "pool_forward(A_prev, hparameters, mode='max'|'average') -> A, cache; pool_backward(dA, cache, mode) -> dA_prev"
    )

    def role_of(self, name: str, found: Any) -> str | None:
        wanted = {"pool", "pooling", "pool2d"}
        role = cached_role(name, found, wanted, set(), 2, lambda sizes: sizes in ("hparameters", "hyperparameters"))
        return role if "mode" in parameter_names(found)[2:3] else None

    def cannot_express(self, implementation: Implementation, problem: Problem) -> str | None:
        if problem.padding != (0, 0):
            return "it has no padding"
        return super().cannot_express(implementation, problem)

    def arguments(self, implementation: Implementation, problem: Problem) -> tuple[Any, ...]:
        return problem.stored(problem.x.transpose(LAST)), {"f": problem.kernel[0], "stride": problem.stride[0]}

    def keywords(self, problem: Problem) -> dict[str, Any]:
        return {"mode": MODES[problem.operation]}

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        dy = problem.stored(problem.gradient.transpose(LAST))
        found = implementation["backward"](dy, context, **self.keywords(problem))
        shapes = {"dx": self.shape(problem.x.shape)}
        return Results(None, _moved(read_results(implementation.details, "backward", found, shapes).get("dx"), FIRST))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        result = self.result(implementation)
        gradient = structure_of(implementation.details, "backward", GRADIENT)

        def forward(A_prev: Any, hparameters: Any, mode: str = "max") -> Any:
            y = calls.pool2d(
                POOL_OF_MODE[mode], A_prev, _size(hparameters), stride=hparameters["stride"], layout=LAYOUT
            )
            return result(y, Cache((A_prev, hparameters)))

        def backward(dA: Any, cache: Any, mode: str = "max") -> Any:
            x, sizes = self.unpacked(cache, calls)
            options = {"stride": sizes["stride"], "layout": LAYOUT, "ties": rule_of(implementation.details)}
            return gradient.made({"dx": calls.pool2d_backward(POOL_OF_MODE[mode], dA, x, _size(sizes), **options)})

        return self.called(implementation, {"forward": (forward, 3), "backward": (backward, 3)})


CONV, POOL = Conv(), Pool()
