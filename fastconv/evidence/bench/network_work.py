"""Whole networks: an inference and a training step of each, as calls that can be timed."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends import use_backend
from fastconv.evidence.bench.cases import Case, Network
from fastconv.evidence.bench.correctness import Agreement, WrongResultError, check_names
from fastconv.validation.arrays import Array

Results = dict[str, Array]

_CLASSES, _SEED = 10, 0
_LEARNING_RATE = 1e-4  # so small that the thousandth step on the same batch does the same work as the first
_KINKS = 0.25  # of the norm of a gradient in float32
_ORACLE = "numpy in float64"


class NetworkWork(NamedTuple):
    """A network at work.

    Attributes
    ----------
    call : callable
        What is timed: one inference, as layers or as a program, or one training step, as layers.
    results : callable
        Runs it once and returns what is to be checked: the scores, or the gradient of every parameter.
    shapes : dict
        Shapes of the input and of the scores.
    parameters : int
        Numbers that are trained.
    flops : int
        Floating-point operations, a multiply-add counted as two; a training step counts three times an inference.
    layers : int
        Layers inside, over which rounding errors add up.
    """

    call: Callable[[], object]
    results: Callable[[], Results]
    shapes: dict[str, Any]
    parameters: int
    flops: int
    layers: int


def network_work(case: Case, network: Network, batch: int) -> NetworkWork:
    """Make the network and a batch for it, both from one seed."""
    from fastconv.layers import inference_mode
    from fastconv.models import by_name, input_shape_of
    from fastconv.optim import SGD
    from fastconv.programs import compile
    from fastconv.training import Trainer

    rng = np.random.default_rng(_SEED)
    shape = (batch, *input_shape_of(network.model))
    # the same weights in every dtype: those that float32 can hold
    model = by_name(network.model, classes=_CLASSES, dtype=np.float32, rng=_SEED).cast(case.dtype)
    images = rng.standard_normal(shape, dtype=np.float32).astype(case.dtype)
    labels = rng.integers(_CLASSES, size=batch)
    optimizer = SGD(model.parameters(), lr=_LEARNING_RATE, momentum=0.9)
    trainer = Trainer(model, optimizer, compile=False)  # a recorded step keeps no gradients that could be checked
    training = case.step == "training"
    model.train(training)
    with use_backend(case.backend):
        program = compile(model) if case.step == "program" else None

    def run() -> Any:
        if program is not None:
            return program(images)
        with use_backend(case.backend):
            if training:
                return trainer.train_step(images, labels)
            with inference_mode():
                return model.forward(images)

    def results() -> Results:
        scores = run()
        if not training:
            return {"y": scores}
        return {f"d{name}": np.array(one.grad) for name, one in model.named_parameters() if one.grad is not None}

    return NetworkWork(
        run,
        results,
        {"x": list(shape), "y": list(model.output_shape(shape))},
        sum(prod(one.shape) for one in model.parameters()),
        2 * model.multiply_adds(shape) * (3 if training else 1),
        sum(1 for _ in model.named_layers()),
    )


def check_network(case: Case, network: Network, batch: int, work: NetworkWork) -> Agreement:
    """Run once and compare with the numpy backend in float64.

    The scores depend continuously on every rounding, so that ``64 eps`` for each layer bounds them. A gradient does
    not: where an activation is next to a kink, or two cells of a window are next to a tie, rounding takes the other
    side. In float32 one such cell moved a gradient by 1 % of its norm (ResNet-20, eight images), and there are a few.
    What is timed is therefore only kept from being altogether wrong, and the same step is compared in float64 too,
    where this happens in one of 10^14 cells, so that ``64 sqrt(eps)`` holds.

    Raises
    ------
    WrongResultError
        If an array is farther from the right one, in relation to its norm, than that.
    """
    right = network_work(case._replace(backend="numpy", dtype="float64"), network, batch).results()
    found = _agreement(case, work.results(), right, case.dtype, work.layers)
    if case.step == "training" and case.dtype != "float64":
        wide = case._replace(dtype="float64")
        _agreement(wide, network_work(wide, network, batch).results(), right, "float64", work.layers)
    return found


def _agreement(case: Case, results: Results, right: Results, dtype: str, layers: int) -> Agreement:
    check_names(case, results, right)
    eps = float(np.finfo(dtype).eps)
    share = 64 * layers * eps
    if case.step == "training":
        share = 64 * eps**0.5 if dtype == "float64" else _KINKS
    whole = float(np.sqrt(sum(np.square(array).sum() for array in right.values())))
    worst = largest = relative = 0.0
    for name, expected in right.items():
        difference = results[name].astype(np.float64) - expected
        norm = float(np.linalg.norm(expected)) + eps**0.5 * whole  # a gradient that is nothing but rounding has no norm
        distance = float(np.linalg.norm(difference)) / norm
        if not distance <= share:
            raise WrongResultError(
                f"{case}: {name} must be within {share:.1e} of {_ORACLE}, in relation to its norm, but got "
                f"{distance:.1e}."
            )
        worst, largest = max(worst, distance / share), max(largest, float(np.abs(difference).max(initial=0)))
        relative = max(relative, distance)
    return Agreement(_ORACLE, worst, largest, relative)
