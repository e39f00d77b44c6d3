"""Operators of ONNX by name and version, each a function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class Operator:
    """An operator as it is since some version.

    Parameters
    ----------
    name : str
        As the specification calls it.
    since : int
        Version of the operator set in which it began to mean this.
    function : callable
        What computes it, see `operator`.

    Attributes
    ----------
    attributes : tuple of str
        Those that the function takes.
    """

    def __init__(self, name: str, since: int, function: Callable[..., Any]) -> None:
        named = [one.name for one in signature(function).parameters.values() if one.kind is Parameter.KEYWORD_ONLY]
        self.name, self.since, self._function = name, since, function
        self.attributes = tuple(name for name in named if name != "node")
        self._needs_node = "node" in named

    def bound(self, node: Any) -> Callable[..., Any]:
        """Return a function of the inputs alone: with the attributes of a node."""
        options = {name: node.attributes[name] for name in self.attributes if name in node.attributes}
        if self._needs_node:
            options["node"] = node
        return partial(self._function, **options)

    def __call__(self, node: Any, *inputs: Any) -> Any:
        """Compute the outputs of a node."""
        return self.bound(node)(*inputs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _registered, (self.name, self.since)


def _registered(name: str, since: int) -> Operator:
    """What a pickle of an operator is read as."""
    return OPERATORS[name][since]


OPERATORS: dict[str, dict[int, Operator]] = {}  # by name, and by the opset since which it means this


def operator(name: str, *, since: int = 1) -> Callable[[Function], Function]:
    """Register a function that computes an operator.

    Parameters
    ----------
    name : str
        As the specification calls it, such as ``"Conv"``.
    since : int
        Version of the operator set in which it began to mean this.

    Returns
    -------
    decorator
        Of a function that takes the inputs as positional arguments, None for an optional one that is not there, and
        attributes as arguments by name; it returns an array, or a tuple of them. An attribute of the specification
        that the function does not take must have its default, else the file is refused. If it has an argument
        ``node``, it gets the `Node`: `Node.outputs` says which optional outputs are asked for.
    """

    def register(function: Function) -> Function:
        OPERATORS.setdefault(name, {})[since] = Operator(name, since, function)
        return function

    return register


def lookup(name: str, opset: int) -> Operator | None:
    """Return what computes an operator in a version of the operator set, or None."""
    versions = OPERATORS.get(name, {})
    known = [since for since in versions if since <= opset]
    return versions[max(known)] if known else None
