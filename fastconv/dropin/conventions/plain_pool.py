"""Plain poolings: ``max_pool2d(x, kernel_size, stride, padding)`` and ``max_pool2d_backward(dy, x, …)``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.convention import POOL_ROLES, words
from fastconv.dropin.conventions.cs231n import AVG_WORDS, MAX_WORDS
from fastconv.dropin.conventions.expected import Results
from fastconv.dropin.conventions.implementation import Function, Implementation
from fastconv.dropin.conventions.plain import RANKS, SIZES, Plain, planes_of, read, sizes_of, with_axes
from fastconv.dropin.conventions.problem import Pair, Problem
from fastconv.dropin.conventions.signatures import Form

__all__ = ["POOLS"]


class Pool(Plain):
    """``max_pool2d(x, kernel_size, stride=None, padding=0) -> y``."""

    gives = POOL_ROLES
    leading = ("x",)
    others = ("kernel", "kernel_h", "kernel_w", *SIZES)

    def __init__(self, operation: str, said: set[str]) -> None:
        kind = operation[:3]
        self.name, self.operations, self.said = f"plain.{operation}", (operation,), said
        self.form = f"{kind}_pool2d(x, kernel_size, stride, padding) -> y; {kind}_pool2d_backward(dy, x, …) -> dx"

    def role_of(self, name: str, found: Any) -> str | None:
        pools = {word for word in words(name) if "pool" in word}
        return super().role_of(name, found) if pools else None

    def call(self, implementation: Implementation, role: str, values: dict[str, Any]) -> Any:
        defaults = self.known_form(implementation, role).defaults
        if defaults.get("stride", 0) is None and values["stride"] == values["kernel"]:
            values = {**values, "stride": None}  # try that too
        return super().call(implementation, role, values)

    def form_of(self, function: Any, role: str) -> Form | None:
        form = super().form_of(function, role)
        return form if form is not None and ("kernel" in form) != ("kernel_h" in form) else None

    def usual_stride(self, problem: Problem) -> Pair:
        return problem.kernel

    def backward(
        self, implementation: Implementation, problem: Problem, context: Any, role: str | None = None
    ) -> Results:
        rank = self.rank(implementation)
        dx = self.call(implementation, "backward", self.values(problem, rank))
        return Results(None, with_axes(dx, RANKS[rank][0]))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        calls, pairs = replace(calls, pairs=True), self.pairs(implementation)
        axes = RANKS[self.rank(implementation)][0]
        operation = self.operations[0]
        pool, gradient = getattr(calls, operation), getattr(calls, f"{operation}_backward")

        def sizes(values: dict[str, Any]) -> dict[str, Any]:
            if "stride" in values and values["stride"] is None:  # tried: see `values`
                del values["stride"]
            found = sizes_of(values, ("kernel", *SIZES), pairs)
            return found if "kernel" in found else {"kernel": (values["kernel_h"], values["kernel_w"]), **found}

        def forward(values: dict[str, Any]) -> Any:
            return pool(planes_of(values["x"], axes), **sizes(values))[(0,) * len(axes)]

        def backward(values: dict[str, Any]) -> Any:
            x, dy = planes_of(values["x"], axes), planes_of(values["dy"], axes)
            return gradient(dy, x, **sizes(values))[(0,) * len(axes)]

        return read(self, implementation, {"forward": forward, "backward": backward})


POOLS = (Pool("max_pool2d", MAX_WORDS), Pool("avg_pool2d", AVG_WORDS))
