"""A comparison from its JSON."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from fastconv.comparison.results import Comparison, Difference, Environment, PassResult, Row

__all__ = ["comparison_of"]

Data = dict[str, Any]


def comparison_of(data: Data) -> Comparison:
    """Return the comparison that `Comparison.to_dict` made plain data of; the feature maps are not in it.

    Raises
    ------
    KeyError
        If something is missing.
    """
    reference, candidate = data["backends"]
    environment = Environment(**_own(Environment, data["environment"]))
    return Comparison(tuple(_row(row) for row in data["rows"]), environment, (reference, candidate))


def _row(data: Data) -> Row:
    found = _own(Row, {**data, "maps": None})
    found["shapes"] = {name: tuple(shape) for name, shape in data["shapes"].items()}
    found["passes"] = tuple(PassResult(**_own(PassResult, each)) for each in data["passes"])
    for kind in ("differences", "whole_differences"):
        found[kind] = tuple(Difference(**_finite(_own(Difference, each))) for each in data[kind])
    return Row(**found)


def _own(kind: type, data: Data) -> Data:
    """Keep the fields of a record; the JSON has the figures derived from them too."""
    return {field.name: data[field.name] for field in fields(kind)}


def _finite(difference: Data) -> Data:
    """What is not finite is null in JSON."""
    return {name: math.inf if value is None else value for name, value in difference.items()}
