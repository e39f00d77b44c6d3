"""`run_networks`: the public function."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_high
from tempfile import TemporaryDirectory

from fastconv.errors import InvalidValueError
from fastconv.evidence.contest.api import Progress
from fastconv.evidence.contest.engines import NETWORKS_OF_FASTCONV, NETWORKS_OF_OTHERS, entrant
from fastconv.evidence.contest.networks.cases import PASSES, Case, cases
from fastconv.evidence.contest.networks.contest import NetworkContest
from fastconv.evidence.contest.networks.heats import NetworkHeat, NetworkRun
from fastconv.evidence.contest.networks.model_files import write_model_file
from fastconv.evidence.contest.networks.shared import SharedNetwork, write_network
from fastconv.evidence.contest.participants import check_names, check_threads, meet, present
from fastconv.evidence.contest.processes import EngineProcess, engine_processes
from fastconv.evidence.contest.turns import Pace
from fastconv.evidence.environment import current_environment
from fastconv.evidence.model_files.model_file import ModelFile
from fastconv.evidence.networks import NETWORKS, Network
from fastconv.evidence.quiet import doubted, moved
from fastconv.validation.sizes import check_integer

ENGINES = tuple(known.name for known in NETWORKS_OF_OTHERS)


@dataclass
class _Plan:
    """Everything that is to run, and how far it is."""

    cases: tuple[Case, ...]
    threads: int
    pace: Pace
    seed: int
    progress: Progress | None
    done: int = 0

    def report(self, text: str) -> None:
        if self.progress is not None:
            self.progress(text, self.done / len(self.cases))


def run_networks(
    networks: Sequence[Network | ModelFile] | None = None,
    *,
    engines: Sequence[str] = ENGINES,
    passes: Sequence[str] = PASSES,
    batch: int | None = None,
    threads: int | None = None,
    rounds: int = 15,
    seconds: float = 180.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> NetworkContest:
    """Time whole networks against other engines, each in its own process, in interleaved rounds.

    Parameters
    ----------
    networks : sequence of Network or ModelFile, optional
        What to run; by default the nine of `fastconv.evidence.networks.NETWORKS`, with their own batches. A model file
        is run by fastconv and by ONNX Runtime, in inference.
    engines : sequence of str
        Whom to compare with: ``"torch"``, ``"onnxruntime"``, ``"jax"``, ``"openvino"``, ``"ncnn"``, or a
        `NetworkEngine` of your own as ``"module:Class"``. One that is not installed is left out, and the result says
        so.
    passes : sequence of {"inference", "training"}
        What to run; a training step is forward, loss, backward and update.
    batch : int, optional
        Inputs at once, in place of the batches of each network.
    threads : int, optional
        Threads of every engine; by default those that fastconv uses.
    rounds : int
        Rounds of turns. In each one every variant is timed once, and the floating-point peak too.
    seconds : float
        About how long the rounds of all cases may take; what the engines need to get ready, as to compile, comes on
        top. Every variant has three rounds in any case.
    seed : int
        Seed of everything that is drawn.
    progress : callable, optional
        Called with what is being done and the fraction done.

    Returns
    -------
    NetworkContest
        All times with the errors beside them; prints as tables.

    Raises
    ------
    ValueError
        If an engine, a pass or a network is none that can run.
    ImportError
        If Numba is missing.

    Notes
    -----
    All engines have the same weights, float32. The scores of an inference, and the losses of the first training steps,
    are checked against the layers of fastconv in float64 before anything is timed.
    """
    chosen = _check_cases(networks, passes, batch)
    share = seconds / len(chosen)
    pace = Pace(check_integer("contest", "rounds", rounds, 1), budget=share)
    plan = _Plan(chosen, check_threads(threads), pace, check_integer("contest", "seed", seed, 0), progress)
    entrants, absent = present([entrant(name, NETWORKS_OF_OTHERS) for name in engines])
    begun, environment = time.perf_counter(), replace(current_environment(), threads=plan.threads)
    with engine_processes([NETWORKS_OF_FASTCONV, *entrants], plan.threads) as processes:
        plan.report("starting the engines")
        versions = meet(processes, absent)
        heats = tuple(_heats(plan, processes, absent))
        spinning = {process.name: process.busy / process.rested for process in processes if process.rested}
    plan.report("done")
    peaks = [median_high(heat.peaks) for heat in heats]
    environment = doubted(replace(environment, versions={**environment.versions, **versions}), *moved(peaks))
    return NetworkContest(heats, environment, absent, spinning, time.perf_counter() - begun)


def _heats(plan: _Plan, processes: list[EngineProcess], absent: dict[str, str]) -> Iterator[NetworkHeat]:
    """Run all heats; an engine that fails in one is absent from the others."""
    for case in plan.cases:
        with TemporaryDirectory(prefix="fastconv-contest-") as folder:
            plan.report(f"{case}: weights and right results")
            shared = _written(case, plan.seed, Path(folder))
            run = NetworkRun(shared, case.step, processes, plan.threads, plan.pace)
            heat = run.run(lambda stage, case=case: plan.report(f"{case}: {stage}"))  # type: ignore[misc]
            working = {process.name for process in processes}
            for name in heat.refused.keys() - working:
                absent[name] = f"failed in {case}: {heat.refused[name]}"
            plan.done += 1
            yield heat


def _written(case: Case, seed: int, folder: Path) -> SharedNetwork:
    if isinstance(case.network, ModelFile):
        return write_model_file(case, case.network, seed, folder)
    return write_network(case, seed, folder)


def _check_cases(
    networks: Sequence[Network | ModelFile] | None, passes: Sequence[str], batch: int | None
) -> tuple[Case, ...]:
    if batch is not None:
        batch = check_integer("contest", "batch", batch, 1)
    chosen: tuple[Network | ModelFile, ...] = tuple(NETWORKS if networks is None else networks)
    found = cases(chosen, check_names("passes", passes, PASSES), batch)
    if not found:
        names = ", ".join(network.name for network in chosen) or "none"
        raise InvalidValueError(
            f"contest: networks must hold at least one with such a pass, but got {names} for {', '.join(passes)}. "
            "Leave it out for all networks."
        )
    return found
