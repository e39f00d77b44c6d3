"""States of random generators as JSON, also those that layers own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.layers.base import Layer

__all__ = ["check_generator_state", "generator_state", "layer_generators", "set_generator_state"]

_WORDS = ("uint32", "uint64")  # of the arrays in the states of NumPy


def generator_state(generator: np.random.Generator) -> Any:
    """Return the state in plain dicts, lists and integers."""
    return _plain(generator.bit_generator.state)


def set_generator_state(generator: np.random.Generator, state: Any) -> None:
    """Set what `generator_state` returned."""
    generator.bit_generator.state = _restored(state)


def check_generator_state(name: str, generator: np.random.Generator, state: Any) -> None:
    """Refuse a state that a generator does not take."""
    try:
        set_generator_state(deepcopy(generator), state)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:  # as NumPy does
        raise InvalidValueError(f"the state of the generator {name} must be whole, but got {error!r}.") from error


def layer_generators(model: Layer) -> Iterator[tuple[str, np.random.Generator]]:
    """Yield every generator that is an attribute of a layer, such as that of dropout, with its name."""
    for prefix, layer in model.named_layers():
        for name, value in vars(layer).items():
            if isinstance(value, np.random.Generator):
                yield (f"{prefix}.{name}" if prefix else name), value


def _plain(state: Any) -> Any:
    if isinstance(state, Mapping):
        return {name: _plain(value) for name, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"dtype": state.dtype.name, "values": state.tolist()}
    return int(state) if isinstance(state, np.integer) else state


def _restored(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    if set(state) == {"dtype", "values"} and state["dtype"] in _WORDS:  # no dtype of a gigabyte
        return np.array(state["values"], state["dtype"])
    return {name: _restored(value) for name, value in state.items()}
