"""What both estimators share: their parameters, how they are trained, and what their network says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fastconv.data.augment import Augmentation
from fastconv.data.dataset import Dataset, layout_as_is
from fastconv.errors import InvalidTypeError, shown
from fastconv.layers import Layer, inference_mode
from fastconv.optim import OPTIMIZERS, Optimizer
from fastconv.sklearn.inputs import Standardised, input_shape_of
from fastconv.sklearn.network import make_network
from fastconv.training import EarlyStopping, Progress, Trainer
from fastconv.training.progress import ProgressCallback, reporting
from fastconv.validation.arrays import Array
from fastconv.validation.constructors import Constructed
from fastconv.validation.sizes import check_choice, check_flag, check_integer, check_number

_DTYPES = (np.float32, np.uint8)  # others become the first


class CNNEstimator(BaseEstimator, metaclass=Constructed):
    """A network with the interface of scikit-learn; `CNNClassifier` and `CNNRegressor` are the ones to make."""

    _loss: str
    _stratified: bool

    def __init__(
        self,
        network: str | Callable[..., Layer] = "auto",
        *,
        input_shape: tuple[int, ...] | None = None,
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: str | Callable[..., Optimizer] = "adam",
        lr: float = 0.002,
        l2: float = 0.0,
        augment: Augmentation | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.input_shape = input_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.l2 = l2
        self.augment = augment
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    # inputs

    def _checked(self, X: Any, y: Any, *, reset: bool, **targets: Any) -> tuple[Array, Array]:
        """Return X as (N, *input_shape_) and y; what is not finite, sparse or of another width is refused."""
        X, y = validate_data(self, X, y, reset=reset, allow_nd=True, dtype=_DTYPES, **targets)
        if reset:
            self.input_shape_ = input_shape_of(self._name, self.input_shape, X)
        return self._shaped(X), y

    def _shaped(self, X: Array) -> Array:
        input_shape_of(self._name, self.input_shape_, X)
        return X.reshape(len(X), *self.input_shape_)

    @property
    def _name(self) -> str:
        return type(self).__name__

    # training

    def _start(self, X: Array, outputs: int) -> None:
        """Make a network with fresh weights, and what trains it."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        network = make_network(self._name, self.network, self.input_shape_, outputs, seed)
        make: object = self.optimizer
        if isinstance(make, str):
            make = OPTIMIZERS[check_choice(self._name, "optimizer", make, tuple(OPTIMIZERS))]
        if not callable(make):
            raise InvalidTypeError(f"{self._name}: optimizer must be a name or a function, but got {shown(make)}.")
        self._trainer = Trainer(
            network,
            make(network.parameters(), lr=self.lr),
            self._loss,
            augment=self.augment,
            prepare=Standardised.fitted(X),
            seed=seed,
            l2=self.l2,
        )

    def _train(self, X: Array, targets: Array, *, epochs: int, early_stopping: bool = False) -> None:
        """Train the network on; with `early_stopping` it ends with the weights of the best epoch."""
        trainer, train = self._trainer, Dataset(X, targets, layout=layout_as_is(X))
        validation = stopping = None
        if check_flag(self._name, "early_stopping", early_stopping):
            share = 1.0 - check_number(self._name, "validation_fraction", self.validation_fraction)
            train, validation = train.split(share, trainer.seed, stratify=self._stratified)
            stopping = EarlyStopping(self.n_iter_no_change)
        with reporting(self._name, self.verbose) as tell:
            watcher = _Watcher(trainer.model, tell)
            trainer.fit(
                train,
                validation,
                epochs=epochs,
                batch_size=self.batch_size,
                early_stopping=stopping,
                progress=watcher,
            )
        if watcher.best is not None:
            trainer.model.load_state_dict(watcher.best)
        self.network_, self.history_ = trainer.model.eval(), trainer.history
        self.n_iter_ = len(self.history_.epochs)

    # results

    def _outputs(self, X: Any) -> Array:
        """Return what the network says of each input, (N, outputs)."""
        check_is_fitted(self, "network_")
        X = self._shaped(validate_data(self, X, reset=False, allow_nd=True, dtype=_DTYPES))
        size = check_integer(self._name, "batch_size", self.batch_size, 1)
        prepare = self._trainer.prepare
        assert prepare is not None
        with inference_mode():
            parts = [self.network_(prepare(X[first : first + size])) for first in range(0, len(X), size)]
        return np.concatenate(parts)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class _Watcher:
    """What `Trainer.fit` reports to: hands reports on, and keeps the weights of the least validation loss."""

    def __init__(self, model: Layer, tell: ProgressCallback | None) -> None:
        self._model, self._tell = model, tell
        self._least = np.inf
        self.best: dict[str, Array] | None = None

    def __call__(self, progress: Progress) -> None:
        """Take one report."""
        if self._tell is not None:
            self._tell(progress)
        loss = None if progress.record is None else progress.record.validation_loss
        if loss is not None and loss < self._least:
            self._least = loss
            self.best = {name: array.copy() for name, array in self._model.state_dict().items()}
