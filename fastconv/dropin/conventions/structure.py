"""Where the arrays are in what somebody's function returns: alone, in a tuple, a list, a dict, or attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

Key = tuple[str, Any]  # "item" with an index or a key, "attribute" with a name, or "whole"

WHOLE: Key = ("whole", None)
_NUMBERS = (np.ndarray, np.generic, int, float)
_CONSTANT = (str, bytes, bool, int, float, type(None))


@dataclass(frozen=True)
class Structure:
    """Where the parts of a result are.

    Parameters
    ----------
    keys : mapping of str to (str, object)
        The place of every part by its name, such as "y", "cache" or "dweight".
    template : object
        A result, whose other parts are constants; None for one part that is the whole.
    """

    keys: Mapping[str, Key]
    template: Any = None

    def read(self, found: Any) -> dict[str, Any]:
        """Return the parts of a result by name; those that are not there are left out."""
        parts = {}
        for name, (kind, key) in self.keys.items():
            try:
                parts[name] = found if kind == "whole" else getattr(found, key) if kind == "attribute" else found[key]
            except (AttributeError, IndexError, KeyError, TypeError):
                continue
        return parts

    def made(self, parts: Mapping[str, Any]) -> Any:
        """Return a result like the template with other parts; the whole where there is one part alone."""
        if self.template is None:
            return next(parts[name] for name in self.keys)
        placed = {key: parts[name] for name, (_, key) in self.keys.items()}
        if isinstance(self.template, tuple):
            items = [placed.get(index, item) for index, item in enumerate(self.template)]
            return tuple(items) if type(self.template) is tuple else type(self.template)(*items)
        result = copy(self.template)
        if isinstance(result, (list, dict)):
            for key, part in placed.items():
                result[key] = part
        else:
            vars(result).update(placed)
        return result

    @property
    def others(self) -> tuple[str, ...]:
        """Parts of the template that are neither named nor constant: what a result holds besides."""
        if self.template is None:
            return ()
        taken = set(self.keys.values())
        left = ((key, part) for key, part in _parts(self.template) if key not in taken)
        return tuple(str(key) for (_, key), part in left if not isinstance(part, _CONSTANT))


def find_structure(
    found: Any, shapes: Mapping[str, tuple[int, ...]], rest: str = "", *, ordered: bool = False
) -> tuple[Structure, bool]:
    """Find arrays of given shapes in a result.

    Parameters
    ----------
    found : object
        What a function has returned.
    shapes : mapping of str to tuple of int
        The arrays that it should hold, in the usual order, by name. Axes of one do not count: a bias of (F, 1) is one
        of (F,).
    rest : str
        Name of the part beside them, of any kind; none by default.
    ordered : bool
        In a tuple or a list they have to stand in the usual order.

    Returns
    -------
    structure : Structure
        With every array that there is; what has no right shape is where it usually stands.
    sure : bool
        Whether all that there are have their shapes.

    Examples
    --------
    >>> structure, _ = find_structure({"dw": np.ones((2, 3)), "dx": np.ones(4)}, {"dx": (4,), "dweight": (2, 3)})
    >>> structure.keys
    {'dx': ('item', 'dx'), 'dweight': ('item', 'dw')}
    >>> structure.made({"dx": 1, "dweight": 2})
    {'dw': 2, 'dx': 1}
    """
    parts = dict(_parts(found)) or {WHOLE: found}
    keys: dict[str, Key] = {}
    in_order = ordered and isinstance(found, (tuple, list))
    for index, (name, shape) in enumerate(shapes.items()):
        candidates = [*parts][index : index + 1] if in_order else parts
        fitting = [key for key in candidates if key not in keys.values() and _is_of(parts[key], shape)]
        if fitting:
            keys[name] = fitting[0]
    fit = len(keys)
    for name, usual in zip(shapes, parts):
        if name not in keys and usual not in keys.values():
            keys[name] = usual
    sure = fit == len(keys) > 0
    left = [key for key in parts if key not in keys.values()]
    named = [key for key in left if rest and rest in str(key[1]).lower()]
    if rest and left:
        keys[rest] = (named or left)[0]
    keys = {name: keys[name] for name in (*shapes, rest) if name in keys}
    if WHOLE in parts:
        return Structure(keys), sure
    return Structure(keys, Structure(keys, found).made(dict.fromkeys(keys))), sure  # which keeps no array alive


def read_results(
    details: dict[str, Any],
    role: str,
    found: Any,
    shapes: Mapping[str, tuple[int, ...]],
    rest: str = "",
    *,
    ordered: bool = False,
) -> dict[str, Any]:
    """Return the parts of what a role has returned, see `find_structure`; once that is sure, its structure is kept.

    Parameters
    ----------
    details : dict
        Those of the implementation, where the structure is kept.
    role : str
        Which of its functions.
    found : object
        What it has returned.
    shapes, rest, ordered
        As of `find_structure`.
    """
    structure: Structure | None = details.get(f"results of {role}")
    if structure is None:
        structure, sure = find_structure(found, shapes, rest, ordered=ordered)
        if sure:
            details[f"results of {role}"] = structure
    return structure.read(found)


def structure_of(details: Mapping[str, Any], role: str, usual: Structure) -> Structure:
    """Return the structure of what a role returns, the usual one where it is not known."""
    structure: Structure = details.get(f"results of {role}", usual)
    return structure


def _is_of(part: Any, shape: tuple[int, ...]) -> bool:
    """Whether something is an array of a shape, apart from axes of one."""
    if not isinstance(part, _NUMBERS):
        return False
    sizes, wanted = ([size for size in each if size != 1] for each in (np.shape(part), shape))
    return sizes == wanted


def _parts(found: Any) -> Iterator[tuple[Key, Any]]:
    """The parts of a container or an object, with their places."""
    if isinstance(found, Mapping):
        yield from ((("item", key), part) for key, part in found.items())
    elif isinstance(found, (tuple, list)):
        yield from ((("item", index), part) for index, part in enumerate(found))
    elif hasattr(found, "__dict__"):
        yield from ((("attribute", name), part) for name, part in vars(found).items())
