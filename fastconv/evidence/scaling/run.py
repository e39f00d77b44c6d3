"""Measuring how training scales here: each number in processes of its own, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from fastconv.backends.settings import get_num_threads
from fastconv.errors import FastconvError, InvalidValueError, unknown_name
from fastconv.evidence.environment import current_environment
from fastconv.evidence.process import child_environment
from fastconv.evidence.scaling.network import Network, Step
from fastconv.evidence.scaling.scaling import Checked, Measured, Scaling
from fastconv.models import MODELS

_CHILD = "fastconv.evidence.scaling.child"
_STEPS, _QUICK_STEPS = 20, 3
_CHECKS = ((8, 0.5), (64, 1.5), (256, 3.0))  # emulated ranks, and for how many times the step their messages go on
_LIMIT = 600.0  # seconds that one number may take
Advance = Callable[[str, float], None]


class ScalingError(FastconvError, RuntimeError):
    """A process that measures has failed."""


def run_scaling(
    network: str = "resnet20",
    *,
    batch: int = 32,
    latency: float = 2e-6,
    bandwidth: float = 1e10,
    threads: int | None = None,
    most_ranks: int = 1024,
    quick: bool = False,
    progress: Advance | None = None,
) -> Scaling:
    """Measure training on the ranks that this machine has cores for, and predict it for more.

    Parameters
    ----------
    network : str
        Name of a network of `fastconv.models`.
    batch : int
        Images of a rank in weak scaling. Strong scaling shares 16 times as many among all ranks.
    latency : float
        Seconds that a message without bytes takes between two ranks.
    bandwidth : float
        Bytes per second in and out of a rank.
    threads : int, optional
        Cores to use, and threads of one rank alone; by default all.
    most_ranks : int
        Of the prediction.
    quick : bool
        Time a few steps.
    progress : callable, optional
        ``progress(text, fraction)``.

    Returns
    -------
    Scaling
        What was found. Without MPI (extra ``mpi``, and an ``mpiexec``) there are predictions alone.

    Raises
    ------
    ValueError
        If there is no such network, or a number is not positive.
    """
    if network not in MODELS:
        raise unknown_name("run_scaling", "network", network, MODELS, bare=True)
    for name, value in {"batch": batch, "latency": latency, "bandwidth": bandwidth, "most_ranks": most_ranks}.items():
        if not value > 0:
            raise InvalidValueError(f"run_scaling: {name} must be positive, but got {value}.")
    cores = threads or get_num_threads()
    environment = replace(current_environment(), threads=cores)
    started, run = time.perf_counter(), _Run(network, _QUICK_STEPS if quick else _STEPS, progress)
    launcher = _launcher()
    ranks = [1] if launcher is None else [n for n in (1, 2, 4, 8, 16) if n <= cores]
    sizes = sorted({1, batch, *(max(1, 16 * batch // divisor) for divisor in (1, 4, 64))})
    run.whole = len(sizes) + 2 * len(ranks) + len(_CHECKS)
    alone = cores // max(ranks)  # threads of a rank
    steps = tuple(run.step(images, alone) for images in sizes)
    measured = tuple(
        run.measured(mode, n, images, cores // n, launcher)
        for mode, whole in (("weak", 0), ("strong", 16 * batch))
        for n in ranks
        for images in [whole or n * batch]
    )
    base = next(step for step in steps if step.images == batch)
    checks = tuple(
        run.checked(base, emulated, Network(latency, 2 * base.bytes / (share * base.seconds)), alone)
        for emulated, share in _CHECKS
    )
    return Scaling(
        network, batch, alone, latency, bandwidth, most_ranks, steps, measured, checks, environment,
        time.perf_counter() - started,
    )  # fmt: skip


class _Run:
    """The processes of one run."""

    def __init__(self, network: str, steps: int, progress: Advance | None) -> None:
        self._network, self._steps, self._progress = network, steps, progress
        self.whole, self._done = 1, 0

    def step(self, images: int, threads: int) -> Step:
        """A step whose messages take no time."""
        found = self._child(f"a step of {images} images", 2 * images, threads, emulate=2, latency=0.0, bandwidth=1e18)
        messages = tuple((size, start) for size, start in found["messages"])
        return Step(images, median(found["seconds"]), messages, found["awaited"], found["last"])

    def measured(self, mode: str, ranks: int, images: int, threads: int, launcher: str | None) -> Measured:
        """A step on real ranks."""
        command = () if launcher is None or ranks == 1 else (launcher, "-n", str(ranks))
        found = self._child(f"{mode} scaling, {ranks} ranks", images, threads, command=command)
        return Measured(mode, ranks, threads, images, median(found["seconds"]))

    def checked(self, step: Step, ranks: int, network: Network, threads: int) -> Checked:
        """A step on emulated ranks."""
        found = self._child(
            f"{ranks} emulated ranks", ranks * step.images, threads, emulate=ranks, latency=network.latency,
            bandwidth=network.bandwidth,
        )  # fmt: skip
        predicted = step.predicted(network, ranks)
        return Checked(ranks, network.latency, network.bandwidth, predicted, median(found["seconds"]))

    def _child(self, text: str, images: int, threads: int, command: Sequence[str] = (), **options: Any) -> Any:
        if self._progress is not None:
            self._progress(text, self._done / self.whole)
        self._done += 1
        asked = {"network": self._network, "images": images, "steps": self._steps, "threads": threads}
        asked |= {"emulate": None, "latency": 0.0, "bandwidth": 1.0, **options}
        program = [sys.executable, "-m", _CHILD, json.dumps(asked), *(["mpi"] if command else [])]
        environment = child_environment(FASTCONV_NUM_THREADS=str(threads))
        try:
            done = subprocess.run([*command, *program], capture_output=True, text=True, timeout=_LIMIT, env=environment)
        except subprocess.TimeoutExpired:
            raise ScalingError(f"run_scaling: {text} took more than {_LIMIT:.0f} s.") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ScalingError(f"run_scaling: {text} ended with exit code {done.returncode}: {last}")
        return json.loads(done.stdout)


def _launcher() -> str | None:
    """The command that starts ranks, beside this Python or on PATH; None where there is none, or no mpi4py."""
    from importlib.util import find_spec

    if find_spec("mpi4py") is None:
        return None
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which("mpiexec", path=path)
