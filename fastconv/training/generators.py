"""States of random generators as JSON, also those that layers own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fastconv.layers.base import Layer

__all__ = ["generator_state", "layer_generators", "set_generator_state"]


def generator_state(generator: np.random.Generator) -> Any:
    """Return the state in plain dicts, lists and integers."""
    return _plain(generator.bit_generator.state)


def set_generator_state(generator: np.random.Generator, state: Any) -> None:
    """Set what `generator_state` returned."""
    generator.bit_generator.state = _restored(state)


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
    if set(state) == {"dtype", "values"}:
        return np.array(state["values"], state["dtype"])
    return {name: _restored(value) for name, value in state.items()}
