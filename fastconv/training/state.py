"""One training step, and everything that a run of them changes and remembers: also states of generators, as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from fastconv.backends.settings import with_exact
from fastconv.data.augment import Augmentation
from fastconv.errors import DivergedError, InvalidTypeError, InvalidValueError, shown, unknown_name
from fastconv.layers.base import Layer
from fastconv.layers.dropout import Dropout
from fastconv.losses import (
    LOSSES,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    softmax_cross_entropy,
    squared_error,
)
from fastconv.models.card import ModelCard
from fastconv.optim.arguments import check_not_negative, check_positive
from fastconv.optim.base import Optimizer
from fastconv.optim.schedules import Schedule
from fastconv.parallel.ranks import Ranks
from fastconv.parallel.shares import Share
from fastconv.parallel.sums import GradientSums
from fastconv.programs.rule import Outcome, Rule
from fastconv.programs.step import TrainingStep
from fastconv.training.evaluation import Loss, OneHot, Prepare, hits
from fastconv.training.records import History, Position
from fastconv.validation.arrays import Array
from fastconv.validation.constructors import Constructed
from fastconv.validation.sizes import check_exact, check_flag, check_integer

_WORDS = ("uint32", "uint64")  # of the arrays in the states of NumPy
_BETWEEN_NUMBERS = (squared_error, binary_cross_entropy, binary_cross_entropy_with_logits)


class TrainState(metaclass=Constructed):
    """A model with its optimiser and loss, and how far their training has come; `Trainer` is the one to make."""

    def __init__(
        self,
        model: Layer,
        optimizer: Optimizer,
        loss: Loss | str = softmax_cross_entropy,
        *,
        schedule: Schedule | None = None,
        augment: Augmentation | None = None,
        prepare: Prepare | None = None,
        seed: int = 0,
        l2: float = 0.0,
        clip_norm: float | None = None,
        compile: bool = True,
        exact: bool | None = None,
        communicator: Any = None,
        synchronize_batch_norm: bool = False,
    ) -> None:
        _check_kind("model", model, Layer)
        _check_kind("optimizer", optimizer, Optimizer)
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        if schedule is not None:
            _check_kind("schedule", schedule, Schedule)
            if schedule.optimizer is not optimizer:
                raise InvalidValueError("Trainer: schedule must be one of the optimizer that is passed with it.")
        self.parameters = model.parameters()
        if not {id(one) for one in self.parameters} & {
            id(one) for group in optimizer.groups for one in group["parameters"]
        }:
            raise InvalidValueError(
                "Trainer: optimizer must train the parameters of the model, but they have none in common. "
                "Make it with model.parameters()."
            )
        self.loss = _check_loss(loss)
        self.augment, self.prepare = augment, prepare
        for name, value in (("augment", augment), ("prepare", prepare)):
            if value is not None and not callable(value):
                raise InvalidTypeError(f"Trainer: {name} must be a function or None, but got {shown(value)}.")
        self.seed = check_integer("Trainer", "seed", seed, 0)
        self.l2 = check_not_negative("Trainer", "l2", l2)
        self.clip_norm = None if clip_norm is None else check_positive("Trainer", "clip_norm", clip_norm)
        self.history = History()
        self.position = Position()
        self.card = ModelCard()  # of the network, once it is known what it learns from
        order, augmentation = np.random.SeedSequence(self.seed).spawn(2)
        self.order_rng, self.augment_rng = np.random.default_rng(order), np.random.default_rng(augmentation)
        self.order_state = generator_state(self.order_rng)  # from which the order of this epoch is drawn
        self.ranks = Ranks("Trainer", communicator)
        self.sums = GradientSums(self.ranks, model) if self.ranks.size > 1 else None
        self.synchronize_batch_norm = check_flag("Trainer", "synchronize_batch_norm", synchronize_batch_norm)
        self._dropouts = [layer for _, layer in model.named_layers() if isinstance(layer, Dropout)]
        self._rule = Rule(model, self.loss, optimizer, self.clip_norm, self.l2, self.sums)
        self.compile, self.exact = check_flag("Trainer", "compile", compile), check_exact("Trainer", exact)
        self._program: TrainingStep | None = None

    def train_step(
        self, images: Array, labels: Array, *, where: str = "", share: Share | None = None
    ) -> tuple[float, float]:
        """Do one step on a batch, or on the share of it that this rank has, already augmented and prepared.

        Parameters
        ----------
        images : ndarray, shape (N, ...)
            What the network takes.
        labels : ndarray, shape (N, ...)
            Their classes (integers), or numbers (floating).
        where : str
            Where in the run that is, for the message of an error.
        share : Share, optional
            Which images of the batch these are, if there are several ranks.

        Returns
        -------
        loss : float
            With the `l2` penalty; before the step; over all ranks.
        right : float
            Images that were classified correctly, of those that were passed.

        Raises
        ------
        fastconv.errors.DivergedError
            If the loss, or with `clip_norm` the gradient, is infinite or NaN; no step is done then.
        """
        if share is not None and self.sums is not None:
            self.sums.weight = share.weight
            for layer in self._dropouts:
                layer.first_image = share.first
        outcome = self._step(images, labels)
        self.check_finite("loss", outcome.loss, where)
        self.check_finite("norm of the gradients", outcome.norm, where)
        counted = share is None or share.weight > 0
        return outcome.loss, hits(outcome.scores, labels) if counted else 0.0

    def _step(self, images: Array, labels: Array) -> Outcome:
        """Do a step, recorded or layer by layer."""
        together = self.sums is not None and self.synchronize_batch_norm  # in the middle of a pass
        if not self.compile or together or not all(layer.training for _, layer in self.model.named_layers()):
            return with_exact(self.exact, self._rule.step, images, labels)  # a recorded step has all layers in training
        program = self._program
        if program is None or program.exact is not self.exact or not program.is_current:
            program = self._program = TrainingStep(self._rule, exact=self.exact)
        program(images, labels)
        assert program.outcome is not None
        return program.outcome

    def release(self) -> None:
        """Let go of the memory of a step: what layers keep, and recordings."""
        self.model.release()
        self._program = None

    def check_finite(self, subject: str, value: float, where: str = "") -> None:
        """Raise `fastconv.errors.DivergedError` if a number is infinite or NaN.

        Parameters
        ----------
        subject, where : str
            What it is, and where in the run, for the message.
        value : float
            The number.
        """
        if math.isfinite(value):
            return
        clipping = "" if self.clip_norm is not None else ", or a limit of the gradients (clip_norm)"
        raise DivergedError(
            f"Trainer.fit: the {subject} must stay finite, but got {value}{where} with a learning rate of "
            f"{self.optimizer.lr:g}. Try a tenth of it, a warm-up{clipping}, and look for NaN and large values in the "
            "images."
        )


def _check_kind(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidTypeError(f"Trainer: {name} must be of the class {kind.__name__}, but got {type(value).__name__}.")


def _check_loss(loss: object) -> Loss:
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise unknown_name("Trainer", "loss", loss, LOSSES, bare=True)
        loss = LOSSES[loss]
    if not callable(loss):
        raise InvalidTypeError(f"Trainer: loss must be a function or a name, but got {shown(loss)}.")
    return OneHot(loss) if loss in _BETWEEN_NUMBERS else loss


def generator_state(generator: np.random.Generator) -> Any:
    """Return the state in plain dicts, lists and integers."""
    return _plain(generator.bit_generator.state)


def set_generator_state(generator: np.random.Generator, state: Any) -> None:
    """Set what `generator_state` returned."""
    generator.bit_generator.state = _restored(state)


def check_generator_state(name: str, generator: np.random.Generator, state: Any) -> None:
    """Refuse a state that a generator does not take."""
    try:
        set_generator_state(deepcopy(generator), state)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:  # as NumPy does
        raise InvalidValueError(f"the state of the generator {name} must be whole, but got {error!r}.") from None


def layer_generators(model: Layer) -> Iterator[tuple[str, np.random.Generator]]:
    """Yield every generator that is an attribute of a layer, such as that of dropout, with its name."""
    for prefix, layer in model.named_layers():
        for name, value in vars(layer).items():
            if isinstance(value, np.random.Generator):
                yield (f"{prefix}.{name}" if prefix else name), value


def _plain(state: Any) -> Any:
    if isinstance(state, Mapping):
        return {name: _plain(value) for name, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"dtype": state.dtype.name, "values": state.tolist()}
    return int(state) if isinstance(state, np.integer) else state


def _restored(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    if set(state) == {"dtype", "values"} and state["dtype"] in _WORDS:  # no dtype of a gigabyte
        return np.array(state["values"], state["dtype"])
    return {name: _restored(value) for name, value in state.items()}
