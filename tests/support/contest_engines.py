"""Engines for the tests of the contest: as right as numpy, or wrong on purpose. They run in workers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastconv as fc
from fastconv.evidence.contest.engines.base import NCHW, Engine, Job, Prepared, Refusal
from fastconv.evidence.contest.engines.networks.base import TRAINING, FileJob, NetworkEngine, NetworkJob, training
from fastconv.evidence.contest.engines.networks.own import training_step
from fastconv.evidence.ladder.rungs import Blocks
from fastconv.layers import (
    BatchNorm2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Linear,
    MaxPool2d,
    ReLU,
    ReLU6,
    Residual,
    Sequential,
    SubsampleShortcut,
)


class Right(Engine):
    """The numpy backend."""

    packages = ("numpy",)

    def prepare(self, job: Job) -> dict[str, Prepared]:
        return {NCHW: Prepared(lambda: self.compute(job), lambda found: found)}

    def compute(self, job: Job) -> dict[str, Any]:
        options: dict[str, Any] = {"stride": job.stride, "padding": job.padding, "dilation": job.dilation}
        options |= {"groups": job.geometry.groups, "backend": "numpy"}
        if job.step == "forward":
            return {"y": fc.conv2d(job.x, job.weight, job.bias, **options)}
        return fc.conv2d_backward(job.dy, job.x, job.weight, **options)._asdict()


class WrongCorner(Right):
    """One element of y and of dx is off by a thousandth."""

    def compute(self, job: Job) -> dict[str, Any]:
        found = super().compute(job)
        found["y" if job.step == "forward" else "dx"][-1, -1, -1, -1] += 1e-3
        return found


class WrongRung(Blocks):
    """A rung of the ladder with one element that is off by a hundredth."""

    def prepare(self, job: Job) -> dict[str, Prepared]:
        ((name, right),) = super().prepare(job).items()

        def spoilt(y: Any) -> dict[str, Any]:
            y[-1, -1, -1, -1] += 1e-2
            return right.results(y)

        return {name: Prepared(right.run, spoilt)}


class ForwardOnly(Right):
    """Refuses what it cannot do."""

    def prepare(self, job: Job) -> dict[str, Prepared]:
        if job.step != "forward":
            raise Refusal("no gradients here")
        return super().prepare(job)


class Talker(Right):
    """Prints where messages go."""

    def prepare(self, job: Job) -> dict[str, Prepared]:
        print("a word from Python", flush=True)
        os.system("echo a word from C")
        return super().prepare(job)


class Crasher(Right):
    """Ends its process at the third call: when it is timed."""

    calls = 0

    def compute(self, job: Job) -> dict[str, Any]:
        self.calls += 1
        if self.calls > 2:
            os._exit(3)
        return super().compute(job)


class Raiser(Right):
    """Cannot be made."""

    def __init__(self, threads: int) -> None:
        raise RuntimeError("no licence")


class Forgetful(Right):
    """Returns no gradient of the bias."""

    def compute(self, job: Job) -> dict[str, Any]:
        found = super().compute(job)
        found.pop("dbias", None)
        return found


class Sleeper(Right):
    """Never finishes; its process number is in a file."""

    def compute(self, job: Job) -> dict[str, Any]:
        with open(os.environ["SLEEPER"], "w", encoding="ascii") as stream:
            stream.write(f"{os.getpid()}\n")
        time.sleep(600)
        return {"y": np.zeros(0)}


# with whole networks


def one_wide_convolution(*, rng: Any = None) -> Sequential:
    """A convolution for which Winograd's algorithm is taken: ``(N, 32, H, W) -> (N, 10)``."""
    rng = np.random.default_rng(rng)
    return Sequential(Conv2d(32, 64, 3, padding=1, rng=rng), GlobalAvgPool2d(), Flatten(), Linear(64, 10, rng=rng))


def every_layer(*, rng: Any = None) -> fc.layers.Layer:
    """Every kind of layer with two spatial axes that the contest knows: (N, 2, 16, 12) -> (N, 5)."""
    rng = np.random.default_rng(rng)
    return Sequential(
        *(Conv2d(2, 4, 3, padding="same", bias=False, rng=rng), BatchNorm2d(4), ReLU6()),
        Residual(Conv2d(4, 4, (3, 1), padding=(1, 0), groups=2, rng=rng)),
        *(Residual(Conv2d(4, 7, 3, stride=2, padding=1, rng=rng), SubsampleShortcut(4, 7, 2)), ReLU()),
        Concat(Identity(), Sequential(MaxPool2d(2), ConvTranspose2d(7, 2, 2, stride=2, rng=rng))),
        *(MaxPool2d(3, 2, padding=1, ceil_mode=True), GlobalAvgPool2d(), Flatten(), Linear(9, 5, rng=rng)),
    )


class RightNetworks(NetworkEngine):
    """The layers on the numpy backend."""

    packages = ("numpy",)

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        if job.step == TRAINING:
            return {"numpy": training(self.on_numpy(training_step(job.model(), job)))}
        model = job.model().eval()
        return {"numpy": Prepared(self.on_numpy(lambda: model(job.x)), lambda y: {"y": y})}

    def on_numpy(self, run: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            with fc.use_backend("numpy"):
                return run()

        return call


class WrongNetworks(RightNetworks):
    """One score is off by a thousandth of all, and training forgets its momentum."""

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        if job.step == TRAINING:
            return super().prepare(job._replace(rule=job.rule._replace(momentum=0.0)))
        (right,) = super().prepare(job).values()
        return {"numpy": Prepared(right.run, lambda y: {"y": y + 1e-3 * np.linalg.norm(y) * (y == y.max())})}


class InferenceOnly(RightNetworks):
    """Refuses to train."""

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        job.only("inference", "no training here")
        return super().prepare(job)


class RightFiles(NetworkEngine):
    """Model files on the numpy backend."""

    packages = ("numpy",)

    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        raise Refusal("files alone")

    def prepare_file(self, job: FileJob) -> dict[str, Prepared]:
        model = fc.onnx.load(job.path)

        def run() -> Any:
            with fc.use_backend("numpy"):
                return model.run([job.x])[0]

        return {"numpy": Prepared(run, lambda y: {"y": y})}
