"""Which gradients a backward pass is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from fastconv.errors import InvalidTypeError, InvalidValueError

__all__ = ["GRADIENTS", "check_needs"]

GRADIENTS = ("x", "weight", "bias")


def check_needs(operation: str, needs: object) -> frozenset[str]:
    """Return the names of the gradients to compute; one name may stand alone."""
    names = (needs,) if isinstance(needs, str) else needs
    if not isinstance(names, Iterable):
        raise InvalidTypeError(f"{operation}: needs must be an iterable of names, but got {needs!r}.")
    wanted = tuple(names)
    if any(name not in GRADIENTS for name in wanted):
        raise InvalidValueError(
            f"{operation}: needs must name some of {', '.join(map(repr, GRADIENTS))}, but got {wanted!r}."
        )
    return frozenset(wanted)
