"""From a network and a shape to its summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends.settings import get_num_threads
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.evidence.summary import lifetimes
from fastconv.evidence.summary.fast_workspace import borrowed_bytes, evaluated, temporary_bytes
from fastconv.evidence.summary.summaries import LayerSummary, Summary
from fastconv.evidence.summary.workspace import KEPT_BUFFER
from fastconv.layers.base import Layer, Step, Value
from fastconv.layers.parameter import Parameter
from fastconv.optim import OPTIMIZERS
from fastconv.validation.arrays import check_dtype
from fastconv.validation.sizes import check_any_shape, check_choice, check_flag, check_integer

_OPERATION = "summary"
# numbers beside each parameter: the velocity; the mean square; both moments
_STATE_PER_PARAMETER = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2, "adamw": 2}
_OPTIONS = {"momentum": ("sgd", {"momentum": 0.9})}  # of those that are no rule of their own
_BLOCK = 2**14  # numbers that are updated at a time, see `fastconv.optim.base`


def summary(
    model: Layer,
    input_shape: Iterable[int],
    *,
    batch: int | None = None,
    dtype: DTypeLike | None = None,
    optimizer: str = "adam",
    training: bool = True,
    program: bool = False,
    name: str | None = None,
) -> Summary:
    """Count parameters, operations and memory of a network; nothing is computed.

    Parameters
    ----------
    model : Layer
        The network, or a single layer.
    input_shape : sequence of int
        Shape of the input, batch included; or of one image, with `batch`.
    batch : int, optional
        Images in a batch, where `input_shape` is that of one.
    dtype : dtype, optional
        Of parameters and activations, as if the network had been made with it; by default that of its parameters.
    optimizer : {"sgd", "momentum", "rmsprop", "adam", "adamw"}
        Whose state to count.
    training : bool
        Whether the table, ``str(summary)``, is about training or inference. The totals have both.
    program : bool
        Also plan the program that `fastconv.compile` makes of it, for training or inference as above, and count its
        memory. This needs the fast backend, and makes a copy of the parameters.
    name : str, optional
        Name of the network in the table; by default its class.

    Returns
    -------
    Summary
        One row per layer, and totals.

    Raises
    ------
    ValueError
        If a layer does not take its input; the message names the layer. If there is no such optimiser.
    TypeError
        If `model` is not a `Layer`, or another argument has the wrong type.

    See Also
    --------
    fastconv.compare : Measures time and memory.

    Notes
    -----
    A multiply-add counts as two floating-point operations (FLOPs), and padding counts like any cell. Beyond them, every
    element of the result of a layer counts one FLOP for each addition, multiplication, division, comparison, root or
    exponential that it takes; a bias counts nothing, because the sums start from it.

    Memory is that of the fast backend, with the threads and the option ``max_workspace`` in force now; its scratch
    memory is an upper bound. The peaks are those of a step in the steady state: the arrays that the layers kept in the
    step before are still there, and go one by one as new ones take their places; the caller holds the batch, the output
    and its gradient until then. A forward pass in evaluation is a single call. Python itself, the labels and whatever
    else the program holds are not counted.

    Examples
    --------
    A convolution of 5×5 over RGB images of 150×100, with 200 feature maps:

    >>> from fastconv.layers import Conv2d
    >>> one = summary(Conv2d(3, 200, 5, padding="same"), (1, 3, 150, 100))
    >>> one.parameters, one.multiply_adds, one.activation_bytes
    (15200, 225000000, 12000000)
    """
    if not isinstance(model, Layer):
        raise InvalidTypeError(f"{_OPERATION}: model must be a Layer, but got {type(model).__name__}.")
    shape = _whole_shape(input_shape, batch)
    kind = _dtype(model, dtype)
    steps = _traced(model, shape, batch)
    chosen = check_choice(_OPERATION, "optimizer", optimizer, tuple(_STATE_PER_PARAMETER))
    trained = check_flag(_OPERATION, "training", training)
    rows = [_row(step, own, kind.itemsize, trained) for step, own in zip(steps, _own_parameters(steps))]
    if not (name is None or isinstance(name, str)):
        raise InvalidTypeError(f"{_OPERATION}: name must be a string, but got {shown(name)}.")
    title = type(model).__name__ if name is None else name
    total = _total(model, title, shape, kind, chosen, trained, steps, rows)
    return _with_program(total, model, kind) if check_flag(_OPERATION, "program", program) else total


def _traced(model: Layer, shape: tuple[int, ...], batch: object) -> list[Step]:
    """Return what the network does with an input, layer by layer."""
    steps: list[Step] = []
    try:
        model.trace(Value(lifetimes.INPUT, shape), steps)
    except (InvalidTypeError, InvalidValueError) as error:
        advice = ""
        if _is_one_image(model, shape, batch):
            advice = f" The batch comes first: pass {(1, *shape)}, or batch=1 beside the shape of one image."
        raise type(error)(f"{_OPERATION}: {error}{advice}") from None
    return steps


def _with_program(total: Summary, model: Layer, kind: np.dtype[Any]) -> Summary:
    from fastconv.programs.planning import planned_inference, planned_training

    if kind == np.float16 or not total.input_bytes:
        raise InvalidValueError(
            f"{_OPERATION}: a program is planned for float32 or float64 and a batch that is not empty, but got "
            f"{kind} and shape {total.input_shape}."
        )
    if total.training:
        rule, options = _OPTIONS.get(total.optimizer, (total.optimizer, {}))
        planned = planned_training(model, total.input_shape, kind, OPTIMIZERS[rule], **options)
        beside = total.parameter_bytes + total.buffer_bytes + total.optimizer_bytes + total.input_bytes
    else:
        planned = planned_inference(model, total.input_shape, kind)  # which copies the network
        output = prod(model.output_shape(total.input_shape)) * kind.itemsize
        beside = 2 * (total.parameter_bytes + total.buffer_bytes) + total.input_bytes + output
    peak = planned.arena + planned.constants + beside
    return replace(total, program_arena_bytes=planned.arena, peak_program_bytes=peak)


def _whole_shape(value: Any, batch: object) -> tuple[int, ...]:
    shape = check_any_shape(_OPERATION, "input_shape", value)
    if batch is not None:
        shape = (check_integer(_OPERATION, "batch", batch, 0), *shape)
    return shape


def _is_one_image(model: Layer, shape: tuple[int, ...], batch: object) -> bool:
    """Whether the network takes such a shape with a batch before it."""
    if batch is not None:
        return False
    try:
        model.trace(Value(lifetimes.INPUT, (1, *shape)), [])
    except (InvalidTypeError, InvalidValueError):
        return False
    return True


def _dtype(model: Layer, dtype: DTypeLike | None) -> np.dtype[Any]:
    if dtype is not None:
        return check_dtype(_OPERATION, dtype)
    return next((parameter.dtype for parameter in model.parameters()), np.dtype(np.float32))


def scratch_numbers(shapes: Iterable[tuple[int, ...]]) -> int:
    """Numbers of the two temporary arrays of an update, over a few rows of a parameter at a time."""
    blocks = (min(prod(shape), max(_BLOCK, prod(shape[1:]))) for shape in shapes)
    return 2 * max(blocks, default=0)


def _own_parameters(steps: list[Step]) -> Iterator[list[Parameter]]:
    """Parameters that belong to each step and to no other: of its layer, and of layers inside that are no steps."""
    traced = {id(step.layer) for step in steps}
    seen: set[int] = set()

    def collect(layer: Layer) -> Iterator[Parameter]:
        yield from (value for value in vars(layer).values() if isinstance(value, Parameter))
        for _, child in layer.named_children():
            if id(child) not in traced:
                yield from collect(child)

    for step in steps:
        own = [parameter for parameter in collect(step.layer) if id(parameter) not in seen]
        seen.update(map(id, own))
        yield own


def _row(step: Step, own: list[Parameter], itemsize: int, training: bool) -> LayerSummary:
    shape = step.inputs[0].shape
    view = any(step.output.key == value.key for value in step.inputs)
    return LayerSummary(
        name=step.name or type(step.layer).__name__,
        kind=type(step.layer).__name__,
        output_shape=step.output.shape,
        parameters=sum(parameter.size for parameter in own),
        trainable_parameters=sum(parameter.size for parameter in own if parameter.requires_grad),
        multiply_adds=step.layer.multiply_adds(shape),
        flops=step.layer.flops(shape),
        activation_bytes=0 if view else prod(step.output.shape) * itemsize,
        kept_bytes=step.layer.kept_bytes(shape, itemsize),
        workspace_bytes=borrowed_bytes(step, itemsize, training=training),
    )


def _works(
    steps: list[Step], rows: list[LayerSummary], batch: int, itemsize: int, *, training: bool
) -> tuple[list[lifetimes.Work], dict[int, int], int]:
    """Return the steps in bytes, the bytes of their arrays, and those of the buffer that stays with the engine."""
    engine = [borrowed_bytes(step, itemsize, training=training) for step in steps]
    scratch = [temporary_bytes(step, itemsize, size) for step, size in zip(steps, engine)]
    gradients = [row.trainable_parameters * itemsize for row in rows]
    found, sizes = lifetimes.works(steps, batch, itemsize, gradients, scratch)
    return found, sizes, max((size for size in engine if size <= KEPT_BUFFER), default=0)


def _total(
    model: Layer,
    name: str,
    shape: tuple[int, ...],
    kind: np.dtype[Any],
    optimizer: str,
    training: bool,
    steps: list[Step],
    rows: list[LayerSummary],
) -> Summary:
    item, parameters = kind.itemsize, model.parameters()
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    count, trained = (sum(parameter.size for parameter in group) for group in (parameters, trainable))
    buffers = sum(
        value.size * (item if value.dtype.kind == "f" else value.itemsize) for _, value in model.named_buffers()
    )
    state = trained * _STATE_PER_PARAMETER[optimizer] * item
    found, sizes, workspace = _works(steps, rows, prod(shape) * item, item, training=True)
    forward, forward_sizes, forward_workspace = _works(evaluated(steps), rows, prod(shape) * item, item, training=False)
    # of the NumPy code; the kernels, which have no float16, need none
    update = scratch_numbers(one.shape for one in trainable) * np.float32().itemsize if kind == np.float16 else 0
    train = lifetimes.peak(lifetimes.training_moments(found, sizes, update))
    infer = lifetimes.peak(lifetimes.inference_moments(forward, forward_sizes, everything=True))
    between = lifetimes.peak(lifetimes.inference_moments(forward, forward_sizes, everything=False))
    return Summary(
        model=name,
        input_shape=shape,
        dtype=kind.name,
        optimizer=optimizer,
        training=training,
        threads=get_num_threads(),
        layers=tuple(rows),
        parameters=count,
        trainable_parameters=trained,
        multiply_adds=sum(row.multiply_adds for row in rows),
        flops=sum(row.flops for row in rows),
        parameter_bytes=count * item,
        gradient_bytes=trained * item,
        optimizer_bytes=state,
        buffer_bytes=buffers,
        input_bytes=prod(shape) * item,
        activation_bytes=sum(row.activation_bytes for row in rows),
        inference_activation_bytes=between.nbytes,
        training_activation_bytes=lifetimes.kept_bytes(found, sizes),
        workspace_bytes=workspace,
        inference_workspace_bytes=forward_workspace,
        peak_training_bytes=train.nbytes + count * item + buffers + state + workspace,
        peak_inference_bytes=infer.nbytes + count * item + buffers + forward_workspace,
        peak_training_at=train.what,
        peak_inference_at=infer.what,
    )
