"""Operators of ONNX by name and version, each a function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from fastconv.onnx.graph import Node

Function = TypeVar("Function", bound=Callable[..., Any])

OPERATORS: dict[str, dict[int, Callable[..., Any]]] = {}  # by name, and by the opset since which it means this


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
        OPERATORS.setdefault(name, {})[since] = _with_attributes(function)
        return function

    return register


def _with_attributes(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `Node` calls: with the attributes that the function takes by name."""
    names = [one.name for one in signature(function).parameters.values() if one.kind is Parameter.KEYWORD_ONLY]
    taken = tuple(name for name in names if name != "node")
    needs_node = "node" in names

    def call(node: Node, *inputs: Any) -> Any:
        options = {name: node.attributes[name] for name in taken if name in node.attributes}
        return function(*inputs, **options, node=node) if needs_node else function(*inputs, **options)

    call.attributes = taken  # type: ignore[attr-defined]
    return call


def lookup(name: str, opset: int) -> Callable[..., Any] | None:
    """Return what computes an operator in a version of the operator set, or None."""
    versions = OPERATORS.get(name, {})
    known = [since for since in versions if since <= opset]
    return versions[max(known)] if known else None
