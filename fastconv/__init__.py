"""Convolutional networks for NumPy: a plain-loop reference and a Numba engine behind one API.

The operations are here; `layers`, `losses`, `optim`, `training`, `models`, `onnx`, `data`, `initializers` and `compat`
are modules that are imported when they are first used, and so is what `accelerate`, `check`, `compare`, `load_model`
and `summary` need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastconv import errors, functional, testing
from fastconv._version import __version__
from fastconv.backends import (
    available_backends,
    get_backend,
    register_backend,
    release,
    set_backend,
    unregister_backend,
    use_backend,
)
from fastconv.backends.settings import (
    get_num_threads,
    get_options,
    options,
    set_num_threads,
    set_options,
    use_num_threads,
)
from fastconv.errors import meant
from fastconv.functional import *
from fastconv.testing import gradient_check

__all__ = [
    "__version__",
    "accelerate",
    "available_backends",
    "check",
    "compare",
    "compat",
    "compile",
    "data",
    "errors",
    "functional",
    "get_backend",
    "get_num_threads",
    "get_options",
    "gradient_check",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "models",
    "onnx",
    "optim",
    "options",
    "register_backend",
    "release",
    "set_backend",
    "set_num_threads",
    "set_options",
    "summary",
    "testing",
    "training",
    "unregister_backend",
    "use_backend",
    "use_num_threads",
]
__all__ += functional.__all__

_ROOMS = ("layers", "losses", "optim", "models", "data", "training")  # where other libraries have one namespace
_MODULES = ("compat", "data", "initializers", "layers", "losses", "models", "onnx", "optim", "training")
_FUNCTIONS = {
    "accelerate": "dropin.accelerate",
    "check": "dropin.check",
    "compare": "evidence.compare",
    "compile": "programs",
    "load_model": "training",
    "summary": "evidence.summary",
}


if TYPE_CHECKING:
    from fastconv import compat, data, initializers, layers, losses, models, onnx, optim, training
    from fastconv.dropin.accelerate import accelerate
    from fastconv.dropin.check import check
    from fastconv.evidence.compare import compare
    from fastconv.evidence.summary import summary
    from fastconv.programs import compile
    from fastconv.training import load_model
else:

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"fastconv.{name}")
        if name in _FUNCTIONS:
            return getattr(import_module(f"fastconv.{_FUNCTIONS[name]}"), name)
        raise AttributeError(f"module 'fastconv' has no attribute {name!r}.{_place_of(name)}", name=name)


def _place_of(name: str) -> str:
    """Say where a name is that is looked for here, or which was likely meant; nothing of what starts with "_"."""
    if name.startswith("_"):  # asked for by tools
        return ""
    for room in _ROOMS:
        if name in import_module(f"fastconv.{room}").__all__:
            return f" It is fastconv.{room}.{name}."
    return meant(name, __all__)


def __dir__() -> list[str]:
    return sorted(__all__)
