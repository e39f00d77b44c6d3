"""How a network learns, and one step of it layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from fastconv.errors import InvalidTypeError, shown, unknown_name
from fastconv.layers.base import Layer
from fastconv.layers.parameter import Parameter
from fastconv.losses import LOSSES, softmax_cross_entropy
from fastconv.optim import Optimizer, clip_grad_norm
from fastconv.optim.arguments import check_not_negative, check_positive
from fastconv.optim.penalty import add_penalty_gradient, sum_of_squares
from fastconv.parallel.sums import GradientSums
from fastconv.validation.arrays import Array

Loss = Callable[[Array, Array], "tuple[Any, Array]"]


class Outcome(NamedTuple):
    """What a training step has found.

    Attributes
    ----------
    loss : float
        Before the step, with the penalty.
    scores : ndarray
        Output of the network.
    norm : float
        That of all gradients together before it was limited; 0 if it is not.
    """

    loss: float
    scores: Array
    norm: float = 0.0

    @property
    def is_finite(self) -> bool:
        """Whether the step was done: not where a number is infinite or NaN."""
        return isfinite(self.loss) and isfinite(self.norm)


@dataclass
class Rule:
    """How a network learns: what `fastconv.compile` is given."""

    model: Layer
    loss: Any
    optimizer: Optimizer
    clip_norm: float | None = None
    l2: float = 0.0
    sums: GradientSums | None = None  # where other ranks have their share of the batch

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise InvalidTypeError(f"compile: optimizer must be an Optimizer, but got {shown(self.optimizer)}.")
        if self.loss is None:
            self.loss = softmax_cross_entropy
        if isinstance(self.loss, str):
            if self.loss not in LOSSES:
                raise unknown_name("compile", "loss", self.loss, LOSSES, bare=True)
            self.loss = LOSSES[self.loss]
        if not callable(self.loss):
            raise InvalidTypeError(f"compile: loss must be a function or a name, but got {shown(self.loss)}.")
        self.l2 = check_not_negative("compile", "l2", self.l2)
        self.clip_norm = None if self.clip_norm is None else check_positive("compile", "clip_norm", self.clip_norm)

    @property
    def penalised(self) -> list[Parameter]:
        """Parameters whose squares `l2` adds to the loss."""
        return [parameter for parameter in self.model.parameters() if parameter.ndim > 1] if self.l2 else []

    def step(self, x: Array, labels: Array) -> Outcome:
        """Do a step layer by layer, in the mode that the model has; none where a number is not finite."""
        model, penalised = self.model, self.penalised
        scores = model.forward(x)
        value, dy = self.loss(scores, labels)
        loss = float(value)
        squares = 0.5 * self.l2 * float(sum_of_squares(penalised)[0]) if penalised else 0.0
        if self.sums is None and not isfinite(loss + squares):
            return Outcome(loss + squares, scores)
        model.zero_grad()
        self.optimizer.zero_grad()
        model.backward(dy, input_gradient=False)
        if self.sums is not None:
            loss = self.sums.all(loss, [one for one in model.parameters() if one.grad is not None])
        loss += squares
        if not isfinite(loss):
            return Outcome(loss, scores)
        if penalised:
            add_penalty_gradient(penalised, np.array([self.l2]))
        norm = 0.0
        if self.clip_norm is not None:
            norm = clip_grad_norm(model.parameters(), self.clip_norm)
        if isfinite(norm):
            self.optimizer.step()
        return Outcome(loss, scores, norm)
