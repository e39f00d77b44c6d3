"""Arrays that a model of ONNX takes, and a walk through it that looks at every node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.onnx.graph import Graph, Node, Value
from fastconv.validation.arrays import Array
from fastconv.validation.types import Shape


def example(
    operation: str, inputs: Sequence[Value], batch: int, seed: int, image: Shape | None = None
) -> dict[str, Array]:
    """Draw an array for each input: numbers between 0 and 1, as of pictures, and integers from 1 to 6.

    Parameters
    ----------
    operation : str
        Whom messages name.
    inputs : sequence of Value
        What the model takes.
    batch : int
        First size, where the file does not fix it.
    seed : int
        Of the numbers.
    image : tuple of int, optional
        The other sizes, where the file does not fix them.

    Raises
    ------
    ValueError
        If a size is known to nobody.
    """
    rng = np.random.default_rng(seed)
    return {value.name: _drawn(rng, value.dtype, input_shape(operation, value, batch, image)) for value in inputs}


def _drawn(rng: np.random.Generator, dtype: np.dtype[np.generic], shape: Shape) -> Array:
    numbers = rng.random(shape) if dtype.kind == "f" else rng.integers(1, 7, shape)
    return numbers.astype(dtype)


def input_shape(operation: str, value: Value, batch: int, image: Shape | None = None) -> Shape:
    """Return the shape of an input, the sizes that the file leaves open filled in."""
    told = value.shape
    if told is None and image is not None:
        told = (None,) * (1 + len(image))
    if told is not None:
        others = image if image is not None and len(image) == len(told) - 1 else told[1:]
        sizes = (own if isinstance(own, int) else other for own, other in zip(told, (batch, *others)))
        known = tuple(size for size in sizes if isinstance(size, int))
        if len(known) == len(told):
            return known
    raise InvalidValueError(
        f"{operation}: every size of the input {value.name!r} must be known, but the file has {value.shape}. Give "
        "those of an image, such as 3x224x224."
    )


def walk(graph: Graph, inputs: dict[str, Array]) -> Iterator[tuple[Node, list[Array | None], tuple[Array, ...]]]:
    """Run a graph, and yield each node with what it takes and gives."""
    values: dict[str, Array] = {**graph.constants, **inputs}
    for node in graph.nodes:
        arguments = [values[name] if name else None for name in node.inputs]
        results = node(*arguments)
        values.update(zip(node.outputs, results))
        yield node, arguments, results
