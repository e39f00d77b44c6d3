"""One training step, and everything that a run of them remembers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fastconv.data.augment import Augmentation
from fastconv.data.dataset import Dataset
from fastconv.errors import DivergedError, InvalidTypeError, InvalidValueError
from fastconv.layers.base import Layer
from fastconv.layers.state import PathLike
from fastconv.losses import (
    LOSSES,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    softmax_cross_entropy,
    squared_error,
)
from fastconv.optim.arguments import check_not_negative, check_positive
from fastconv.optim.base import Optimizer
from fastconv.optim.clipping import clip_grad_norm
from fastconv.optim.schedules import Schedule
from fastconv.training.evaluation import Loss, OneHot, evaluate, hits
from fastconv.training.gathering import Prepare
from fastconv.training.generators import generator_state
from fastconv.training.position import Position
from fastconv.training.progress import ProgressCallback
from fastconv.training.records import History, Metrics
from fastconv.training.run import Run
from fastconv.training.stopping import EarlyStopping
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_integer

__all__ = ["Trainer"]

_BETWEEN_NUMBERS = (squared_error, binary_cross_entropy, binary_cross_entropy_with_logits)


class Trainer:
    """Trains a network on images: the loop over epochs and batches, with checkpoints.

    Parameters
    ----------
    model : Layer
        The network.
    optimizer : Optimizer
        Over the parameters of the model.
    loss : callable or str
        ``loss(scores, labels) -> (loss, gradient)``, or a name of `fastconv.losses.LOSSES`. The losses between
        numbers (squared error, binary cross-entropy) compare with 1 for the class and 0 for the others.
    schedule : Schedule, optional
        Of the learning rate of the optimiser; the trainer steps it.
    augment : callable, optional
        ``augment(images, rng) -> images``, for training images alone; see `fastconv.data.augment`.
    prepare : callable, optional
        Turns stored images, after `augment`, into what the network takes, for training and evaluation. By default
        bytes are divided by 255, and float32 images are left alone.
    seed : int
        Of the order of the images and of `augment`. Layers that draw, such as dropout, have generators of their own.
    l2 : float
        ``l2 / 2`` times the sum of squares of all weights is added to the loss of a training step, and its gradient to
        theirs. Biases and the parameters of normalisation, which have one axis, are left out.
    clip_norm : float, optional
        Limit of the norm of all gradients together, see `fastconv.optim.clip_grad_norm`.

    Attributes
    ----------
    history : History
        What was measured so far.

    Raises
    ------
    TypeError
        If an argument is not what its name says.
    ValueError
        If a number is out of its range, or model and optimiser have no parameter in common.

    Examples
    --------
    >>> from fastconv.data import load_digits
    >>> from fastconv.layers import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> from fastconv.optim import Adam
    >>> from fastconv.training import Trainer
    >>> train, test = load_digits()
    >>> model = Sequential(Conv2d(1, 8, 3, rng=0), ReLU(), Flatten(), Linear(8 * 6 * 6, 10, rng=1))
    >>> trainer = Trainer(model, Adam(model.parameters(), lr=0.01), seed=0)
    >>> history = trainer.fit(train, epochs=3, batch_size=64)
    >>> trainer.evaluate(test).accuracy > 0.9
    True
    """

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
                raise InvalidTypeError(f"Trainer: {name} must be a function or None, but got {value!r}.")
        self.seed = check_integer("Trainer", "seed", seed, 0)
        self.l2 = check_not_negative("Trainer", "l2", l2)
        self.clip_norm = None if clip_norm is None else check_positive("Trainer", "clip_norm", clip_norm)
        self.history = History()
        self.position = Position()
        order, augmentation = np.random.SeedSequence(self.seed).spawn(2)
        self.order_rng, self.augment_rng = np.random.default_rng(order), np.random.default_rng(augmentation)
        self.order_state = generator_state(self.order_rng)  # from which the order of this epoch is drawn
        self._penalised = [parameter for parameter in self.parameters if parameter.ndim > 1] if self.l2 else []
        self._scratch: dict[int, Array] = {}

    def fit(
        self,
        train: Dataset,
        validation: Dataset | None = None,
        *,
        epochs: int = 10,
        batch_size: int = 128,
        checkpoint: PathLike | None = None,
        checkpoint_every: int | None = None,
        resume: bool = False,
        early_stopping: EarlyStopping | None = None,
        progress: ProgressCallback | None = None,
    ) -> History:
        """Train for some epochs.

        Parameters
        ----------
        train : Dataset
            What the network learns from. Each epoch goes through it once, in an order of its own.
        validation : Dataset, optional
            What it is judged by after each epoch.
        epochs : int
            How many; with `resume` the number of the whole run, before and after.
        batch_size : int
            Images of one step; the last one of an epoch may have fewer.
        checkpoint : path-like, optional
            Folder for ``last.npz`` and ``best.npz``, written whole at the end of each epoch.
        checkpoint_every : int, optional
            Steps after which ``last.npz`` is written too.
        resume : bool
            Go on from ``last.npz`` where there is one. The weights at the end are bitwise those of a run that was
            never stopped.
        early_stopping : EarlyStopping, optional
            When to stop before the last epoch.
        progress : callable, optional
            Called with a `Progress` after every step and every epoch; ``print`` will do.

        Returns
        -------
        History
            Of the whole run, also as `history`.

        Raises
        ------
        fastconv.errors.DivergedError
            If the loss becomes infinite or NaN; a ``FloatingPointError``.
        fastconv.errors.StateFileError
            If the checkpoint is damaged or something else; a ``ValueError``.
        ValueError
            If the checkpoint belongs to another run (the message says what differs), if the folder has a run already
            and `resume` is False, or if the images do not fit the model.
        KeyboardInterrupt
            After Ctrl-C: the step is finished and ``last.npz`` written before.
        """
        return Run(
            self,
            train,
            validation,
            epochs=epochs,
            batch_size=batch_size,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            resume=resume,
            early_stopping=early_stopping,
            progress=progress,
        ).go()

    def evaluate(
        self, dataset: Dataset, *, batch_size: int = 128, between: Callable[[], object] = lambda: None
    ) -> Metrics:
        """Measure the network over a dataset, in evaluation mode, without `augment` and without the `l2` penalty.

        Parameters
        ----------
        dataset : Dataset
            At least one image.
        batch_size : int
            Images at a time.
        between : callable
            Is called after each batch.

        Returns
        -------
        Metrics
            ``(loss, accuracy)``.
        """
        return evaluate(self.model, dataset, self.loss, self.prepare, batch_size=batch_size, between=between)

    def train_step(self, images: Array, labels: Array, *, where: str = "") -> tuple[float, int]:
        """Do one step on a batch that is already augmented and prepared.

        Parameters
        ----------
        images : ndarray, shape (N, C, H, W)
            What the network takes.
        labels : ndarray of int, shape (N,)
            Their classes.
        where : str
            Where in the run that is, for the message of an error.

        Returns
        -------
        loss : float
            With the `l2` penalty; before the step.
        right : int
            Images that were classified correctly.

        Raises
        ------
        fastconv.errors.DivergedError
            If the loss, or with `clip_norm` the gradient, is infinite or NaN; no step is done then.
        """
        scores = self.model.forward(images)
        value, dy = self.loss(scores, labels)
        loss = float(value) + self._penalty()
        self.check_finite("loss", loss, where)
        for parameter in self.parameters:
            parameter.zero_grad()
        self.model.backward(dy, input_gradient=False)
        self._add_penalty_gradient()
        if self.clip_norm is not None:
            norm = clip_grad_norm(self.parameters, self.clip_norm)
            self.check_finite("norm of the gradients", norm, where)
        self.optimizer.step()
        return loss, hits(scores, labels)

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
        clipping = "" if self.clip_norm is not None else ", or clip_norm=1.0"
        raise DivergedError(
            f"Trainer.fit: the {subject} must stay finite, but got {value}{where} with a learning rate of "
            f"{self.optimizer.lr:g}. Try a smaller learning rate, a LinearWarmup{clipping}, and look for NaN and large "
            "values in the images."
        )

    def _penalty(self) -> float:
        return (
            0.5 * self.l2 * sum(float(np.square(one.data, out=self._like(one.data)).sum()) for one in self._penalised)
        )

    def _add_penalty_gradient(self) -> None:
        for parameter in self._penalised:
            if parameter.grad is not None:
                parameter.grad += np.multiply(parameter.data, self.l2, out=self._like(parameter.data))

    def _like(self, data: Array) -> Array:
        """Memory like an array, the same in every step."""
        if id(data) not in self._scratch:
            self._scratch[id(data)] = np.empty_like(data)
        return self._scratch[id(data)]


def _check_kind(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidTypeError(f"Trainer: {name} must be of the class {kind.__name__}, but got {type(value).__name__}.")


def _check_loss(loss: object) -> Loss:
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise InvalidValueError(f"Trainer: loss must be one of {', '.join(LOSSES)}, but got {loss!r}.")
        loss = LOSSES[loss]
    if not callable(loss):
        raise InvalidTypeError(f"Trainer: loss must be a function or a name, but got {loss!r}.")
    return OneHot(loss) if loss in _BETWEEN_NUMBERS else loss
