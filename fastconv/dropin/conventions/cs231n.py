"""The course CS231n: functions on (N, C, H, W), sizes in a dict, a cache for the backward pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import Cache, Convention, Function, Implementation, parameter_names, words
from fastconv.dropin.conventions.expected import CONV_ROLES, Results
from fastconv.dropin.conventions.problem import Problem

# Functions of several layers in one, and of other operations, have these in their names.
FORBIDDEN = {"relu", "bn", "batchnorm", "norm", "affine", "softmax", "transpose", "deconv", "depthwise", "dropout"}
CONV_WORDS = {"conv", "conv2d", "convolution", "convolution2d", "convolve", "convolve2d", "convlayer"}
MAX_WORDS = {"max", "maxpool", "maxpool2d", "maxpooling"}
AVG_WORDS = {"avg", "mean", "average", "avgpool", "avgpool2d", "avgpooling", "meanpool", "averagepool"}
POOL_WORDS = MAX_WORDS | AVG_WORDS | {"pool", "pooling"}


def cached_role(
    name: str, found: Any, wanted: set[str], unwanted: set[str], forward: Callable[[list[str]], bool]
) -> str | None:
    """Return the role of ``…forward…`` with fitting names of parameters, or of ``…backward…(dout, cache, …)``."""
    said = set(words(name))
    if said & (FORBIDDEN | unwanted) or not said & wanted:
        return None
    names = parameter_names(found)
    if said & {"backward", "bwd", "backprop"} and len(names) >= 2 and "cache" in names[1]:
        return "backward"
    return "forward" if said & {"forward", "fwd"} and forward(names) else None


def _sizes_last(count: int) -> Callable[[list[str]], bool]:
    """Whether the last of so many parameters is the dict of sizes."""
    return lambda names: len(names) == count and "param" in names[-1] and not names[-1].startswith("h")


def known(sizes: Any, count: int) -> Any:
    """A dict of sizes with so many keys; another key may mean something to the original, which gets the call then."""
    if len(sizes) != count:
        raise Declined
    return sizes


class Cached(Convention):
    """What convolution and pooling have in common: a cache that goes from forward to backward."""

    source = "Stanford CS231n, assignment 2, layers.py"

    def unpacked(self, cache: Any, calls: Calls) -> tuple[Any, ...]:
        """Contents of a cache, if it is one of ours, or like ours."""
        if type(cache) is not Cache and not calls.foreign:
            raise Declined
        return tuple(cache)

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        """Output and cache; without a forward function the documented cache."""
        arguments = self.arguments(implementation, problem)
        if "forward" not in implementation:
            return None, arguments
        y, cache = implementation["forward"](*arguments, **self.keywords(problem))
        return y, cache

    def keywords(self, problem: Problem) -> dict[str, Any]:
        """Arguments of both functions that are given by name."""
        return {}

    def resuming(self, implementation: Implementation, roles: Sequence[str]) -> dict[str, Function]:
        """Their backward function with a cache of theirs in place of ours, which holds the arguments of forward."""
        if not {"forward", "backward"} <= {*roles}:
            return {}

        forward, original = implementation["forward"], implementation["backward"]
        signature = inspect.signature(original)

        def backward(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            _, (name, cache), *others = bound.arguments.items()  # such as the mode of a pooling
            if type(cache) is Cache:
                _, bound.arguments[name] = forward(*cache, **dict(others))
            return original(*bound.args, **bound.kwargs)

        return {"backward": backward}

    def arguments(self, implementation: Implementation, problem: Problem) -> tuple[Any, ...]:
        """Arguments of the forward function, which are what the documented cache holds."""
        raise NotImplementedError


class Conv(Cached):
    """``conv_forward(x, w, b, conv_param) -> out, cache``."""

    name = "cs231n.conv2d"
    operations = ("conv2d",)
    form = "conv_forward…(x, w, b, conv_param) -> out, cache; conv_backward…(dout, cache) -> dx, dw, db"
    gives = CONV_ROLES

    def role_of(self, name: str, found: Any) -> str | None:
        return cached_role(name, found, CONV_WORDS, POOL_WORDS, _sizes_last(4))

    def arguments(self, implementation: Implementation, problem: Problem) -> tuple[Any, ...]:
        sizes = {"stride": problem.stride[0], "pad": problem.padding[0]}
        return *map(problem.stored, (problem.x, *problem.filters)), sizes

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        dx, dweight, dbias = implementation["backward"](problem.stored(problem.gradient), context)
        return Results(None, dx, dweight, dbias)

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        def forward(x: Any, w: Any, b: Any, conv_param: Any) -> tuple[Any, Any]:
            stride, padding = known(conv_param, 2)["stride"], conv_param["pad"]
            y = calls.conv2d(x, w, b, stride=stride, padding=padding)
            return y, Cache((x, w, b, conv_param))

        def backward(dout: Any, cache: Any) -> Any:
            x, w, b, conv_param = self.unpacked(cache, calls)
            stride, padding = known(conv_param, 2)["stride"], conv_param["pad"]
            return calls.conv2d_backward(dout, x, w, b, stride=stride, padding=padding)

        return {"forward": forward, "backward": backward}


class Pool(Cached):
    """``max_pool_forward(x, pool_param) -> out, cache``."""

    missing = ("dilation", "padding")
    single = ("stride",)

    def __init__(self, operation: str, said: set[str]) -> None:
        kind = operation[:3]
        self.name = f"cs231n.{operation}"
        self.operations = (operation,)
        self.form = f"{kind}_pool_forward…(x, pool_param) -> out, cache; {kind}_pool_backward…(dout, cache) -> dx"
        self._said = said

    def role_of(self, name: str, found: Any) -> str | None:
        return cached_role(name, found, self._said, CONV_WORDS, _sizes_last(2))

    def arguments(self, implementation: Implementation, problem: Problem) -> tuple[Any, ...]:
        height, width = problem.kernel
        return problem.stored(problem.x), {"pool_height": height, "pool_width": width, "stride": problem.stride[0]}

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        return Results(None, implementation["backward"](problem.stored(problem.gradient), context))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        operation = self.operations[0]

        def forward(x: Any, pool_param: Any) -> tuple[Any, Any]:
            kernel = known(pool_param, 3)["pool_height"], pool_param["pool_width"]
            y = calls.pool2d(operation, x, kernel, stride=pool_param["stride"])
            return y, Cache((x, pool_param))

        def backward(dout: Any, cache: Any) -> Any:
            x, pool_param = self.unpacked(cache, calls)
            kernel = known(pool_param, 3)["pool_height"], pool_param["pool_width"]
            return calls.pool2d_backward(operation, dout, x, kernel, stride=pool_param["stride"])

        return {"forward": forward, "backward": backward}


CONV = Conv()
POOLS = (Pool("max_pool2d", MAX_WORDS), Pool("avg_pool2d", AVG_WORDS))
