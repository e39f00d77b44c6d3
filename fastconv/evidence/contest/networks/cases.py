"""What is run: every network in inference and in training, with its batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fastconv.evidence.contest.engines.networks.base import INFERENCE, TRAINING, Rule
from fastconv.evidence.model_files.model_file import ModelFile
from fastconv.evidence.networks import ADAM, SGD, Network

PASSES = (INFERENCE, TRAINING)
# Large enough that the first losses tell whether the update was right, small enough that they tell no more: at 0.01
# the third loss of MobileNetV2 is off by 1 % in float32, in PyTorch as here, because activations change sides.
RULES = {SGD: Rule(SGD, 0.002), ADAM: Rule(ADAM, 0.001)}


class Case(NamedTuple):
    """One network in one step.

    Attributes
    ----------
    network : Network or ModelFile
        The network.
    step : {"inference", "training"}
        What is timed.
    batch : int
        Inputs at once.
    optimizer : str
        Update rule of a training step; empty for an inference.
    """

    network: Network | ModelFile
    step: str
    batch: int
    optimizer: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.network.name, self.step, self.optimizer, f"batch {self.batch}")))

    @property
    def rule(self) -> Rule:
        """Numbers of the update rule."""
        return RULES[self.optimizer or SGD]


def cases(networks: Iterable[Network | ModelFile], passes: Sequence[str], batch: int | None = None) -> tuple[Case, ...]:
    """Return every case of these networks, or all with the same batch; an inference of one input comes first."""
    found = [case for network in networks for case in _of(network, passes)]
    if batch is not None:
        found = list(dict.fromkeys(case._replace(batch=batch) for case in found))
    return tuple(sorted(found, key=lambda case: (case.step != INFERENCE, case.step == INFERENCE and case.batch != 1)))


def _of(network: Network | ModelFile, passes: Sequence[str]) -> Iterator[Case]:
    if INFERENCE in passes:
        yield from (Case(network, INFERENCE, batch) for batch in network.inference)
    if TRAINING in passes:
        yield from (Case(network, TRAINING, batch, rule) for batch, rule in network.training)
