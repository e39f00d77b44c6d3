"""The course CS231n: functions on (N, C, H, W), sizes in a dict, a cache for the backward pass."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import Cache, Convention, Function, Implementation, parameter_names, takes
from fastconv.dropin.conventions.expected import CONV_ROLES, Results
from fastconv.dropin.conventions.gradients import GRADIENT, made_gradients, read_gradients
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.conventions.signatures import called_like
from fastconv.dropin.conventions.spelling import is_backward, words
from fastconv.dropin.conventions.structure import Structure, read_results, structure_of
from fastconv.dropin.conventions.ties import rule_of
from fastconv.dropin.conventions.trying import BIASES, Way, bias_as, bias_of, forward_in_some_way

# Functions of several layers in one, and of other operations, have these in their names.
FORBIDDEN = {"relu", "bn", "batchnorm", "norm", "affine", "softmax", "transpose", "deconv", "depthwise", "dropout"}
CONV_WORDS = {"conv", "conv2d", "convolution", "convolution2d", "convolve", "convolve2d", "convlayer"}
MAX_WORDS = {"max", "maxpool", "maxpool2d", "maxpooling"}
AVG_WORDS = {"avg", "mean", "average", "avgpool", "avgpool2d", "avgpooling", "meanpool", "averagepool"}
POOL_WORDS = MAX_WORDS | AVG_WORDS | {"pool", "pooling", "pool2d"}
_CACHES = {"c", "ctx", "context", "saved", "mem", "memory", "kept", "stored"}
_SIZES = re.compile("^(?!h).*param|config|options|settings")
OUTPUT_AND_CACHE = Structure({"y": ("item", 0), "cache": ("item", 1)}, (None, None))


def cached_role(
    name: str, found: Any, wanted: set[str], unwanted: set[str], count: int, sizes: Callable[[str], object]
) -> str | None:
    """Return the role of a function: forward, of so many arguments, the last for sizes, or backward, of two or more.

    Parameters
    ----------
    name, found : str, callable
        The function.
    wanted, unwanted : set of str
        Words of which its name has one, or none.
    count : int
        Arguments of a forward function; further parameters have defaults.
    sizes : callable
        Whether the name of the last of them says that it holds the sizes.
    """
    said = set(words(name))
    if said & (FORBIDDEN | unwanted) or not said & wanted:
        return None
    names = parameter_names(found)
    if is_backward(name):
        return "backward" if takes(found, 2) and is_cache(names[1]) else None
    return "forward" if takes(found, count) and sizes(names[count - 1]) else None


def is_cache(name: str) -> bool:
    """Whether the name of a parameter says that it is what a forward pass has kept."""
    return "cache" in name or name in _CACHES


def known(sizes: Any, count: int) -> Any:
    """A dict of sizes with so many keys; another key may mean something to the original, which gets the call then."""
    if len(sizes) != count:
        raise Declined
    return sizes


class Cached(Convention):
    """What convolution and pooling have in common: a cache that goes from forward to backward."""

    source = "Stanford CS231n, assignment 2, layers.py"
    ways: tuple[Way, ...] = ({},)  # to call the forward function, the usual one first

    def unpacked(self, cache: Any, calls: Calls) -> tuple[Any, ...]:
        """Contents of a cache, if it is one of ours, or like ours."""
        if type(cache) is not Cache and not calls.foreign:
            raise Declined
        return tuple(cache)

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        """Output and cache; without a forward function the documented cache."""
        if "forward" not in implementation:
            return None, self.arguments(implementation, problem)
        return forward_in_some_way(implementation, problem, self.ways, lambda: self._forward(implementation, problem))

    def _forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        arguments = self.arguments(implementation, problem)
        found = implementation["forward"](*arguments, **self.keywords(problem))
        shape = self.shape(problem.output_shape)
        parts = read_results(implementation.details, "forward", found, {"y": shape}, "cache")
        return self.moved(parts.get("y")), parts.get("cache", arguments)

    def moved(self, y: Any) -> Any:
        """An output with its axes as fastconv orders them."""
        return y

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of images (N, C, H, W) as these functions have them."""
        return shape

    def result(self, implementation: Implementation) -> Callable[[Any, Cache], Any]:
        """Return what puts an output and a cache into a result like theirs."""
        structure = structure_of(implementation.details, "forward", OUTPUT_AND_CACHE)
        return lambda y, cache: structure.made({"y": y, "cache": cache})

    def called(self, implementation: Implementation, made: dict[str, tuple[Function, int]]) -> dict[str, Function]:
        """Functions of so many arguments as functions with the parameters of the originals."""
        return {role: called_like(implementation[role], *made[role]) for role in implementation.targets}

    def keywords(self, problem: Problem) -> dict[str, Any]:
        """Arguments of both functions that are given by name."""
        return {}

    def resuming(self, implementation: Implementation, roles: Sequence[str]) -> dict[str, Function]:
        """Their backward function with a cache of theirs in place of ours, which holds the arguments of forward."""
        if not {"forward", "backward"} <= {*roles}:
            return {}

        forward, original = implementation["forward"], implementation["backward"]
        signature = inspect.signature(original)
        structure = structure_of(implementation.details, "forward", OUTPUT_AND_CACHE)

        def backward(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            _, (name, cache), *others = bound.arguments.items()  # such as the mode of a pooling
            if type(cache) is Cache:
                kept = structure.read(forward(*cache, **dict(others)))
                bound.arguments[name] = kept.get("cache", tuple(cache))
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
        return cached_role(name, found, CONV_WORDS, POOL_WORDS, 4, _SIZES.search)

    usual_bias = "(F,)"
    ways = tuple({"bias": bias, "paired": paired} for paired in (False, True) for bias in BIASES)

    def limits(self, implementation: Implementation) -> tuple[Sequence[str], Sequence[str]]:
        return self.missing, () if implementation.details.get("paired") else self.single

    def arguments(self, implementation: Implementation, problem: Problem) -> tuple[Any, ...]:
        way = {**self.ways[0], **implementation.details}
        sizes: dict[str, Any] = {"stride": problem.stride, "pad": problem.padding}
        if not way["paired"]:
            sizes = {name: pair[0] for name, pair in sizes.items()}
        return problem.stored(problem.x), problem.stored(problem.filters[0]), bias_as(problem, way["bias"]), sizes

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        found = implementation["backward"](problem.stored(problem.gradient), context)
        weight, bias = problem.filters
        parts = read_gradients(implementation.details, found, problem.x.shape, weight.shape, len(bias))
        return Results(None, **parts)

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        way, result = {**self.ways[0], **implementation.details}, self.result(implementation)
        gradients, calls = made_gradients(implementation.details), replace(calls, pairs=way["paired"])

        def options(conv_param: Any) -> dict[str, Any]:
            sizes = known(conv_param, 2)
            if way["paired"] and not all(isinstance(sizes[name], (tuple, list)) for name in ("stride", "pad")):
                raise Declined
            return {"stride": sizes["stride"], "padding": sizes["pad"]}

        def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
            y = calls.conv2d(x, w, bias_of(b, way["bias"], len(w)), **options(conv_param))
            return result(y, Cache((x, w, b, conv_param)))

        def backward(dout: Any, cache: Any) -> Any:
            x, w, b, conv_param = self.unpacked(cache, calls)
            bias = bias_of(b, way["bias"], len(w))
            return gradients(*calls.conv2d_backward(dout, x, w, bias, **options(conv_param)))

        return self.called(implementation, {"forward": (forward, 4), "backward": (backward, 2)})


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
        return cached_role(name, found, self._said, CONV_WORDS, 2, _SIZES.search)

    def arguments(self, implementation: Implementation, problem: Problem) -> tuple[Any, ...]:
        height, width = problem.kernel
        return problem.stored(problem.x), {"pool_height": height, "pool_width": width, "stride": problem.stride[0]}

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        found = implementation["backward"](problem.stored(problem.gradient), context)
        return Results(None, **read_results(implementation.details, "backward", found, {"dx": problem.x.shape}))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        operation, result = self.operations[0], self.result(implementation)
        gradient = structure_of(implementation.details, "backward", GRADIENT)

        def forward(x: Any, pool_param: Any) -> Any:
            kernel = known(pool_param, 3)["pool_height"], pool_param["pool_width"]
            y = calls.pool2d(operation, x, kernel, stride=pool_param["stride"])
            return result(y, Cache((x, pool_param)))

        def backward(dout: Any, cache: Any) -> Any:
            x, pool_param = self.unpacked(cache, calls)
            kernel = known(pool_param, 3)["pool_height"], pool_param["pool_width"]
            options = {"stride": pool_param["stride"], "ties": rule_of(implementation.details)}
            dx = calls.pool2d_backward(operation, dout, x, kernel, **options)
            return gradient.made({"dx": dx})

        return self.called(implementation, {"forward": (forward, 2), "backward": (backward, 2)})


CONV = Conv()
POOLS = (Pool("max_pool2d", MAX_WORDS), Pool("avg_pool2d", AVG_WORDS))
