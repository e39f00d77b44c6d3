"""fastconv itself: layers as they are, a program without fusion, with it, and with Winograd's algorithm as well."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastconv._version import __version__
from fastconv.backends.settings import options, set_num_threads
from fastconv.evidence.contest.engines.base import Prepared
from fastconv.evidence.contest.engines.networks.base import (
    INFERENCE,
    FileJob,
    NetworkEngine,
    NetworkJob,
    Rule,
    training,
)
from fastconv.layers import Layer, inference_mode
from fastconv.losses import softmax_cross_entropy
from fastconv.onnx import load
from fastconv.optim import SGD, Adam, Optimizer
from fastconv.programs import compile

LAYERS, RECORDED, FUSED, PROGRAM = "layers", "recorded", "fused", "program"
MODEL = "model"  # of a file
PROGRAMS = {RECORDED: (False, True), FUSED: (True, True), PROGRAM: (True, False)}  # whether to fuse, and to be exact


class FastconvNetworks(NetworkEngine):
    """Layers as one calls them, and what `fastconv.compile` makes of an inference or of a training step."""

    packages = ("numpy", "numba")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        """Return the versions of fastconv, NumPy and Numba."""
        return {"fastconv": __version__, **super().versions()}

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        """Return the rungs of the ladder: all but the last compute every convolution directly."""
        return _inference(job) if job.step == INFERENCE else _training(job)

    def prepare_file(self, job: FileJob) -> dict[str, Prepared]:
        """Return the model as `fastconv.onnx` runs it."""
        model = load(job.path)
        return {MODEL: Prepared(partial(model.run, [job.x]), lambda outputs: {"y": outputs[0]})}


def _inference(job: NetworkJob) -> dict[str, Prepared]:
    model, x = job.model().eval(), job.x

    def layers() -> Any:
        with inference_mode(), options(exact=True):
            return model.forward(x)

    runs: dict[str, Callable[[], Any]] = {LAYERS: layers}
    for variant, (fuse, exact) in PROGRAMS.items():
        runs[variant] = partial(compile(model, x, fuse=fuse, exact=exact), x)
    return {variant: Prepared(run, lambda y: {"y": y}) for variant, run in runs.items()}


def _training(job: NetworkJob) -> dict[str, Prepared]:
    by_layers = training_step(job.model(), job)

    def layers() -> float:
        with options(exact=True):
            return by_layers()

    steps: dict[str, Callable[[], float]] = {LAYERS: layers}
    steps.update((name, _program_step(job, fuse, exact)) for name, (fuse, exact) in PROGRAMS.items())
    return {variant: training(step) for variant, step in steps.items()}


def training_step(model: Layer, job: NetworkJob) -> Callable[[], float]:
    """Return a training step of layers, as one writes it, which returns the loss."""
    model.train()
    optimizer = _optimizer(model, job.rule)

    def step() -> float:
        loss, dy = softmax_cross_entropy(model.forward(job.x), job.labels)
        optimizer.zero_grad()
        model.backward(dy, input_gradient=False)
        optimizer.step()
        return loss

    return step


def _program_step(job: NetworkJob, fuse: bool, exact: bool) -> Callable[[], float]:
    """Return the same as a program."""
    model = job.model()
    step = compile(model, job.x, job.labels, optimizer=_optimizer(model, job.rule), fuse=fuse, exact=exact)
    return partial(step, job.x, job.labels)


def _optimizer(model: Layer, rule: Rule) -> Optimizer:
    if rule.name == "sgd":
        return SGD(model.parameters(), lr=rule.lr, momentum=rule.momentum)
    return Adam(model.parameters(), lr=rule.lr, betas=rule.betas, eps=rule.eps)
