"""Parts of arrays, and arrays of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.functional.copies import concatenated
from fastconv.onnx.operators.arguments import checked_axes, integers, one_integer
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_axis
from fastconv.validation.types import Shape

if TYPE_CHECKING:
    from fastconv.onnx.graph import Node


@operator("Concat", since=4)
def concat(*inputs: Array, axis: int) -> Array:
    """Arrays one after the other along an axis: floats by the backend."""
    shapes = [one.shape for one in inputs]
    if not shapes or not shapes[0]:
        raise InvalidValueError(f"Concat: the inputs must be arrays with axes, but got shapes {shapes}.")
    axis = check_axis("Concat", "axis", axis, shapes[0])
    if len({(*shape[:axis], None, *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise InvalidValueError(
            f"Concat: the inputs must have the same shape but along axis {axis}, but got "
            f"{' and '.join(map(str, shapes))}."
        )
    if all(one.dtype in (np.float32, np.float64) and one.dtype == inputs[0].dtype for one in inputs):
        return concatenated("Concat", inputs, axis)
    return np.concatenate(inputs, axis)


@operator("Split", since=2)
def split(x: Array, *, axis: int = 0, split: tuple[int, ...] | None = None, node: Node) -> tuple[Array, ...]:
    """Views of parts along an axis: of those sizes, or as many equal ones as there are outputs."""
    return _split(x, axis, split, len(node.outputs))


@operator("Split", since=13)
def split_by_input(x: Array, split: Array | None = None, *, axis: int = 0, node: Node) -> tuple[Array, ...]:
    """Views of parts along an axis: of those sizes, or as many equal ones as there are outputs."""
    return _split(x, axis, None if split is None else integers("Split", "split", split), len(node.outputs))


@operator("Split", since=18)
def split_by_number(
    x: Array, split: Array | None = None, *, axis: int = 0, num_outputs: int | None = None, node: Node
) -> tuple[Array, ...]:
    """Views of parts along an axis: of those sizes, or so many, of which the last may be less."""
    count = len(node.outputs)
    if split is not None or num_outputs is None:
        return split_by_input(x, split, axis=axis, node=node)
    if num_outputs != count:
        raise InvalidValueError(f"Split: num_outputs must be that of the outputs, {count}, but got {num_outputs}.")
    size = x.shape[check_axis("Split", "axis", axis, x.shape)]
    part = -(-size // count)
    return _split(x, axis, tuple(max(0, min(part, size - i * part)) for i in range(count)), count)


def _split(x: Array, axis: int, sizes: Shape | None, count: int) -> tuple[Array, ...]:
    size = x.shape[check_axis("Split", "axis", axis, x.shape)]
    parts = (size // count,) * count if sizes is None else sizes
    if sum(parts) != size or len(parts) != count or min(parts) < 0:
        raise InvalidValueError(
            f"Split: the parts must be {count} that add up to {size}, but got {parts} (axis {axis}, shape {x.shape})."
        )
    return tuple(np.split(x, np.cumsum(parts)[:-1], axis))


@operator("Slice")
def slice_by_attributes(
    data: Array, *, starts: tuple[int, ...], ends: tuple[int, ...], axes: tuple[int, ...] | None = None
) -> Array:
    """View of the cells from `starts` to `ends`."""
    return _sliced(data, starts, ends, axes, None)


@operator("Slice", since=10)
def slice_by_inputs(
    data: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None
) -> Array:
    """View of the cells from `starts` to `ends`, every so many; steps below 0 go backwards."""
    first, last = integers("Slice", "starts", starts), integers("Slice", "ends", ends)
    chosen = None if axes is None else integers("Slice", "axes", axes)
    return _sliced(data, first, last, chosen, None if steps is None else integers("Slice", "steps", steps))


def _sliced(data: Array, starts: Shape, ends: Shape, axes: Shape | None, steps: Shape | None) -> Array:
    axes = checked_axes("Slice", range(len(starts)) if axes is None else axes, data.shape)
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise InvalidValueError(
            f"Slice: starts, ends, axes and steps must be as many, and steps not 0, but got {starts}, {ends}, {axes} "
            f"and {steps}."
        )
    cells = [slice(None)] * data.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps):
        # ends out of range mean the same in Python, but backwards from before the first cell is from that one
        cells[axis] = slice(max(start, -data.shape[axis]), end, step)
    return data[tuple(cells)]


@operator("Tile", since=6)
def tile(x: Array, repeats: Array) -> Array:
    """The array so many times along every axis."""
    counts = integers("Tile", "repeats", repeats)
    if len(counts) != x.ndim or min(counts, default=0) < 0:
        raise InvalidValueError(f"Tile: repeats must be {x.ndim} from 0 on, but got {counts} (shape {x.shape}).")
    check_fits("Tile", "the result", tuple(size * count for size, count in zip(x.shape, counts)), x.itemsize)
    return np.tile(x, counts)


@operator("Compress", since=9)
def compress(x: Array, condition: Array, *, axis: int | None = None) -> Array:
    """The slices along an axis for which a condition is true; without an axis, the numbers."""
    size = x.size if axis is None else x.shape[check_axis("Compress", "axis", axis, x.shape)]
    if condition.size > size:
        raise InvalidValueError(f"Compress: condition must be at most {size}, but got {condition.size} numbers.")
    return np.compress(condition, x, axis)


@operator("ReverseSequence", since=10)
def reverse_sequence(x: Array, lengths: Array, *, batch_axis: int = 1, time_axis: int = 0) -> Array:
    """Turn round the first so many steps of every sequence."""
    counts = integers("ReverseSequence", "sequence_lens", lengths)
    if {batch_axis, time_axis} != {0, 1} or x.ndim < 2 or len(counts) != x.shape[batch_axis]:
        raise InvalidValueError(
            f"ReverseSequence: batch and time must be axes 0 and 1, and sequence_lens one number per sequence, but got "
            f"{batch_axis} and {time_axis}, and {len(counts)} numbers (shape {x.shape})."
        )
    y = x.copy(order="K")
    sequences, turned = np.moveaxis(x, batch_axis, 0), np.moveaxis(y, batch_axis, 0)
    for sequence, result, count in zip(sequences, turned, counts):
        if not 0 <= count <= len(sequence):
            raise InvalidValueError(
                f"ReverseSequence: sequence_lens must be from 0 to {len(sequence)}, but got {count}."
            )
        result[:count] = sequence[:count][::-1]
    return y


@operator("Trilu", since=14)
def trilu(x: Array, k: Array | None = None, *, upper: int = 1) -> Array:
    """The upper or lower triangle of matrices, from a diagonal, and zeros."""
    diagonal = 0 if k is None else one_integer("Trilu", "k", k)
    rows, columns = x.shape[-2:]
    return (np.triu if upper else np.tril)(x, min(max(diagonal, -rows), columns))
