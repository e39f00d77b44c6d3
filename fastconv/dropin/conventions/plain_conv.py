"""Plain convolutions: ``conv2d(x, w, b, stride, padding)`` and ``conv2d_backward(dy, x, w, …)``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.convention import CONV_ROLES
from fastconv.dropin.conventions.cs231n import CONV_WORDS
from fastconv.dropin.conventions.expected import Results
from fastconv.dropin.conventions.implementation import Function, Implementation
from fastconv.dropin.conventions.plain import RANKS, SIZES, Plain, planes_of, read, sizes_of, with_axes
from fastconv.dropin.conventions.problem import Problem

__all__ = ["CONV"]

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

    def backward(
        self, implementation: Implementation, problem: Problem, context: Any, role: str | None = None
    ) -> Results:
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


CONV = Conv()
