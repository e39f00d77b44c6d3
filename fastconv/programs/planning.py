"""The memory of a program, known from a shape: it is recorded without running a kernel, so that nothing is computed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends import use_backend
from fastconv.backends.fast.grouped import GroupedProgram
from fastconv.backends.fast.machine.record import recording
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.program import FastProgram
from fastconv.layers.base import Layer
from fastconv.layers.inference import inference_mode
from fastconv.losses import softmax_cross_entropy, squared_error
from fastconv.optim import Optimizer
from fastconv.programs.folding import fold
from fastconv.programs.network import NetworkRecorder, in_groups
from fastconv.programs.record_step import record_unchecked
from fastconv.programs.rule import Rule


class Planned(NamedTuple):
    """Bytes of a program, beside its input, its output, and parameters and state of the model.

    Attributes
    ----------
    arena : int
        What changes from layer to layer.
    constants : int
        What is computed once, such as weights in the order of the kernels.
    """

    arena: int
    constants: int


def planned_inference(model: Layer, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Planned:
    """Bytes of the program of a network for inputs of a shape."""
    network = deepcopy(model).eval().cast(dtype)
    fold(network)
    x = np.empty(shape, dtype)
    with use_backend("fast"), inference_mode(), np.errstate(all="ignore"):
        grouped = in_groups(network, x, dry=True)
        if grouped is not None:
            return _planned(grouped.program)
        with recording() as heard:
            forget_plans()
            recorder = NetworkRecorder(heard, fuse=True, dry=True)
            return _planned(recorder.recorded([x], recorder.layer("", network, x)).program)


def planned_training(
    model: Layer, shape: tuple[int, ...], dtype: np.dtype[Any], make: type[Optimizer], **options: Any
) -> Planned:
    """Bytes of the program of a training step, with an optimiser over all parameters."""
    network = deepcopy(model).train().cast(dtype)
    rows, *others = network.output_shape(shape)
    with use_backend("fast"):
        x = np.empty(shape, dtype)
        if others:
            rule = Rule(network, softmax_cross_entropy, make(network.parameters(), **options))
            labels = np.zeros((rows, *others[1:]), np.int64)
        else:
            rule = Rule(network, squared_error, make(network.parameters(), **options))
            labels = np.empty(rows, dtype)
        return _planned(record_unchecked(rule, x, labels, fuse=True, dry=True).recorded.program)


def _planned(program: FastProgram | GroupedProgram) -> Planned:
    return Planned(program.arena_bytes, program.constant_bytes)
