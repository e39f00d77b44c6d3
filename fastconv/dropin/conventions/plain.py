"""Plain functions, arrays in and arrays out: ``conv2d(x, w, b, stride, padding)`` for batches, images or planes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.convention import Convention, Function, Implementation, parameter_names, words
from fastconv.dropin.conventions.cs231n import FORBIDDEN
from fastconv.dropin.conventions.problem import SIZES, Pair, Problem, draw, output_size
from fastconv.dropin.conventions.signatures import Form, read_form
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import Array

_BACKWARD = {"backward", "bwd", "backprop", "grad", "gradient", "gradients"}
_PARTS = {"single", "step", "layer", "block", "shape", "size", "output", "weights", "input", "params", "init"} | {
    *("plot", "show", "draw", "save", "print", "test", "check", "compare", "time", "benchmark")  # they do more
}

# What the function takes: axes of x and axes of the filters that are not there.
RANKS = {
    "NCHW": ((), ()),
    "CHW": ((0,), ()),
    "CHW, one filter": ((0,), (0,)),
    "HW": ((0, 1), (0, 1)),
}


class Plain(Convention):
    """What plain functions have in common; there is no cache, so each stands for itself."""

    source = "courses, blogs and libraries"
    cached = False
    leading: tuple[str, ...]
    others: tuple[str, ...]
    said: set[str]

    def role_of(self, name: str, found: Any) -> str | None:
        """Return the role of a function whose name says the operation and whose parameters all mean something known."""
        spoken = set(words(name))
        if spoken & (FORBIDDEN | _PARTS) or not spoken & self.said:
            return None
        role = "backward" if spoken & _BACKWARD else "forward"
        return role if role in self.gives and self.form_of(found, role) is not None else None

    def form_of(self, function: Any, role: str) -> Form | None:
        """Parameters of a function in a role."""
        leading = self.leading if role == "forward" else ("dy", *self.leading)
        return read_form(function, leading, self.others)

    def limits(self, implementation: Implementation) -> tuple[list[str], list[str]]:
        """Return the sizes without a parameter, and those whose parameter does not take one size per axis."""
        form, pairs = self.known_form(implementation), self.pairs(implementation)
        sizes = [name for name in ("kernel", *SIZES) if name in form and name not in pairs]
        return [name for name in SIZES if name not in form], sizes

    def known_form(self, implementation: Implementation, role: str | None = None) -> Form:
        """Parameters of a function of an implementation; those of its equivalent are the same."""
        role = role or next(iter(implementation.targets))
        if role not in implementation.details:
            form = self.form_of(implementation[role], role)
            if form is None:  # it was named in a mapping
                label = implementation.targets[role].label
                got = ", ".join(parameter_names(implementation[role]))
                raise InvalidValueError(
                    f"mapping: the parameters of {label} must be those of {self.form}, but got {got}."
                )
            implementation.details[role] = form
        found: Form = implementation.details[role]
        return found

    def adapted(self, implementation: Implementation, problem: Problem) -> Problem:
        """Return the part of the problem that has the rank of the function."""
        rank = self.rank(implementation)
        if rank == "NCHW":
            return problem
        one_filter = problem.operation == "conv2d" and rank != "CHW"
        return problem.only(images=1, channels=1 if rank == "HW" else None, filters=1 if one_filter else None)

    def rank(self, implementation: Implementation) -> str:
        """Which axes the arrays of a function have, found by trying: the first that gives the right shape."""
        details = implementation.details
        if "rank" not in details:
            details["rank"] = "NCHW"
            fits = {rank: self._fits(implementation, rank) for rank in RANKS}
            details["rank"] = max(RANKS, key=lambda rank: fits[rank])
        return str(details["rank"])

    def pairs(self, implementation: Implementation) -> frozenset[str]:
        """Which sizes may be given per axis, found by trying."""
        details = implementation.details
        if "pairs" not in details:
            rank, form = self.rank(implementation), self.known_form(implementation)
            names = [name for name in ("kernel", *SIZES) if name in form]
            details["pairs"] = frozenset(name for name in names if self._takes_pair(implementation, rank, name))
        found: frozenset[str] = details["pairs"]
        return found

    def _takes_pair(self, implementation: Implementation, rank: str, name: str) -> bool:
        role = next(iter(implementation.targets))
        trial = self._trial(implementation, (1, 0) if name == "padding" else (0, 0))
        values = self.values(self.adapted(implementation, trial), rank)
        if name != "padding":
            values[name] = (values[name],) * 2
        try:
            found = self.call(implementation, role, values)
        except Exception:  # noqa: BLE001 - theirs: it does not take a pair
            return False
        if name != "padding" or role != "forward":
            return True
        before_and_after = output_size((5, 5), trial.kernel, trial.stride, (0, 0), (1, 1))  # as np.pad reads a pair
        return tuple(np.shape(found)[-2:]) != before_and_after

    def _trial(self, implementation: Implementation, padding: Pair) -> Problem:
        """A small problem with the stride that a function takes, or has."""
        sizes: dict[str, Any] = {"size": (4, 4), "kernel": (2, 2), "filters": 2, "padding": padding}
        stride = self.usual_stride(draw(self.operations[0], **sizes))
        return draw(
            self.operations[0], **sizes, stride=(1, 1) if "stride" in self.known_form(implementation) else stride
        )

    def _fits(self, implementation: Implementation, rank: str) -> int:
        """2 if arrays of the rank give the right shape, 1 if they give an array of as many axes, else 0."""
        implementation.details["rank"] = rank
        problem = self.adapted(implementation, self._trial(implementation, (0, 0)))
        role = next(iter(implementation.targets))
        try:
            if role == "forward":
                found, right = self.forward(implementation, problem)[0], problem.output_shape
            else:
                found, right = self.backward(implementation, problem, None).dx, problem.x.shape
        except Exception:  # noqa: BLE001 - theirs: it does not take this rank
            return 0
        return (found.ndim == len(right)) + (found.shape == right) if isinstance(found, np.ndarray) else 0

    def values(self, problem: Problem, rank: str) -> dict[str, Any]:
        """Arguments by what they mean."""
        planes, filters = RANKS[rank]
        sizes = {name: _single(getattr(problem, name)) for name in SIZES}
        values: dict[str, Any] = {
            **sizes,
            "x": problem.stored(_without(problem.x, planes)),
            "kernel": _single(problem.kernel),
            "kernel_h": problem.kernel[0],
            "kernel_w": problem.kernel[1],
        }
        if problem.weight is not None:
            values["weight"] = problem.stored(_without(problem.weight, filters))
        if problem.bias is not None:
            values["bias"] = float(problem.bias[0]) if filters else problem.stored(problem.bias)
        if problem.dy is not None:
            values["dy"] = problem.stored(_without(problem.dy, self._output_axes(rank)))
        return values

    def call(self, implementation: Implementation, role: str, values: dict[str, Any]) -> Any:
        """Call one of the functions with values by meaning; a size whose default is a pair is given as one."""
        form = self.known_form(implementation, role)
        for name in ("kernel", *SIZES):
            if isinstance(form.defaults.get(name), (tuple, list)) and isinstance(values.get(name), int):
                values = {**values, name: (values[name],) * 2}
        return form.call(implementation[role], values)

    def _output_axes(self, rank: str) -> tuple[int, ...]:
        planes, filters = RANKS[rank]
        return (0, 1) if filters else planes

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        """Output of the forward function; there is no context."""
        if "forward" not in implementation:
            return None, None
        rank = self.rank(implementation)
        y = self.call(implementation, "forward", self.values(problem, rank))
        return with_axes(y, self._output_axes(rank)), None


def _single(pair: Pair) -> Any:
    """One number for both axes where that says it."""
    return pair[0] if pair[0] == pair[1] else pair


def _without(array: Array, axes: tuple[int, ...]) -> Array:
    return np.squeeze(array, axes) if axes else array


def with_axes(array: Any, axes: tuple[int, ...]) -> Any:
    """Put axes of one back into what is an array; anything else is left for the judge."""
    return np.expand_dims(array, axes) if axes and isinstance(array, np.ndarray) else array


def planes_of(array: Any, axes: tuple[int, ...]) -> Array:
    """(N, C, H, W) of an array of the rank that was tried; another one is left to the original."""
    if not isinstance(array, np.ndarray) or array.ndim != 4 - len(axes):
        raise Declined
    return array[(None,) * len(axes)] if axes else array


def sizes_of(values: dict[str, Any], names: tuple[str, ...], pairs: frozenset[str]) -> dict[str, Any]:
    """Sizes of a call, of the kinds that were tried: integers, or pairs of them; words mean something else to each."""
    sizes = {name: values[name] for name in names if name in values}
    for name, value in sizes.items():
        if not isinstance(value, (int, np.integer)) and not (name in pairs and isinstance(value, (tuple, list))):
            raise Declined
    return sizes


def read(
    convention: Plain, implementation: Implementation, made: dict[str, Callable[[dict[str, Any]], Any]]
) -> dict[str, Function]:
    """Functions of values by meaning as functions with the parameters of the originals."""
    return {role: _reading(convention.known_form(implementation, role), made[role]) for role in implementation.targets}


def _reading(form: Form, run: Callable[[dict[str, Any]], Any]) -> Function:
    read = form.reader()
    return lambda *args, **kwargs: run(read(args, kwargs))
