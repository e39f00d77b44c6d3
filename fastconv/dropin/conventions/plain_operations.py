"""Plain convolutions and poolings: ``conv2d(x, w, b, stride, padding)`` and ``max_pool2d_backward(dy, x, …)``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.conventions.axes import OURS, Axes, given, shape_of, to_ours, to_theirs
from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import Function, Implementation
from fastconv.dropin.conventions.cs231n import AVG_WORDS, CONV_WORDS, MAX_WORDS
from fastconv.dropin.conventions.expected import CONV_ROLES, Results
from fastconv.dropin.conventions.gradients import GRADIENT, made_gradients, read_gradients
from fastconv.dropin.conventions.plain import Plain
from fastconv.dropin.conventions.problem import SIZES, Pair, Problem
from fastconv.dropin.conventions.signatures import Form
from fastconv.dropin.conventions.spelling import words
from fastconv.dropin.conventions.structure import read_results, structure_of
from fastconv.dropin.conventions.ties import rule_of
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

    def more_ways(self, implementation: Implementation) -> Sequence[Way]:
        """Return the padding of a function that has no parameter for it: none, or as much as keeps the size."""
        return [{}] if "padding" in self.known_form(implementation) else [{"same": False}, {"same": True}]

    def trial_sizes(self, implementation: Implementation) -> Sequence[Mapping[str, Pair]]:
        same: dict[str, Pair] = {"kernel": (3, 3), "padding": (1, 1)}
        sizes = super().trial_sizes(implementation)
        return [{**each, **same} for each in sizes] if implementation.details.get("same") else sizes

    def cannot_express(self, implementation: Implementation, problem: Problem) -> str | None:
        if self.way(implementation).get("same"):
            if _half(problem.kernel) != problem.padding:
                return "it pads by half of a kernel, of odd sizes"
            problem = replace(problem, padding=(0, 0))  # which it has no word for
        return super().cannot_express(implementation, problem)

    def adapted(self, implementation: Implementation, problem: Problem) -> Problem:
        problem = super().adapted(implementation, problem)
        bias = problem.filters[1]
        if "forward" in implementation and "bias" not in self.known_form(implementation, "forward"):
            return replace(problem, bias=np.zeros_like(bias))
        return replace(problem, bias=np.full_like(bias, bias[0])) if self._has_number(implementation) else problem

    def _has_number(self, implementation: Implementation) -> bool:
        """Whether one number is the bias of several filters."""
        way = self.way(implementation)
        return way["bias"] == NUMBER and "F" in self.axes_of(way).weight

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        found = self.call_backward(implementation, problem, context)
        axes, (weight, bias) = self.axes(implementation), problem.filters
        shapes = shape_of(problem.x.shape, OURS.x, axes.x), shape_of(weight.shape, OURS.weight, axes.weight)
        parts = read_gradients(implementation.details, found, *shapes, len(bias), ordered=False)
        dx, dweight = to_ours(parts.get("dx"), OURS.x, axes.x), to_ours(parts.get("dweight"), OURS.weight, axes.weight)
        return Results(None, dx, dweight, parts.get("dbias"))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        calls, way, sizes_of = replace(calls, pairs=True), self.way(implementation), self.sizes_of(implementation)
        axes, gradients = self.axes_of(way), made_gradients(implementation.details)

        def sizes(values: dict[str, Any], weight: Any) -> dict[str, Any]:
            found = sizes_of(values)
            if way.get("same"):
                found["padding"] = _half(weight.shape[2:])
                if found["padding"] is None:
                    raise Declined
            return found

        def filters(values: dict[str, Any]) -> tuple[Any, Any, Any]:
            weight = given(values["weight"], OURS.weight, axes.weight)
            return given(values["x"], OURS.x, axes.x), weight, bias_of(values.get("bias"), way["bias"], len(weight))

        def forward(values: dict[str, Any]) -> Any:
            x, weight, bias = filters(values)
            y = calls.conv2d(x, weight, bias, **sizes(values, weight))
            return calls.stored(to_theirs(y, OURS.y, axes.y))

        def backward(values: dict[str, Any]) -> Any:
            dy, (x, weight, bias) = given(values["dy"], OURS.y, axes.y), filters(values)
            dx, dweight, dbias = calls.conv2d_backward(dy, x, weight, bias, **sizes(values, weight))
            dx, dweight = to_theirs(dx, OURS.x, axes.x), to_theirs(dweight, OURS.weight, axes.weight)
            return gradients(calls.stored(dx), calls.stored(dweight), dbias)

        return self.as_theirs(implementation, {"forward": forward, "backward": backward})


class Pool(Plain):
    """``max_pool2d(x, kernel_size, stride=None, padding=0) -> y``."""

    leading = ("x",)
    others = ("kernel", "kernel_h", "kernel_w", *SIZES)
    ranks = ("NCHW", "CHW", "HW", "NHWC", "HWC")

    def __init__(self, operation: str, said: set[str]) -> None:
        kind = operation[:3]
        self.name, self.operations, self.said = f"plain.{operation}", (operation,), said
        self.form = f"{kind}_pool2d(x, kernel_size, stride, padding) -> y; {kind}_pool2d_backward(dy, x, …) -> dx"

    def role_of(self, name: str, found: Any) -> str | None:
        """As of plain functions; where the name does not say which pooling, a default such as ``mode="max"`` does."""
        known = MAX_WORDS | AVG_WORDS
        return super().role_of(name if {*words(name)} & known else f"{name}_{_default_of(found, known)}", found)

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
        """Return the windows, or the stride, of a function that has no parameter for them."""
        form = self.known_form(implementation)
        if "kernel" in form or "kernel_h" in form:
            as_given: Way = {"windows": {}}
            return [as_given] if "stride" in form else [as_given, {"windows": {"stride": (1, 1)}}]
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

    def axes_of(self, way: Mapping[str, Any]) -> Axes:
        axes = super().axes_of(way).x
        return Axes(axes, "F", axes.replace("C", "F"))

    def usual_stride(self, problem: Problem) -> Pair:
        return problem.kernel

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        found = self.call_backward(implementation, problem, context)
        axes = self.axes(implementation).x
        shapes = {"dx": shape_of(problem.x.shape, OURS.x, axes)}
        dx = read_results(implementation.details, "backward", found, shapes).get("dx")
        return Results(None, to_ours(dx, OURS.x, axes))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        calls, way, sizes_of = replace(calls, pairs=True), self.way(implementation), self.sizes_of(implementation)
        axes, windows = self.axes_of(way).x, way.get("windows", {})
        gradient = structure_of(implementation.details, "backward", GRADIENT)

        def sizes(values: dict[str, Any]) -> dict[str, Any]:
            if "stride" in values and values["stride"] is None:  # tried: see `values`
                del values["stride"]
            found = {**windows, **sizes_of(values)}
            return found if "kernel" in found else {"kernel": (values["kernel_h"], values["kernel_w"]), **found}

        def forward(values: dict[str, Any]) -> Any:
            y = calls.pool2d(self.operations[0], given(values["x"], OURS.x, axes), **sizes(values))
            return calls.stored(to_theirs(y, OURS.x, axes))

        def backward(values: dict[str, Any]) -> Any:
            x, dy = (given(values[name], OURS.x, axes) for name in ("x", "dy"))
            ties = rule_of(implementation.details)
            dx = calls.pool2d_backward(self.operations[0], dy, x, ties=ties, **sizes(values))
            return gradient.made({"dx": calls.stored(to_theirs(dx, OURS.x, axes))})

        return self.as_theirs(implementation, {"forward": forward, "backward": backward})


def _default_of(function: Any, known: set[str]) -> str:
    """The default of a parameter that is one of some words; empty where there is none."""
    try:
        defaults = [parameter.default for parameter in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return ""
    return next((each for each in defaults if isinstance(each, str) and each in known), "")


def _half(kernel: tuple[int, ...]) -> Pair | None:
    """Padding that keeps the size of the image: half of a kernel of odd sizes; None for another."""
    height, width = kernel
    return (height // 2, width // 2) if height % 2 and width % 2 else None


CONV = Conv()
POOLS = (Pool("max_pool2d", MAX_WORDS), Pool("avg_pool2d", AVG_WORDS))
