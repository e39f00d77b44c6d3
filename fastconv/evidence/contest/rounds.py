"""One heat of the contest of layers: everybody checked and timed, and what is measured of fastconv besides."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from fastconv.backends.geometry import ConvGeometry
from fastconv.evidence.contest.engines import own
from fastconv.evidence.contest.heats import Entry, Heat
from fastconv.evidence.contest.shared import SharedProblem
from fastconv.evidence.contest.targets import has_parts
from fastconv.evidence.contest.turns import Runner, TurnsRun
from fastconv.evidence.problem import OperationProblem
from fastconv.evidence.timing import seed_seconds_per_output

_SINGLE, _PARTS = "one thread", ("dx", "dweight")  # what is timed besides


@dataclass
class HeatRun(TurnsRun):
    """One heat on its way; see `TurnsRun`."""

    shared: SharedProblem

    def run(self, report: Callable[[str], None]) -> Heat:
        """Prepare and check everybody, then time in rounds."""
        start = time.perf_counter()
        report("checking")
        runners = self.ready()
        better = min((runner for runner in runners if runner.ours), key=lambda runner: runner.first).variant
        extras = self._extras(better)
        self.take_turns([*runners, *extras.values()], start, report)
        report("memory and loops")
        return self._heat(self.entries(runners), extras, better)

    def _extras(self, better: str) -> dict[str, Runner]:
        """What of fastconv is timed besides: its better variant on one thread, and gradients that have targets."""
        names = {_SINGLE: own.alone(better)} if self.threads > 1 else {}
        geometry, weight = self.shared.problem.geometry, self.shared.problem.weight
        stride = tuple(axis.stride for axis in geometry.axes)
        if weight is not None and has_parts(self.step, geometry.kernel, stride, weight.shape):
            names |= {gradient: own.part(gradient, better) for gradient in _PARTS}
        return {what: Runner(self.processes[0], name, extra=True) for what, name in names.items()}

    def _heat(self, entries: tuple[Entry, ...], extras: dict[str, Runner], better: str) -> Heat:
        problem = self.shared.problem
        operation = problem.operation if self.step == "forward" else f"{problem.operation}_backward"
        loop = seed_seconds_per_output(problem, operation)
        rounds = {what: tuple(runner.rounds) for what, runner in extras.items()}
        return Heat(
            workload=problem.name,
            description=problem.description,
            step=self.step,
            dtype=str(problem.dtype),
            flops=problem.multiply_adds * (2 if self.step == "forward" else 4),  # backward: dx and dweight
            entries=entries,
            refused=self.refused,
            peaks=tuple(self.peaks),
            single_peaks=tuple(self.single_peaks),
            single_variant=better if _SINGLE in rounds else "",
            single=rounds.get(_SINGLE, ()),
            parts={gradient: rounds[gradient] for gradient in _PARTS if gradient in rounds},
            workspace=int(self.processes[0].ask("workspace", variant=better)["bytes"]),
            workspace_floor=_floor(problem, self.step),
            threads=self.threads,
            loop_seconds=None if loop is None else loop * problem.outputs,
        )


def _floor(problem: OperationProblem, step: str) -> int:
    """Bytes of a packed copy of the weights and a haloed copy of x, and of dy in the backward pass."""
    geometry, item = problem.geometry, problem.dtype.itemsize
    x = geometry.batch * geometry.channels * prod(axis.padded for axis in geometry.axes)
    weights = 0 if problem.weight is None else problem.weight.size
    if step == "forward" or not isinstance(geometry, ConvGeometry):
        return item * (x + weights)
    halo = prod(axis.out + 2 * (axis.extent - 1) for axis in geometry.axes)
    return item * (x + weights + geometry.batch * geometry.filters * halo)
