"""Which function writes which layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastconv.layers import Concat, Layer, Residual, Sequential
from fastconv.layers.containers import Container

Function = TypeVar("Function", bound=Callable[..., str])

EXPORTERS: dict[type[Layer], Callable[..., str]] = {}
_CONTAINERS = (Sequential, Residual, Concat)  # whose traces say all that they do


def exports(*kinds: type[Layer]) -> Callable[[Function], Function]:
    """Register a function that writes layers of some classes.

    Parameters
    ----------
    *kinds : type
        The classes. One that is derived from them is written the same way, unless it has a `Layer.forward` of its own.

    Returns
    -------
    decorator
        Of a function that takes a `Place`, the layer, and the names of the arrays that it reads; it returns the name of
        what the layer computes in evaluation.
    """

    def register(function: Function) -> Function:
        EXPORTERS.update(dict.fromkeys(kinds, function))
        return function

    return register


def exporter_of(layer: Layer) -> Callable[..., str] | None:
    """Return what writes a layer, or None."""
    kind = type(layer)
    known = next((one for one in kind.__mro__ if one in EXPORTERS), None)
    return None if known is None or kind.forward is not known.forward else EXPORTERS[known]


def is_traced(layer: Layer) -> bool:
    """Whether the trace of a container tells what its `forward` does: it has not only the latter of its own."""
    kind: Any = type(layer)
    if not isinstance(layer, Container) or kind.forward in [one.forward for one in _CONTAINERS]:
        return True
    return _owner(kind, "trace") <= _owner(kind, "forward")


def _owner(kind: type, method: str) -> int:
    """How far up the class is that defines a method."""
    return next(i for i, one in enumerate(kind.__mro__) if method in vars(one))
