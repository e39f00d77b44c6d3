"""Plain convolutions and poolings: ``conv2d(x, w, b, stride, padding)`` and ``max_pool2d_backward(dy, x, …)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.convention import Function, Implementation
from fastconv.dropin.conventions.cs231n import AVG_WORDS, CONV_WORDS, MAX_WORDS
from fastconv.dropin.conventions.expected import CONV_ROLES, Results
from fastconv.dropin.conventions.gradients import GRADIENT, made_gradients, read_gradients
from fastconv.dropin.conventions.plain import RANKS, Plain, output_axes, planes_of, with_axes
from fastconv.dropin.conventions.problem import SIZES, Pair, Problem
from fastconv.dropin.conventions.signatures import Form
from fastconv.dropin.conventions.structure import read_results, structure_of
from fastconv.dropin.conventions.trying import NUMBER, Way, bias_of

# Windows of a pooling without a parameter for them, and their stride.
_WINDOWS = (
    *({"kernel": (size, size), "stride": (size, size)} for size in (2, 3)),
    {"kernel": (3, 3), "stride": (2, 2)},
    {"kernel": (2, 2), "stride": (1, 1)},
)
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
        bias = problem.filters[1]
        if "forward" in implementation and "bias" not in self.known_form(implementation, "forward"):
            return replace(problem, bias=np.zeros_like(bias))
        return replace(problem, bias=np.full_like(bias, bias[0])) if self._has_number(implementation) else problem

    def _has_number(self, implementation: Implementation) -> bool:
        """Whether one number is the bias of several filters."""
        way = self.way(implementation)
        return way["bias"] == NUMBER and not RANKS[way["rank"]][1]

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        found = self.call_backward(implementation, problem, context)
        planes, filters = RANKS[self.rank(implementation)]
        weight, bias = problem.filters
        parts = read_gradients(implementation.details, found, problem.x.shape, weight.shape, len(bias))
        return Results(
            None,
            with_axes(parts.get("dx"), planes),
            with_axes(parts.get("dweight"), filters),
            parts.get("dbias"),
        )

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        calls, way, sizes = replace(calls, pairs=True), self.way(implementation), self.sizes_of(implementation)
        planes, filters = RANKS[way["rank"]]
        outputs, axes = output_axes(way["rank"]), {"x": planes, "weight": filters, "dy": output_axes(way["rank"])}
        gradients = made_gradients(implementation.details)

        def forward(values: dict[str, Any]) -> Any:
            x, weight = (planes_of(values[name], axes[name]) for name in ("x", "weight"))
            bias = bias_of(values.get("bias"), way["bias"], len(weight))
            y = calls.conv2d(x, weight, bias, **sizes(values))
            return y[(0,) * len(outputs)] if outputs else y

        def backward(values: dict[str, Any]) -> Any:
            x, weight, dy = (planes_of(values[name], axes[name]) for name in ("x", "weight", "dy"))
            bias = bias_of(values.get("bias"), way["bias"], len(weight))
            dx, dweight, dbias = calls.conv2d_backward(dy, x, weight, bias, **sizes(values))
            return gradients(dx[(0,) * len(planes)], dweight[(0,) * len(filters)], dbias)

        return self.as_theirs(implementation, {"forward": forward, "backward": backward})


class Pool(Plain):
    """``max_pool2d(x, kernel_size, stride=None, padding=0) -> y``."""

    leading = ("x",)
    others = ("kernel", "kernel_h", "kernel_w", *SIZES)

    def __init__(self, operation: str, said: set[str]) -> None:
        kind = operation[:3]
        self.name, self.operations, self.said = f"plain.{operation}", (operation,), said
        self.form = f"{kind}_pool2d(x, kernel_size, stride, padding) -> y; {kind}_pool2d_backward(dy, x, …) -> dx"

    def is_named(self, spoken: set[str]) -> bool:
        return super().is_named(spoken) and any("pool" in word for word in spoken)

    def call(self, implementation: Implementation, role: str, values: dict[str, Any]) -> Any:
        defaults = self.known_form(implementation, role).defaults
        if defaults.get("stride", 0) is None and values["stride"] == values["kernel"]:
            values = {**values, "stride": None}  # try that too
        return super().call(implementation, role, values)

    def form_of(self, function: Any, role: str) -> Form | None:
        form = super().form_of(function, role)
        return form if form is not None and not {"kernel", "kernel_h"} <= {*form.meanings} else None

    def more_ways(self, implementation: Implementation) -> Sequence[Way]:
        """Return the windows of a function that has no parameter for them."""
        form = self.known_form(implementation)
        if "kernel" in form or "kernel_h" in form:
            return [{}]
        tied = 1 if "backward" in implementation else None  # there are cases of ties for the usual windows alone
        return [{"windows": each} for each in _WINDOWS[:tied]]

    def trial_sizes(self, implementation: Implementation) -> Sequence[Mapping[str, Pair]]:
        windows = implementation.details.get("windows", {})
        return [{**sizes, **windows} for sizes in super().trial_sizes(implementation)]

    def cannot_express(self, implementation: Implementation, problem: Problem) -> str | None:
        windows = self.way(implementation).get("windows", {})
        for name in windows:
            if getattr(problem, name) != windows[name]:
                return f"its {name} is always {windows[name][0]}"
        usual = replace(problem, stride=problem.kernel) if windows else problem  # its stride is that of its windows
        return super().cannot_express(implementation, usual)

    def usual_stride(self, problem: Problem) -> Pair:
        return problem.kernel

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        found = self.call_backward(implementation, problem, context)
        dx = read_results(implementation.details, "backward", found, {"dx": problem.x.shape}).get("dx")
        return Results(None, with_axes(dx, RANKS[self.rank(implementation)][0]))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        calls, way, given = replace(calls, pairs=True), self.way(implementation), self.sizes_of(implementation)
        axes, windows = RANKS[way["rank"]][0], way.get("windows", {})
        gradient = structure_of(implementation.details, "backward", GRADIENT)

        def sizes(values: dict[str, Any]) -> dict[str, Any]:
            if "stride" in values and values["stride"] is None:  # tried: see `values`
                del values["stride"]
            found = {**windows, **given(values)}
            return found if "kernel" in found else {"kernel": (values["kernel_h"], values["kernel_w"]), **found}

        def forward(values: dict[str, Any]) -> Any:
            y = calls.pool2d(self.operations[0], planes_of(values["x"], axes), **sizes(values))
            return y[(0,) * len(axes)]

        def backward(values: dict[str, Any]) -> Any:
            x, dy = planes_of(values["x"], axes), planes_of(values["dy"], axes)
            dx = calls.pool2d_backward(self.operations[0], dy, x, **sizes(values))
            return gradient.made({"dx": dx[(0,) * len(axes)]})

        return self.as_theirs(implementation, {"forward": forward, "backward": backward})


CONV = Conv()
POOLS = (Pool("max_pool2d", MAX_WORDS), Pool("avg_pool2d", AVG_WORDS))
