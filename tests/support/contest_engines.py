"""Engines for the tests of the contest: as right as numpy, or wrong on purpose. They run in workers."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

import fastconv as fc
from fastconv.evidence.contest.engines.base import NCHW, Engine, Job, Prepared, Refusal


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
