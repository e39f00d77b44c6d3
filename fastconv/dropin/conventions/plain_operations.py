"""Plain convolutions and poolings: ``conv2d(x, w, b, stride, padding)`` and ``max_pool2d_backward(dy, x, …)``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.convention import Function, Implementation, words
from fastconv.dropin.conventions.cs231n import AVG_WORDS, CONV_WORDS, MAX_WORDS
from fastconv.dropin.conventions.expected import CONV_ROLES, Results
from fastconv.dropin.conventions.plain import RANKS, Plain, planes_of, read, sizes_of, with_axes
from fastconv.dropin.conventions.problem import SIZES, Pair, Problem
from fastconv.dropin.conventions.signatures import Form

_CORRELATION_WORDS = {"correlate", "correlate2d", "corr2d", "correlation", "xcorr2d"}


class Conv(Plain):
    """``conv2d(x, w, b=None, stride=1, padding=0, dilation=1) -> y``."""

    name = "plain.conv2d"
    operations = ("conv2d",)
    form = "conv2d(x, w, b, stride, padding, dilation) -> y; conv2d_backward(dy, x, w, …) -> dx, dw, db"
    gives = CONV_ROLES
    leading = ("x", "weight")
    others = ("bias", *SIZES)
    said = CONV_WORDS | _CORRELATION_WORDS

    def adapted(self, implementation: Implementation, problem: Problem) -> Problem:
        problem = super().adapted(implementation, problem)
        biased = "forward" not in implementation or "bias" in self.known_form(implementation, "forward")
        return problem if biased else replace(problem, bias=np.zeros_like(problem.filters[1]))

    def arrays(self, implementation: Implementation, role: str) -> tuple[str, ...]:
        return self.gives[role][: implementation.details.get("gradients", 3)] if role == "backward" else ("y",)

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        rank = self.rank(implementation)
        planes, filters = RANKS[rank]
        found = self.call(implementation, "backward", self.values(problem, rank))
        if not isinstance(found, tuple) or len(found) not in (2, 3):
            raise TypeError(f"{implementation.label} returns no pair or triple of gradients")
        count = implementation.details.setdefault("gradients", len(found))
        if len(found) != count:
            raise TypeError(f"{implementation.label} returns {len(found)} gradients, and at first {count}")
        dx, dweight = with_axes(found[0], planes), with_axes(found[1], filters)
        dbias = found[2] if len(found) == 3 else None
        return Results(
            None, dx, dweight, np.reshape(dbias, 1) if filters and dbias is not None and np.ndim(dbias) == 0 else dbias
        )

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        calls, pairs = replace(calls, pairs=True), self.pairs(implementation)
        planes, filters = RANKS[self.rank(implementation)]
        outputs, count = self._output_axes(self.rank(implementation)), implementation.details.get("gradients", 3)

        def forward(values: dict[str, Any]) -> Any:
            bias = values.get("bias")
            x, weight = planes_of(values["x"], planes), planes_of(values["weight"], filters)
            if bias is not None and filters:
                bias = np.reshape(bias, 1)
            y = calls.conv2d(x, weight, bias, **sizes_of(values, SIZES, pairs))
            return y[(0,) * len(outputs)] if outputs else y

        def backward(values: dict[str, Any]) -> Any:
            x, weight, dy = (
                planes_of(values[name], axes) for name, axes in (("x", planes), ("weight", filters), ("dy", outputs))
            )
            dx, dweight, dbias = calls.conv2d_backward(dy, x, weight, **sizes_of(values, SIZES, pairs))
            found = (dx[(0,) * len(planes)], dweight[(0,) * len(filters)], dbias[0] if filters else dbias)
            return found[:count]

        return read(self, implementation, {"forward": forward, "backward": backward})


class Pool(Plain):
    """``max_pool2d(x, kernel_size, stride=None, padding=0) -> y``."""

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

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        rank = self.rank(implementation)
        dx = self.call(implementation, "backward", self.values(problem, rank))
        return Results(None, with_axes(dx, RANKS[rank][0]))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        calls, pairs = replace(calls, pairs=True), self.pairs(implementation)
        axes = RANKS[self.rank(implementation)][0]

        def sizes(values: dict[str, Any]) -> dict[str, Any]:
            if "stride" in values and values["stride"] is None:  # tried: see `values`
                del values["stride"]
            found = sizes_of(values, ("kernel", *SIZES), pairs)
            return found if "kernel" in found else {"kernel": (values["kernel_h"], values["kernel_w"]), **found}

        def forward(values: dict[str, Any]) -> Any:
            return calls.pool2d(self.operations[0], planes_of(values["x"], axes), **sizes(values))[(0,) * len(axes)]

        def backward(values: dict[str, Any]) -> Any:
            x, dy = planes_of(values["x"], axes), planes_of(values["dy"], axes)
            return calls.pool2d_backward(self.operations[0], dy, x, **sizes(values))[(0,) * len(axes)]

        return read(self, implementation, {"forward": forward, "backward": backward})


CONV = Conv()
POOLS = (Pool("max_pool2d", MAX_WORDS), Pool("avg_pool2d", AVG_WORDS))
