"""Who takes part: fastconv, and the engines that it is measured against. Each is imported in its own process alone."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from fastconv.errors import unknown_name
from fastconv.evidence.contest.engines.base import EngineBase

__all__ = ["FASTCONV", "NETWORKS_OF_FASTCONV", "NETWORKS_OF_OTHERS", "OTHERS", "Entrant", "entrant", "load"]


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
    Entrant("ncnn", f"{_HERE}.tencent_ncnn:Ncnn", ("ncnn",)),
)

NETWORKS_OF_FASTCONV = Entrant("fastconv", f"{_HERE}.networks.own:FastconvNetworks", ("numba",))
NETWORKS_OF_OTHERS = (
    Entrant("torch", f"{_HERE}.networks.pytorch:PyTorchNetworks", ("torch",)),
    Entrant("onnxruntime", f"{_HERE}.networks.onnx_runtime:OnnxRuntimeNetworks", ("onnxruntime", "onnx")),
    Entrant("jax", f"{_HERE}.networks.jax_lax:JaxNetworks", ("jax", "jaxlib")),
    Entrant("openvino", f"{_HERE}.networks.open_vino:OpenVinoNetworks", ("openvino", "onnx")),
    Entrant("ncnn", f"{_HERE}.networks.tencent_ncnn:NcnnNetworks", ("ncnn", "pnnx", "torch")),
)


def entrant(name: str, others: tuple[Entrant, ...] = OTHERS) -> Entrant:
    """Return the engine of that name, or one of your own by ``module:Class``."""
    for known in others:
        if known.name == name:
            return known
    module, _, cls = name.partition(":")
    if not (module and cls):
        names = tuple(known.name for known in others)
        raise unknown_name("contest", "an engine", name, names, others=", or module:Class", bare=True)
    return Entrant(cls, name, (module.partition(".")[0],))


def load(place: str) -> type[EngineBase]:
    """Import the class at ``module:Class``."""
    module, _, name = place.partition(":")
    cls: type[EngineBase] = getattr(import_module(module), name)
    return cls
