"""The training loop of CS231n, ``solver.py``."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.compat.cs231n import checkpoints, optim
from fastconv.compat.cs231n.arguments import dictionary
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.files import write_whole
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_flag, check_integer, check_number, check_path

__all__ = ["Solver", "np", "optim", "pickle"]

_QUOTE = "'"
_DATA = ("X_train", "y_train", "X_val", "y_val")
_KEPT = (  # the entries of a checkpoint, in the order of the original; each is an attribute
    "model",
    "update_rule",
    "lr_decay",
    "optim_config",
    "batch_size",
    "num_train_samples",
    "num_val_samples",
    "epoch",
    "loss_history",
    "train_acc_history",
    "val_acc_history",
)


class Solver:
    """Trains a model by stochastic gradient descent and measures its accuracy after every epoch.

    Parameters
    ----------
    model : object
        With a dictionary ``params`` of arrays, and ``loss(X, y)`` that returns scores (N, classes) if `y` is None,
        and otherwise ``(loss, grads)``, where ``grads`` has the keys of ``params``.
    data : dict
        Arrays ``X_train``, ``y_train``, ``X_val`` and ``y_val``.
    update_rule : str
        Name of a function in `optim`: "sgd" (default), "sgd_momentum", "rmsprop" or "adam"; or such a function.
    optim_config : dict
        What the rule takes, ``learning_rate`` for instance; each parameter gets a copy. Default ``{}``.
    lr_decay : float
        The learning rates are multiplied by it after each epoch. Default 1.0.
    batch_size : int
        Images in a step, drawn with replacement. Default 100.
    num_epochs : int
        Default 10; an epoch is ``len(X_train) // batch_size`` steps.
    num_train_samples, num_val_samples : int or None
        How many images the accuracies are measured on; None takes all. Default 1000 and None.
    checkpoint_name : str or None
        After each epoch the file ``NAME_epoch_N.pkl`` is written. Default None: no files.
    print_every : int
        Steps between two lines with the loss. Default 10.
    verbose : bool
        Whether to print anything. Default True.

    Attributes
    ----------
    epoch : int
        Number of the epoch.
    best_val_acc : float
        Highest validation accuracy so far.
    best_params : dict
        Copies of the parameters that had it.
    loss_history, train_acc_history, val_acc_history : list
        The loss of every step; the accuracies of every epoch, and those after the first step.
    optim_configs : dict
        What the rule keeps for each parameter.

    Raises
    ------
    fastconv.errors.InvalidValueError
        If an argument is unknown, `update_rule` is no name in `optim`, or images and labels differ in number.

    Notes
    -----
    Random numbers come from ``np.random``. At the end the model has the parameters of the best validation accuracy;
    where that never exceeded 0, which left the original without any, it keeps the last ones. They are copies, so that
    another `train` does not change ``best_params``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.compat.cs231n.classifiers.fc_net import TwoLayerNet
    >>> np.random.seed(0)
    >>> X, y = np.random.randn(20, 6), np.arange(20) % 2
    >>> data = {"X_train": X, "y_train": y, "X_val": X, "y_val": y}
    >>> model = TwoLayerNet(input_dim=6, hidden_dim=5, num_classes=2, weight_scale=0.1)
    >>> solver = Solver(model, data, optim_config={"learning_rate": 0.5}, batch_size=10, num_epochs=2, print_every=3)
    >>> solver.train()
    (Iteration 1 / 4) loss: 0...
    (Epoch 0 / 2) train acc: 0...; val_acc: 0...
    (Epoch 1 / 2) train acc: 0...; val_acc: 0...
    (Iteration 4 / 4) loss: 0...
    (Epoch 2 / 2) train acc: 0...; val_acc: 0...
    """

    def __init__(self, model: Any, data: Any, **kwargs: Any) -> None:
        if not (hasattr(model, "params") and callable(getattr(model, "loss", None))):
            raise InvalidTypeError(f"Solver: model must have params and the method loss, but got {shown(model)}.")
        self.model = model
        kept = dictionary("Solver", "data", data)  # without a key it is a KeyError, as in the original
        self.X_train, self.y_train, self.X_val, self.y_val = (kept[name] for name in _DATA)
        settings = _settings(kwargs)
        self.update_rule = _rule(settings["update_rule"])
        self.optim_config: dict[str, Any] = settings["optim_config"]
        self.lr_decay = settings["lr_decay"]
        self.batch_size = settings["batch_size"]
        self.num_epochs = settings["num_epochs"]
        self.num_train_samples = settings["num_train_samples"]
        self.num_val_samples = settings["num_val_samples"]
        self.checkpoint_name = settings["checkpoint_name"]
        self.print_every = settings["print_every"]
        self.verbose = settings["verbose"]
        for part, X, y in (("train", self.X_train, self.y_train), ("val", self.X_val, self.y_val)):
            _check_count(part, X, y)
        check_fits("Solver", "a batch", (self.batch_size, *self.X_train.shape[1:]), np.dtype(np.float64).itemsize)
        self._reset()

    def _reset(self) -> None:
        """Forget the training so far, but not the parameters of the model."""
        self.epoch = 0
        self.best_val_acc: Any = 0
        self.best_params: dict[str, Array] = {}
        self.loss_history: list[Any] = []
        self.train_acc_history: list[Any] = []
        self.val_acc_history: list[Any] = []
        self.optim_configs: dict[str, dict[str, Any]] = {name: dict(self.optim_config) for name in self.model.params}

    def _step(self) -> None:
        """Change the parameters once, by the gradients of a batch that is drawn with replacement."""
        batch = np.random.choice(self.X_train.shape[0], self.batch_size)
        loss, grads = self.model.loss(self.X_train[batch], self.y_train[batch])
        self.loss_history.append(loss)
        for name, w in self.model.params.items():
            found = self.update_rule(w, grads[name], self.optim_configs[name])
            if not (isinstance(found, tuple) and len(found) == 2):
                raise InvalidTypeError(f"Solver: update_rule must return (next_w, config), but got {shown(found)}.")
            self.model.params[name], self.optim_configs[name] = found

    def _save_checkpoint(self) -> None:
        """Write ``NAME_epoch_N.pkl``, whole or not at all; nothing where there is no name."""
        if self.checkpoint_name is None:
            return
        filename = f"{self.checkpoint_name}_epoch_{self.epoch}.pkl"
        if self.verbose:
            print(f'Saving checkpoint to "{filename}"')
        content = {name: getattr(self, name) for name in _KEPT}
        write_whole(filename, lambda stream: pickle.dump(content, stream))

    def load_checkpoint(self, filename: Any) -> None:
        """Go on from a checkpoint: put its parameters, its epoch and its histories back.

        Parameters
        ----------
        filename : path
            A file that `train` wrote, here or in the original.

        Raises
        ------
        fastconv.errors.StateFileError
            If the file is damaged, is no checkpoint, asks for anything to be called, or has other parameters.
        fastconv.errors.DataNotFoundError
            If there is no such file.

        Notes
        -----
        The arguments remain those of this solver. Learning rates are decayed once for each epoch of the file. What a
        rule remembers (momentum, moments) is not in the file and begins anew. Not in the original.
        """
        state = checkpoints.state_of(filename, self.model.params)
        self._reset()
        self.model.params = state.params
        self.epoch, self.loss_history = state.epoch, state.loss_history
        self.train_acc_history, self.val_acc_history = state.train_acc_history, state.val_acc_history
        if self.val_acc_history:
            self._keep_if_best(self.val_acc_history[-1])
        for name, w in state.params.items():
            _, defaults = self.update_rule(np.zeros_like(w), np.zeros_like(w), dict(self.optim_config))
            if "learning_rate" in defaults:
                self.optim_configs[name]["learning_rate"] = defaults["learning_rate"]
        for _ in range(self.epoch):
            self._decay()

    def check_accuracy(self, X: Array, y: Array, num_samples: int | None = None, batch_size: int = 100) -> Any:
        """Measure which share of images gets its highest score for the right class.

        Parameters
        ----------
        X : ndarray, shape (N, ...)
            Images.
        y : ndarray of int, shape (N,)
            Labels.
        num_samples : int, optional
            Measure on so many of them, drawn with replacement, where there are more.
        batch_size : int
            How many go through the model at once.

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        fastconv.errors.InvalidValueError
            If there is no image.
        """
        if num_samples is not None and X.shape[0] > num_samples:
            drawn = np.random.choice(X.shape[0], num_samples)
            X, y = X[drawn], y[drawn]
        if not X.shape[0]:
            raise InvalidValueError(f"check_accuracy: X must hold an image at least, but got shape {X.shape}.")
        scores = (self.model.loss(X[start : start + batch_size]) for start in range(0, X.shape[0], batch_size))
        return np.mean(np.hstack([np.argmax(each, axis=1) for each in scores]) == y)

    def train(self) -> None:
        """Train for ``num_epochs`` epochs; leave the best parameters in the model."""
        per_epoch = max(self.X_train.shape[0] // self.batch_size, 1)
        steps = self.num_epochs * per_epoch
        for t in range(steps):
            self._step()
            if self.verbose and t % self.print_every == 0:
                print(f"(Iteration {t + 1} / {steps}) loss: {float(self.loss_history[-1]):f}")
            epoch_end = (t + 1) % per_epoch == 0
            if epoch_end:
                self.epoch += 1
                self._decay()
            if epoch_end or t in (0, steps - 1):
                self._measure()
        if self.best_params:
            self.model.params = _copies(self.best_params)

    def _decay(self) -> None:
        for config in self.optim_configs.values():
            config["learning_rate"] *= self.lr_decay

    def _measure(self) -> None:
        """Append the accuracies, write the checkpoint, and keep the parameters if they are the best."""
        train_acc = self.check_accuracy(self.X_train, self.y_train, num_samples=self.num_train_samples)
        val_acc = self.check_accuracy(self.X_val, self.y_val, num_samples=self.num_val_samples)
        self.train_acc_history.append(train_acc)
        self.val_acc_history.append(val_acc)
        self._save_checkpoint()
        if self.verbose:
            print(f"(Epoch {self.epoch} / {self.num_epochs}) train acc: {train_acc:f}; val_acc: {val_acc:f}")
        self._keep_if_best(val_acc)

    def _keep_if_best(self, val_acc: Any) -> None:
        if val_acc > self.best_val_acc:
            self.best_val_acc = val_acc
            self.best_params = _copies(self.model.params)


def _copies(params: dict[str, Array]) -> dict[str, Array]:
    return {name: w.copy() for name, w in params.items()}


def _rule(name: Any) -> Callable[..., Any]:
    """Return the update rule of a name, also one that the user has put into `optim`; or the rule itself."""
    rule = getattr(optim, name, None) if isinstance(name, str) else name
    if not callable(rule):
        raise InvalidValueError(
            f'Solver: Invalid update_rule "{shown(name).strip(_QUOTE)}". It must name a function in optim: sgd, '
            "sgd_momentum, rmsprop, adam."
        )
    chosen: Callable[..., Any] = rule
    return chosen


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of a Solver, with the defaults of those that are missing."""
    defaults: dict[str, Any] = {
        "update_rule": "sgd",
        "optim_config": {},
        "lr_decay": 1.0,
        "batch_size": 100,
        "num_epochs": 10,
        "num_train_samples": 1000,
        "num_val_samples": None,
        "checkpoint_name": None,
        "print_every": 10,
        "verbose": True,
    }
    unknown = ", ".join(f'"{name}"' for name in given if name not in defaults)
    if unknown:
        raise InvalidValueError(f"Solver: Unrecognized arguments {unknown}. They must be among {', '.join(defaults)}.")
    found = {**defaults, **given}
    for name in ("batch_size", "num_epochs", "print_every", "num_train_samples", "num_val_samples"):
        if found[name] is not None or defaults[name] is not None:
            found[name] = check_integer("Solver", name, found[name], 0 if name == "num_epochs" else 1)
    found["lr_decay"] = check_number("Solver", "lr_decay", found["lr_decay"])
    dictionary("Solver", "optim_config", found["optim_config"])
    if found["checkpoint_name"] is not None:
        check_path("Solver", found["checkpoint_name"], "checkpoint_name")
    if not isinstance(found["verbose"], int):
        check_flag("Solver", "verbose", found["verbose"])
    return found


def _check_count(part: str, X: Any, y: Any) -> None:
    for name, array in ((f"X_{part}", X), (f"y_{part}", y)):
        if not isinstance(getattr(array, "shape", None), tuple) or not array.shape:
            raise InvalidTypeError(f"Solver: {name} must be an array with an axis at least, but got {shown(array)}.")
    if len(X) != len(y):
        raise InvalidValueError(
            f"Solver: y_{part} must have one label for each image of X_{part}, but got {len(y)} labels for {len(X)} "
            "images."
        )
