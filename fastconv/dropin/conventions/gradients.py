"""Gradients of a convolution in what somebody's function returns: which, where, and in which shape that of the bias."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.dropin.conventions.structure import WHOLE, Structure, read_results, structure_of

_NAMES = ("dx", "dweight", "dbias")
GRADIENT = Structure({"dx": WHOLE})
_TRIPLE = Structure({name: ("item", index) for index, name in enumerate(_NAMES)}, (None, None, None))


def read_gradients(
    details: dict[str, Any],
    found: Any,
    x: tuple[int, ...],
    weight: tuple[int, ...],
    filters: int,
    *,
    ordered: bool = True,
) -> dict[str, Any]:
    """Return dx, dweight and dbias (F,) by name, those that there are, and keep how they are returned.

    Parameters
    ----------
    details : dict
        Those of the implementation.
    found : object
        What its backward function has returned.
    x, weight : tuple of int
        Shapes of the input and the weights, as these functions have them.
    filters : int
        Filters, F.
    ordered : bool
        Their order in a tuple or a list is that of the convention.
    """
    parts = read_results(details, "backward", found, {"dx": x, "dweight": weight, "dbias": (filters,)}, ordered=ordered)
    details["gradients"] = " ".join(parts)
    dbias = parts.get("dbias")
    if not isinstance(dbias, (np.ndarray, np.generic, float, int)):
        return parts
    sizes = np.shape(dbias)
    if [size for size in sizes if size != 1] == [filters] * (filters > 1):
        if filters > 1 or "shape of dbias" not in details:
            details["shape of dbias"] = tuple(-1 if size != 1 else 1 for size in sizes)
        parts["dbias"] = np.reshape(dbias, filters)
    return parts


def made_gradients(details: dict[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return what puts dx, dweight and dbias (F,) into a result like theirs."""
    structure, shape = structure_of(details, "backward", _TRIPLE), details.get("shape of dbias", (-1,))

    def made(dx: Any, dweight: Any, dbias: Any) -> Any:
        if "dbias" in structure.keys:
            dbias = dbias.reshape(shape) if shape else dbias[0]
        return structure.made({"dx": dx, "dweight": dweight, "dbias": dbias})

    return made
