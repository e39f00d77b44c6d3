"""What the fast backend takes for a layer beside its arrays."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from fastconv.backends.settings import get_num_threads, get_options
from fastconv.evidence.summary.lifetimes import INPUT
from fastconv.evidence.summary.workspace import KEPT_BUFFER, Workspace, conv_workspace, linear_workspace
from fastconv.layers.base import Step
from fastconv.layers.conv import ConvolutionLayer
from fastconv.layers.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastconv.layers.dropout import Dropout
from fastconv.layers.linear import Linear

_TRANSPOSED = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)


def _workspaces(step: Step, itemsize: int) -> Iterator[Workspace]:
    threads, options = get_num_threads(), get_options()
    asked = getattr(step.layer, "exact", None)  # what a layer says goes before the option
    computed = max(itemsize, 4)  # float16 in float32
    for geometry in step.layer.convolutions(step.inputs[0].shape):
        needed = conv_workspace(
            geometry, computed, threads, options.max_workspace, exact=options.exact if asked is None else asked
        )
        if isinstance(step.layer, _TRANSPOSED):
            needed = Workspace(needed.input_gradient, needed.forward, needed.weight_gradient)
        yield needed
    if isinstance(step.layer, Linear):
        rows, inputs = step.inputs[0].shape
        yield linear_workspace(rows, inputs, step.layer.out_features, computed, threads)


def borrowed_bytes(step: Step, itemsize: int, *, training: bool) -> int:
    """Bytes of the buffer that the engine needs for a layer: the largest of its passes."""
    largest = 0
    for needed in _workspaces(step, itemsize):
        passes = [needed.forward]
        if training:
            passes.append(needed.weight_gradient)
            if step.inputs[0].key != INPUT:  # nobody wants the gradient of the batch
                passes.append(needed.input_gradient)
        largest = max(largest, *passes)
    return largest


def temporary_bytes(step: Step, itemsize: int, borrowed: int) -> tuple[int, int]:
    """Bytes of arrays that come and go in the forward pass of a layer, and in its backward pass.

    They are its own, copies, and a buffer that the engine does not keep.
    """
    x, y = (prod(value.shape) for value in (step.inputs[0], step.output))
    shape = step.inputs[0].shape
    forward, backward = step.layer.forward_scratch_bytes(shape, itemsize), step.layer.scratch_bytes(shape, itemsize)
    both, first = borrowed if borrowed > KEPT_BUFFER else 0, step.inputs[0].key == INPUT
    if first and _reads_planes(step):
        both += forward or x * max(itemsize, 4)  # in the order of the engine: the batch is the only array that is not
    if itemsize == 2 and isinstance(step.layer, (ConvolutionLayer, Linear)):
        both += 4 * (x + y)  # in float32: x, and y or dy
        forward -= itemsize * y  # which is rounded later
        backward += 0 if first else 4 * x  # and dx
    return forward + both, backward + both


def evaluated(steps: list[Step]) -> list[Step]:
    """The steps of an evaluation, in which dropout returns its input."""
    keys: dict[int, int] = {}
    found = []
    for step in steps:
        inputs = tuple(value._replace(key=keys.get(value.key, value.key)) for value in step.inputs)
        if isinstance(step.layer, Dropout) or step.output.key in keys:
            keys[step.output.key] = inputs[0].key
        output = step.output._replace(key=keys.get(step.output.key, step.output.key))
        found.append(step._replace(inputs=inputs, output=output))
    return found


def _reads_planes(step: Step) -> bool:
    """Whether a convolution takes images whose channels are apart."""
    return (
        bool(step.layer.convolutions(step.inputs[0].shape))
        and str(getattr(step.layer, "layout", "")).startswith("NC")
        and step.inputs[0].shape[1] > 1
    )
