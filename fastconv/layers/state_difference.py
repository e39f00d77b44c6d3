"""How a state differs from what a network has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fastconv.errors import meant
from fastconv.validation.arrays import Array


class StateDifference(NamedTuple):
    """Names that a network and a state do not share; PyTorch calls them the same.

    Attributes
    ----------
    missing_keys : tuple of str
        What the network has, and the state has not: it stays as it was.
    unexpected_keys : tuple of str
        What the state has, and the network has not: it was not used.
    """

    missing_keys: tuple[str, ...]
    unexpected_keys: tuple[str, ...]


def difference(own: Mapping[str, Array], state: Mapping[str, Any], optional: Iterable[str]) -> StateDifference:
    """Compare names; `optional` ones may be missing."""
    spared = {*state, *optional}
    return StateDifference(
        tuple(name for name in own if name not in spared), tuple(name for name in state if name not in own)
    )


def named(found: StateDifference) -> Iterator[str]:
    """Say which names differ."""
    for word, names in (("missing", found.missing_keys), ("unexpected", found.unexpected_keys)):
        if names:
            yield f"{word}: {', '.join(names)}"


def likely_mistake(found: StateDifference) -> str:
    """Return a sentence about the first name that is not known, if one that is missing is close to it."""
    hint = meant(found.unexpected_keys[0], found.missing_keys) if found.unexpected_keys else ""
    return hint and f" {found.unexpected_keys[0]!r} is not known.{hint}"


def misshapen(own: Mapping[str, Array], arrays: Mapping[str, Array]) -> Iterator[str]:
    """Say which arrays have another shape."""
    listed = [
        f"{name} {array.shape} in place of {own[name].shape}"
        for name, array in arrays.items()
        if array.shape != own[name].shape
    ]
    if listed:
        yield f"of another shape: {', '.join(listed)}"
