"""What a gradient check can look at, in one shape: functions, pairs of functions, layers."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastconv.errors import InvalidTypeError, shown
from fastconv.testing.closeness import Array
from fastconv.validation.arrays import check_array


def as_checked(value: Any) -> Array:
    """Copy as float64; integers stay as they are."""
    array = check_array("gradient_check", "every input", value)
    return array if array.dtype.kind in "iub" else array.astype(np.float64)


@dataclass
class Variable:
    """An array that the output depends on, and how to replace it."""

    name: str
    value: Array
    assign: Callable[[Array], None]


@dataclass
class GradientProblem:
    """A function at a point: its output there, its gradients there, what it depends on."""

    forward: Callable[[], Any]
    backward: Callable[[Array], Mapping[str, Any]]  # after forward; gradients by name of the variable
    variables: list[Variable]


@contextmanager
def problem_of(subject: Any, values: list[Array], options: dict[str, Any]) -> Iterator[GradientProblem]:
    """Give `subject` at `values` as a problem; a layer is computed in float64 inside the block, and put back."""
    if hasattr(subject, "forward") and hasattr(subject, "backward"):
        with _layer_problem(subject, values, options) as problem:
            yield problem
    elif isinstance(subject, (tuple, list)) and len(subject) == 2:
        yield _pair_problem(subject[0], subject[1], values, options)
    elif callable(subject):
        yield _function_problem(subject, values, options)
    else:
        raise InvalidTypeError(
            "gradient_check: function_or_layer must be a function, a (forward, backward) pair or a layer, but got "
            f"{shown(subject)}."
        )


def _input_variables(values: list[Array], names: Iterable[str]) -> list[Variable]:
    named = enumerate(zip(names, tuple(values)))
    floats = ((i, name, value) for i, (name, value) in named if value.dtype.kind == "f")
    return [Variable(name, value, partial(values.__setitem__, i)) for i, name, value in floats]


def _numbered(values: list[Array]) -> list[str]:
    return ["x"] if len(values) == 1 else [f"input {i}" for i in range(len(values))]


def _as_tuple(gradients: Any) -> tuple[Any, ...]:
    return tuple(gradients) if isinstance(gradients, (tuple, list)) else (gradients,)


def _pair_problem(forward: Any, backward: Any, values: list[Array], options: dict[str, Any]) -> GradientProblem:
    names = _numbered(values)

    def gradients(dy: Array) -> dict[str, Any]:
        return dict(zip(names, _as_tuple(backward(dy, *values, **options))))

    return GradientProblem(lambda: forward(*values, **options), gradients, _input_variables(values, names))


def _function_problem(function: Any, values: list[Array], options: dict[str, Any]) -> GradientProblem:
    module = sys.modules.get(getattr(function, "__module__", ""))
    backward = getattr(module, getattr(function, "__name__", "") + "_backward", None)
    if backward is None:
        return _loss_problem(function, values, options)
    signature = inspect.signature(function)
    names = list(signature.parameters)[: len(values)]

    def gradients(dy: Array) -> dict[str, Any]:
        arguments = {**signature.bind(*values, **options).arguments, "dy": dy, "input_shape": values[0].shape}
        wanted = inspect.signature(backward).parameters
        if "indices" in wanted:
            arguments["indices"] = function(*values, **options, return_indices=True)[1]
        if "y" in wanted and "y" not in arguments:
            arguments["y"] = function(*values, **options)
        found = backward(**{name: value for name, value in arguments.items() if name in wanted})
        return dict(zip(names, _as_tuple(found)))

    return GradientProblem(lambda: function(*values, **options), gradients, _input_variables(values, names))


def _loss_problem(function: Any, values: list[Array], options: dict[str, Any]) -> GradientProblem:
    names = _numbered(values)
    result = function(*values, **options)
    if not (isinstance(result, tuple) and len(result) == 2 and np.ndim(result[0]) == 0):
        raise InvalidTypeError(
            "gradient_check: a function must have its ..._backward beside it in its module, or return "
            f"(value, gradient), but got {shown(function)}. Pass a pair (forward, backward)."
        )
    return GradientProblem(
        lambda: function(*values, **options)[0],
        lambda dy: {names[0]: dy * function(*values, **options)[1]},
        _input_variables(values, names)[:1],
    )


@contextmanager
def _layer_problem(layer: Any, values: list[Array], options: dict[str, Any]) -> Iterator[GradientProblem]:
    names = _numbered(values)
    if hasattr(layer, "cast"):  # one of ours, whose parameters keep their dtype when they are assigned
        layer = copy.deepcopy(layer).cast(np.float64)
    parameters = _parameters(layer)
    originals = {name: parameter.data for name, parameter in parameters.items()}

    def gradients(dy: Array) -> dict[str, Any]:
        _clear_gradients(layer, parameters)
        layer.forward(*values, **options)
        found = dict(zip(names, _as_tuple(layer.backward(dy))))
        return {**found, **{name: parameter.grad for name, parameter in parameters.items()}}

    try:
        variables = _input_variables(values, names)
        for name, parameter in parameters.items():
            parameter.data = np.array(originals[name], np.float64)
            variables.append(Variable(name, np.array(parameter.data), partial(setattr, parameter, "data")))
        yield GradientProblem(lambda: layer.forward(*values, **options), gradients, variables)
    finally:
        for name, parameter in parameters.items():
            parameter.data = originals[name]
        _clear_gradients(layer, parameters)


def _parameters(layer: Any) -> dict[str, Any]:
    """Trainable parameters by name, from a mapping, pairs, or plain parameters."""
    found: Any = ()
    if hasattr(layer, "named_parameters"):
        found = list(layer.named_parameters())
    elif hasattr(layer, "parameters"):
        found = layer.parameters()
    items = found.items() if isinstance(found, Mapping) else found
    named: dict[str, Any] = {}
    for i, item in enumerate(items):
        name, parameter = item if isinstance(item, tuple) else (getattr(item, "name", None), item)
        unique = name if isinstance(name, str) and name and name not in named else f"parameter {i}"
        named[unique] = parameter
    return named


def _clear_gradients(layer: Any, parameters: Mapping[str, Any]) -> None:
    if hasattr(layer, "zero_grad"):
        layer.zero_grad()
        return
    for parameter in parameters.values():
        if parameter.grad is not None:
            parameter.grad[...] = 0
