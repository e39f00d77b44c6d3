"""Functions of a model: operators that the file defines itself, put in the places where they are called."""

from __future__ import annotations

from typing import Any

from fastconv.onnx.tensors import Origin

_MOST = 100_000  # nodes of all calls together: a few functions that call each other twice would be more than any memory


def inlined(origin: Origin, model: Any) -> Any:
    """Return a model without functions."""
    if not model.functions:
        return model
    from onnx import inliner

    bodies = {(one.domain, one.name): one.node for one in model.functions}
    counts: dict[tuple[str, str], int] = {}

    def nodes_in(key: tuple[str, str], callers: tuple[tuple[str, str], ...]) -> int:
        if key in callers:
            raise origin.error(f"function {key[1]!r} must not call itself.")
        if key not in counts:
            calls = [(node.domain, node.op_type) for node in bodies[key]]
            counts[key] = sum(nodes_in(call, (*callers, key)) if call in bodies else 1 for call in calls)
        return counts[key]

    calls = [(node.domain, node.op_type) for node in model.graph.node]
    total = sum(nodes_in(call, ()) for call in calls if call in bodies)
    if total > _MOST:
        raise origin.error(f"its functions must have at most {_MOST} nodes where they are called, but have {total}.")
    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # a binding, which promises no type
        raise origin.error(f"its functions cannot be put in their places ({error}).") from error
