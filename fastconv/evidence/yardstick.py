"""The frozen loops of the seeds, wherever they are: inside the installed package, or in the checkout."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import import_module, util
from pathlib import Path
from types import ModuleType

from fastconv.evidence.process.child import PACKAGE

__all__ = ["seed_loops"]

_INSTALLED = "fastconv._seed_loops"
_IN_CHECKOUT = PACKAGE.parent / "benchmarks" / "seed_loops.py"


@lru_cache(maxsize=1)
def seed_loops() -> ModuleType:
    """Return the module of the frozen loops that every "times faster" divides by.

    Returns
    -------
    module
        ``fastconv._seed_loops`` of an installed wheel, or else ``benchmarks/seed_loops.py`` of the checkout.

    Raises
    ------
    ImportError
        If neither is there.

    Examples
    --------
    >>> timing = seed_loops().time_per_output(
    ...     "max_pool2d", input_shape=(1, 2, 4, 6), kernel_size=2, stride=2, pad=0
    ... )
    >>> timing.outputs_total
    12
    """
    if util.find_spec(_INSTALLED) is not None:
        return import_module(_INSTALLED)
    return _load(_IN_CHECKOUT)


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise ImportError(
            f"seed_loops: the frozen loops must be in the package or in the checkout, but got neither {_INSTALLED} nor "
            f"{path}. Install fastconv again."
        )
    spec = util.spec_from_file_location(_INSTALLED, path)
    assert spec is not None  # a .py file always has a spec and a loader
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[_INSTALLED] = module  # where its classes will be looked up, as of any other module
    spec.loader.exec_module(module)
    return module
