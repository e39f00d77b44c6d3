"""Who takes part: fastconv, and the engines that it is measured against. Each is imported in its own process alone."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from fastconv.errors import InvalidValueError
from fastconv.evidence.contest.engines.base import Engine

__all__ = ["FASTCONV", "OTHERS", "Entrant", "entrant", "load"]


class Entrant(NamedTuple):
    """Name of an engine, where its class is (``module:Class``), and the packages that it needs."""

    name: str
    place: str
    packages: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed; nothing is imported to find out."""
        return tuple(package for package in self.packages if find_spec(package) is None)


_HERE = "fastconv.evidence.contest.engines"

FASTCONV = Entrant("fastconv", f"{_HERE}.own:Fastconv", ("numba",))
OTHERS = (
    Entrant("torch", f"{_HERE}.pytorch:PyTorch", ("torch",)),
    Entrant("onnxruntime", f"{_HERE}.onnx_runtime:OnnxRuntime", ("onnxruntime", "onnx")),
    Entrant("jax", f"{_HERE}.jax_lax:Jax", ("jax", "jaxlib")),
)


def entrant(name: str) -> Entrant:
    """Return the engine of that name, or one of your own by ``module:Class``."""
    for known in OTHERS:
        if known.name == name:
            return known
    module, _, cls = name.partition(":")
    if not (module and cls):
        names = ", ".join(known.name for known in OTHERS)
        raise InvalidValueError(f"contest: an engine must be one of {names}, or module:Class, but got {name!r}.")
    return Entrant(cls, name, (module.partition(".")[0],))


def load(place: str) -> type[Engine]:
    """Import the class at ``module:Class``."""
    module, _, name = place.partition(":")
    cls: type[Engine] = getattr(import_module(module), name)
    return cls
