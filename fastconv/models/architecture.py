"""How a network was made: the name and the arguments that make it again, without its weights."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from fastconv.layers import Layer

_PLACE = "_architecture"  # among the attributes of a network


class Architecture(NamedTuple):
    """What `by_name` makes a network of.

    Attributes
    ----------
    name : str
        A name of `MODELS`.
    arguments : dict
        The others, in what JSON has; weights are drawn anew.
    """

    name: str
    arguments: dict[str, Any]


def remember(model: Layer, name: str, arguments: dict[str, Any]) -> None:
    """Note on a network how it was made, where its arguments are plain values."""
    try:
        plain = json.loads(json.dumps(arguments))
    except TypeError:  # a function that draws weights, for example
        return
    vars(model)[_PLACE] = (Architecture(name, plain), repr(model))


def architecture_of(model: Layer) -> Architecture | None:
    """How a network was made by its name; None where it was made by hand, or its layers are others by now.

    Parameters
    ----------
    model : Layer
        The network.

    Examples
    --------
    >>> from fastconv.models import by_name
    >>> model = by_name("lenet5", rng=0)
    >>> architecture_of(model).name
    'lenet5'
    >>> architecture_of(model.append(model["fc3"].__class__(10, 2))) is None
    True
    """
    architecture, form = vars(model).get(_PLACE, (None, ""))
    return architecture if architecture is not None and repr(model) == form else None
