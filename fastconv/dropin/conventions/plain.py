"""Plain functions, arrays in and arrays out: ``conv2d(x, w, b, stride, padding)`` for batches, images or planes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from fastconv.dropin.conventions.axes import OURS, RANKS, Axes, shape_of, to_ours, to_theirs
from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.convention import OUTPUT, UNUSED, Function, Implementation
from fastconv.dropin.conventions.cs231n import FORBIDDEN
from fastconv.dropin.conventions.formed import Formed
from fastconv.dropin.conventions.problem import SIZES, Pair, Problem, draw, output_size
from fastconv.dropin.conventions.signatures import Form, read_form
from fastconv.dropin.conventions.spelling import is_backward, words
from fastconv.dropin.conventions.structure import read_results, structure_of
from fastconv.dropin.conventions.trying import BIASES, NUMBER, Way, bias_as, settle

_PARTS = {"single", "step", "layer", "block", "shape", "size", "output", "weights", "input", "params", "init"} | {
    *("plot", "show", "draw", "save", "print", "test", "check", "compare", "time", "benchmark")  # they do more
}

_USUAL_BIAS = next(iter(BIASES))


class Plain(Formed):
    """What plain functions have in common; there is no cache, so each stands for itself."""

    source = "courses, blogs and libraries"
    cached = False
    leading: tuple[str, ...]
    others: tuple[str, ...]
    said: set[str]
    ranks: Sequence[str] = tuple(RANKS)

    def role_of(self, name: str, found: Any) -> str | None:
        """Return the role of a function whose name says the operation and whose parameters all mean something known."""
        role = "backward" if is_backward(name) else "forward"
        return role if self.is_named({*words(name)}) and self.form_of(found, role) is not None else None

    def is_named(self, spoken: set[str]) -> bool:
        """Whether the words of a name say the operation, and nothing else."""
        return bool(spoken & self.said) and not spoken & (FORBIDDEN | _PARTS)

    def form_of(self, function: Any, role: str) -> Form | None:
        """Parameters of a function in a role."""
        leading = self.leading if role == "forward" else ("dy", *self.leading)
        return read_form(function, leading, self.others)

    def limits(self, implementation: Implementation) -> tuple[list[str], list[str]]:
        """Return the sizes without a parameter, and those whose parameter does not take one size per axis."""
        forms, pairs = self.forms(implementation), self.pairs(implementation)
        sizes = [name for name in ("kernel", *SIZES) if name in forms[0] and name not in pairs]
        return [name for name in SIZES if not all(name in form for form in forms)], sizes

    def adapted(self, implementation: Implementation, problem: Problem) -> Problem:
        """Return the part of the problem that has the rank of the function."""
        axes = self.axes(implementation)
        if axes == OURS:
            return problem
        one_filter = problem.operation == "conv2d" and "F" not in axes.weight
        images, channels = (None if letter in axes.x else 1 for letter in "NC")
        return problem.only(images=images, channels=channels, filters=1 if one_filter else None)

    def ways(self, implementation: Implementation) -> list[Way]:
        """Return in which ranks and shapes these functions may take their arguments, the usual first."""
        form = self.known_form(implementation)
        sizes = frozenset(name for name in ("kernel", *SIZES) if name in form)
        paired = dict.fromkeys((frozenset[str](), sizes, sizes & {"kernel"}, sizes - {"kernel"}))
        biases = (*BIASES, NUMBER) if "bias" in form else (_USUAL_BIAS,)
        ways = []
        for rank, bias, pairs, more in product(self.ranks, biases, paired, self.more_ways(implementation)):
            usual = _USUAL_BIAS if "F" in RANKS[rank].weight else NUMBER
            unusual = (bias != usual) + bool(pairs)
            if unusual < 2:
                ways.append((unusual, {"rank": rank, "bias": bias, "paired": pairs, **more}))
        return [way for _, way in sorted(ways, key=lambda each: each[0])]

    def more_ways(self, implementation: Implementation) -> Sequence[Way]:
        """Return what else is to be tried."""
        return [{}]

    def way(self, implementation: Implementation) -> Mapping[str, Any]:
        """What was found out by trying."""
        if "settled" in implementation.details:
            return implementation.details
        return settle(implementation, self.ways(implementation))

    def axes(self, implementation: Implementation) -> Axes:
        """Which axes the arrays of a function have, found by trying."""
        return self.axes_of(self.way(implementation))

    def axes_of(self, way: Mapping[str, Any]) -> Axes:
        """Axes that a function has when it is called in some way."""
        return RANKS[way["rank"]]

    def pairs(self, implementation: Implementation) -> frozenset[str]:
        """Which sizes may be given per axis, found by trying."""
        details = implementation.details
        if "pairs" not in details:
            form, paired = self.known_form(implementation), self.way(implementation)["paired"]
            names = [name for name in ("kernel", *SIZES) if name in form]
            details["pairs"] = paired | {name for name in names if self._takes_pair(implementation, name)}
        found: frozenset[str] = details["pairs"]
        return found

    def _takes_pair(self, implementation: Implementation, name: str) -> bool:
        role = next(iter(implementation.targets))
        padding = (1, 0) if name == "padding" else (0, 0)
        sizes: dict[str, Any] = {"kernel": (2, 2), **self.trial_sizes(implementation)[0], "padding": padding}
        trial = self.adapted(implementation, draw(self.operations[0], size=(4, 4), **sizes))
        values = self.values(implementation, trial)
        if isinstance(values[name], int):
            values[name] = (values[name],) * 2
        try:
            found = self.call(implementation, role, values)
        except Exception:  # noqa: BLE001 - theirs: it does not take a pair
            return False
        if name != "padding" or role != "forward":
            return True
        y = self.read_output(implementation, found, trial)
        before_and_after = output_size((5, 5), trial.kernel, trial.stride, (0, 0), (1, 1))  # as np.pad reads a pair
        return tuple(np.shape(y)[-2:]) != before_and_after

    def trial_sizes(self, implementation: Implementation) -> Sequence[Mapping[str, Pair]]:
        """Return the stride that a function takes, or has, without padding and with it."""
        form = self.known_form(implementation)
        stride = self.usual_stride(draw(self.operations[0], size=(4, 4), kernel=(2, 2)))
        sizes: dict[str, Pair] = {"stride": (1, 1) if "stride" in form else stride}
        return [sizes, {**sizes, "padding": (1, 1)}] if "padding" in form else [sizes]

    def values(self, implementation: Implementation, problem: Problem) -> dict[str, Any]:
        """Arguments by what they mean."""
        way = self.way(implementation)
        axes = self.axes_of(way)
        sizes = {name: self._size(way, name, getattr(problem, name)) for name in ("kernel", *SIZES)}
        values: dict[str, Any] = {
            **sizes,
            "x": problem.stored(to_theirs(problem.x, OURS.x, axes.x)),
            "kernel_h": problem.kernel[0],
            "kernel_w": problem.kernel[1],
        }
        if problem.weight is not None:
            values["weight"] = problem.stored(to_theirs(problem.weight, OURS.weight, axes.weight))
        if problem.bias is not None:
            values["bias"] = bias_as(problem, way["bias"])
        if problem.dy is not None:
            values["dy"] = problem.stored(to_theirs(problem.dy, OURS.y, axes.y))
        return values

    def _size(self, way: Mapping[str, Any], name: str, pair: Pair) -> Any:
        """One number for both axes where that says it, unless it has to be a pair."""
        return pair if pair[0] != pair[1] or name in way["paired"] else pair[0]

    def call(self, implementation: Implementation, role: str, values: dict[str, Any]) -> Any:
        """Call one of the functions with values by meaning; a size whose default is a pair is given as one."""
        form = self.known_form(implementation, role)
        for name in ("kernel", *SIZES):
            if isinstance(form.defaults.get(name), (tuple, list)) and isinstance(values.get(name), int):
                values = {**values, name: (values[name],) * 2}
        return form.call(implementation[role], values)

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        """Output of the forward function; there is no context."""
        if "forward" not in implementation:
            return None, None
        found = self.call(implementation, "forward", self.values(implementation, problem))
        return self.read_output(implementation, found, problem), None

    def call_backward(self, implementation: Implementation, problem: Problem, context: Any) -> Any:
        """What the backward function returns."""
        return self.call(implementation, "backward", self.values(implementation, problem))

    def sizes_of(self, implementation: Implementation) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """Return what gives the sizes of a call, if they are of the kinds that were tried.

        Those are integers or pairs of them; words mean something else to each. What one of both functions has no
        parameter for was not tried with the other one either.
        """
        pairs, paired = self.pairs(implementation), self.way(implementation)["paired"]
        missing, _ = self.limits(implementation)

        def sizes(values: dict[str, Any]) -> dict[str, Any]:
            found = {name: values[name] for name in ("kernel", *SIZES) if name in values}
            for name, value in found.items():
                whole = isinstance(value, (int, np.integer)) and name not in paired
                if not whole and not (name in pairs and isinstance(value, (tuple, list))):
                    raise Declined
                if name in missing and value not in (UNUSED.get(name), *UNUSED.get(name, ())):
                    raise Declined
            return found

        return sizes

    def read_output(self, implementation: Implementation, found: Any, problem: Problem) -> Any:
        """Output as (N, F, OH, OW), out of what the forward function has returned."""
        axes = self.axes(implementation)
        shape = shape_of(problem.output_shape, OURS.y, axes.y)
        parts = read_results(implementation.details, "forward", found, {"y": shape})
        return to_ours(parts.get("y"), OURS.y, axes.y)

    def as_theirs(
        self, implementation: Implementation, made: dict[str, Callable[[dict[str, Any]], Any]]
    ) -> dict[str, Function]:
        """Functions of values by meaning as functions with the parameters and results of the originals."""
        output = structure_of(implementation.details, "forward", OUTPUT)
        run = {**made, "forward": lambda values: output.made({"y": made["forward"](values)})}
        forms = {role: self.known_form(implementation, role) for role in implementation.targets}
        return {role: form.wrapped(run[role]) for role, form in forms.items()}
