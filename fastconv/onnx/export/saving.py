"""`save`, and the message that it writes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv.backends import use_backend
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.files import write_whole
from fastconv.layers import Layer, MaxUnpool1d, MaxUnpool2d, MaxUnpool3d
from fastconv.layers.base import Step, Value
from fastconv.layers.containers import modes_kept
from fastconv.onnx.export import (  # noqa: F401 - registers them
    activation,
    adaptive_pool,
    convolution,
    normalization,
    pool,
    resample,
    shape,
)
from fastconv.onnx.export.message import checked_message
from fastconv.onnx.export.registry import exporter_of, is_traced
from fastconv.onnx.export.writer import INPUT, OUTPUT, GraphWriter, Place
from fastconv.onnx.extra import onnx
from fastconv.validation.sizes import check_any_shape, check_flag, check_path
from fastconv.validation.types import Shape

_SAVE = "onnx.save"
_UNPOOLS = (MaxUnpool1d, MaxUnpool2d, MaxUnpool3d)


def save(model: Layer, path: str | os.PathLike[str], input_shape: Iterable[int], *, dynamic_batch: bool = True) -> None:
    """Write a network as a model of ONNX, whole or not at all, for other engines to run.

    Parameters
    ----------
    model : Layer
        The network. What is written is what it computes in evaluation, whichever mode it is in.
    path : path-like
        The file, usually ``.onnx``.
    input_shape : sequence of int
        Shape of the input, batch included.
    dynamic_batch : bool
        Whether the file takes batches of any size, not only that of `input_shape`. The other sizes are fixed.

    Raises
    ------
    TypeError
        If a layer has no form in ONNX; all of them are named. If `model` is not a `Layer`.
    ValueError
        If the network does not take such an input, its parameters have several dtypes, or they have more than 2 GiB.
    ImportError
        If the extra ``onnx`` is not installed.
    OSError
        If the file cannot be written.

    See Also
    --------
    to_model_proto : The same without a file.
    fastconv.onnx.load : The way back.

    Notes
    -----
    Input and output are called ``input`` and ``output``, weights as in `Layer.state_dict`, and nodes after their
    layers. The dtype is that of the parameters, float32 where there are none. The operator set is 17, that of 2022.
    ONNX keeps numbers that are not arrays, such as the slope of `LeakyReLU`, in float32, so that networks in float64
    agree to six digits. Before anything is written, the checker of ONNX has inferred all shapes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import fastconv as fc
    >>> model = fc.models.DigitsNet(rng=0)
    >>> file = pathlib.Path(tempfile.mkdtemp(), "digits.onnx")
    >>> fc.onnx.save(model, file, (1, 1, 8, 8))
    >>> file.stat().st_size > 4 * 29066
    True
    """
    target = check_path(_SAVE, path)
    data = to_model_proto(model, input_shape, dynamic_batch=dynamic_batch).SerializeToString()
    write_whole(target, lambda stream: stream.write(data))


def to_model_proto(model: Layer, input_shape: Iterable[int], *, dynamic_batch: bool = True) -> Any:
    """Return a network as a message of ONNX, checked.

    Parameters
    ----------
    model, input_shape, dynamic_batch
        As for `save`, which says more.

    Returns
    -------
    ModelProto
        Of the package ``onnx``.

    Raises
    ------
    TypeError, ValueError, ImportError
        As of `save`.

    Examples
    --------
    >>> import fastconv as fc
    >>> proto = to_model_proto(fc.layers.Conv2d(3, 4, 3, rng=0), (1, 3, 6, 7))
    >>> [node.op_type for node in proto.graph.node], [one.name for one in proto.graph.initializer]
    (['Conv'], ['weight', 'bias'])
    """
    package = onnx(_SAVE)
    if not isinstance(model, Layer):
        raise InvalidTypeError(f"{_SAVE}: model must be a Layer, but got {type(model).__name__}.")
    sizes, dynamic = _checked_shape(input_shape), check_flag(_SAVE, "dynamic_batch", dynamic_batch)
    dtype = _dtype_of(model)
    steps, result = _steps(model, sizes, dtype)
    _check_layers(model, steps)
    writer = GraphWriter(package, dtype, {id(step.layer.pool) for step in steps if isinstance(step.layer, _UNPOOLS)})
    names, shapes = _write(writer, steps)
    last = names[result.key]
    writer.finish(last)
    between = {name: each for name, each in shapes.items() if name not in (INPUT, last)}
    ends = {INPUT: sizes, OUTPUT: result.shape}
    return checked_message(writer, model, ends, between, sizes[0] if dynamic else None)


def _checked_shape(value: object) -> Shape:
    sizes = check_any_shape(_SAVE, "input_shape", value, 1, "a sequence of integers, batch included")
    if not sizes:
        raise InvalidValueError(f"{_SAVE}: input_shape must have a batch, but got {shown(value)}.")
    return sizes


def _dtype_of(model: Layer) -> np.dtype[Any]:
    """The one dtype of all parameters and buffers."""
    arrays = [*(one.data for _, one in model.named_parameters()), *(one for _, one in model.named_buffers())]
    found = sorted({one.dtype for one in arrays if one.dtype.kind == "f"}, key=str)
    if len(found) > 1:
        raise InvalidValueError(
            f"{_SAVE}: the parameters must have one dtype, but got {' and '.join(map(str, found))}. Convert them: "
            f"model.cast({str(found[0])!r})."
        )
    return found[0] if found else np.dtype(np.float32)


def _steps(model: Layer, input_shape: Shape, dtype: np.dtype[Any]) -> tuple[list[Step], Value]:
    """What the network does, layer by layer, and what it returns."""
    if any(isinstance(layer, _UNPOOLS) for _, layer in model.named_layers()):
        with modes_kept(model), use_backend("numpy"):  # only a forward pass tells them the size of their planes
            model.eval().forward(np.zeros((1, *input_shape[1:]), dtype))
    steps: list[Step] = []
    result = model.trace(Value(0, input_shape), steps)
    return steps, result


def _check_layers(model: Layer, steps: list[Step]) -> None:
    """Refuse what cannot be written, all of it at once."""
    unknown = {step.name: step.layer for step in steps if exporter_of(step.layer) is None}
    unknown.update((name, layer) for name, layer in model.named_layers() if not is_traced(layer))
    if unknown:
        listed = ", ".join(f"{type(layer).__name__} ({name or 'the model'})" for name, layer in unknown.items())
        raise InvalidTypeError(
            f"{_SAVE}: every layer must be one of fastconv.layers, whose forward is its own, but got {listed}. Build "
            "it of those; Sequential, Residual and Concat combine them."
        )


def _write(writer: GraphWriter, steps: list[Step]) -> tuple[dict[int, str], dict[str, Shape]]:
    """Append all layers; return the names of what they write, and the shapes by name."""
    names, shapes = {0: INPUT}, {}
    for step in steps:
        export = exporter_of(step.layer)
        assert export is not None
        place = Place(writer, step.name, step.layer, step.inputs[0].shape, step.output.shape)
        name = export(place, step.layer, *(names[value.key] for value in step.inputs))
        names[step.output.key], shapes[name] = name, step.output.shape
    return names, shapes
