"""Kinds of pooling by the names that Paddle has for them."""

from __future__ import annotations

from typing import Any, ClassVar

from fastconv.compat.paddle.arguments import one_of

__all__ = ["Avg", "AvgPooling", "Max", "MaxPooling", "Pooling", "as_pooling"]


class Pooling:
    """A kind of pooling; the subclasses name it."""

    name: ClassVar[str]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Max(Pooling):
    """The largest element of a window."""

    name = "max"


class Avg(Pooling):
    """The mean of a window."""

    name = "average"


MaxPooling, AvgPooling = Max, Avg

_BY_NAME: dict[str, type[Pooling]] = {"max": Max, "average": Avg, "avg": Avg}


def as_pooling(operation: str, value: Any) -> Pooling:
    """Return a kind of pooling given as an object, a class or a name; None is the default, the maximum."""
    return one_of(operation, "pool_type", Max if value is None else value, Pooling, _BY_NAME)
