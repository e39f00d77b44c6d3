"""Plain forward functions that keep a cache: ``conv_forward(x, w, b, stride, padding) -> y, cache``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastconv.dropin.conventions.axes import OURS, shape_of, to_ours
from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.convention import Cache, Function, Implementation, parameter_names, takes
from fastconv.dropin.conventions.cs231n import AVG_WORDS, MAX_WORDS, OUTPUT_AND_CACHE, is_cache
from fastconv.dropin.conventions.plain import Plain
from fastconv.dropin.conventions.plain_operations import Conv, Pool
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.conventions.signatures import Form, called_like, means
from fastconv.dropin.conventions.spelling import is_backward, words
from fastconv.dropin.conventions.structure import read_results, structure_of


class _Cached(Plain):
    """What convolution and pooling have in common: the cache, which the fast functions fill with the arguments."""

    cached = True

    def role_of(self, name: str, found: Any) -> str | None:
        if not is_backward(name):
            return super().role_of(name, found)
        names = parameter_names(found)
        fits = takes(found, 2) and means(names[0], "dy") and is_cache(names[1])
        return "backward" if fits and self.is_named({*words(name)}) else None

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        """Output of the forward function, and the cache."""
        found = self.call(implementation, "forward", self.values(implementation, problem))
        axes = self.axes(implementation).y
        shapes = {"y": shape_of(problem.output_shape, OURS.y, axes)}
        parts = read_results(implementation.details, "forward", found, shapes, "cache")
        return to_ours(parts.get("y"), OURS.y, axes), parts.get("cache")

    def forms(self, implementation: Implementation) -> list[Form]:
        return [self.known_form(implementation, "forward")]

    def call_backward(self, implementation: Implementation, problem: Problem, context: Any) -> Any:
        return implementation["backward"](self.values(implementation, problem)["dy"], context)

    def resuming(self, implementation: Implementation, roles: Sequence[str]) -> dict[str, Function]:
        """Their backward function with a cache of theirs in place of ours, which holds the arguments of forward."""
        if not {"forward", "backward"} <= {*roles}:
            return {}
        structure = structure_of(implementation.details, "forward", OUTPUT_AND_CACHE)

        def backward(dy: Any, cache: Any) -> Any:
            if type(cache) is Cache:
                args, kwargs = cache
                cache = structure.read(implementation["forward"](*args, **kwargs)).get("cache")
            return implementation["backward"](dy, cache)

        return {"backward": called_like(implementation["backward"], backward, 2)}

    def as_theirs(
        self, implementation: Implementation, made: dict[str, Callable[[dict[str, Any]], Any]]
    ) -> dict[str, Function]:
        structure = structure_of(implementation.details, "forward", OUTPUT_AND_CACHE)
        read = self.known_form(implementation, "forward").reader()

        def forward(*args: Any, **kwargs: Any) -> Any:
            return structure.made({"y": made["forward"](read(args, kwargs)), "cache": Cache((args, kwargs))})

        def backward(dy: Any, cache: Any) -> Any:
            if type(cache) is not Cache:
                raise Declined
            return made["backward"]({**read(*cache), "dy": dy})

        found: dict[str, Function] = {"forward": forward, "backward": backward}
        if "backward" in implementation:
            found["backward"] = called_like(implementation["backward"], backward, 2)
        return {role: found[role] for role in implementation.targets}


class CachedConv(_Cached, Conv):
    """``conv_forward(x, w, b, stride, padding) -> y, cache``."""

    name = "cached.conv2d"
    form = "conv_forward(x, w, b, stride, padding) -> y, cache; conv_backward(dy, cache) -> dx, dw, db"


class CachedPool(_Cached, Pool):
    """``max_pool_forward(x, size, stride) -> y, cache``."""

    def __init__(self, operation: str, said: set[str]) -> None:
        super().__init__(operation, said)
        kind = operation[:3]
        self.name = f"cached.{operation}"
        self.form = f"{kind}_pool_forward(x, size, stride, padding) -> y, cache; {kind}_pool_backward(dy, cache) -> dx"


CONV = CachedConv()
POOLS = (CachedPool("max_pool2d", MAX_WORDS), CachedPool("avg_pool2d", AVG_WORDS))
