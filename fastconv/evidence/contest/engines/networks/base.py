"""What an engine has to be able to do in order to take part with whole networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastconv.evidence.contest.engines.base import EngineBase, Prepared, Refusal
from fastconv.evidence.contest.engines.networks.description import Node
from fastconv.layers import Layer
from fastconv.validation.arrays import Array

INFERENCE, TRAINING = "inference", "training"
STEPS = 4  # training steps whose losses are compared: the last one tells whether momentum was kept


class Rule(NamedTuple):
    """An update rule, with the numbers that PyTorch's optimisers take.

    Attributes
    ----------
    name : {"sgd", "adam"}
        Which one.
    lr : float
        Learning rate.
    momentum : float
        Of SGD.
    betas : (float, float)
        Of Adam.
    eps : float
        Of Adam.
    """

    name: str
    lr: float
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8


class NetworkJob(NamedTuple):
    """An inference, or a training step, of one network.

    Attributes
    ----------
    step : {"inference", "training"}
        What is to be prepared.
    node : Node
        The network.
    model : callable
        Makes it with the layers of fastconv, and with these weights.
    state : dict of str to ndarray
        Its weights and running statistics.
    x : ndarray, (N, C, ...)
        Input, C-contiguous.
    labels : ndarray of int64, (N,) or (N, H, W)
        Right classes; the loss of a training step is the mean cross-entropy of the softmax.
    rule : Rule
        Update rule of a training step.
    """

    step: str
    node: Node
    model: Callable[[], Layer]
    state: dict[str, Array]
    x: Array
    labels: Array
    rule: Rule

    def only(self, step: str, reason: str) -> None:
        """Raise `Refusal` where the step is another one."""
        if self.step != step:
            raise Refusal(reason)


class FileJob(NamedTuple):
    """An inference of a model file.

    Attributes
    ----------
    step : str
        "inference".
    path : str
        The file, of ONNX.
    x : ndarray
        Its only input, C-contiguous.
    """

    step: str
    path: str
    x: Array


class NetworkEngine(EngineBase, ABC):
    """An engine in its own process.

    Parameters
    ----------
    threads : int
        Threads that it may use.
    """

    @abstractmethod
    def prepare(self, job: NetworkJob) -> dict[str, Prepared]:
        """Return the step in every variant that its authors would want to see; raise `Refusal` where there is none.

        The result of an inference is ``y``. A training step goes on from where the last one ended, and returns its
        loss; `training` makes the result of it.
        """

    def prepare_file(self, job: FileJob) -> dict[str, Prepared]:
        """Return the inference of a model file; its result, the first output, is ``y``."""
        raise Refusal(f"{type(self).__name__} reads no model files")


def training(step: Callable[[], Any]) -> Prepared:
    """Return a training step that is ready: its result is ``losses``, those of the first steps."""

    def losses(first: Any) -> dict[str, Array]:
        return {"losses": np.array([float(first), *(float(step()) for _ in range(STEPS - 1))])}

    return Prepared(step, losses)
