"""A network as a classifier of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from fastconv.errors import InvalidValueError, shown
from fastconv.functional.softmax import softmax
from fastconv.sklearn.base import CNNEstimator
from fastconv.validation.arrays import Array, as_array


class CNNClassifier(ClassifierMixin, CNNEstimator):
    """A convolutional network that classifies, with the interface of scikit-learn.

    ``X (N, ...), y (N,) -> y (N,)``

    Parameters
    ----------
    network : str or callable
        ``"auto"``, two convolutions for inputs with one to three axes beside the channels; a name of
        `fastconv.models.MODELS`; or ``network(input_shape=..., classes=..., rng=...) -> Layer``, such as
        `fastconv.models.LeNet5`.
    input_shape : tuple of int, optional
        Shape of one input, (C, H, W) for an image. By default that of X without N; of flat features (N, F), as
        scikit-learn has them, it is a signal of one channel, (1, F).
    epochs, batch_size : int
        Passes over the inputs, and inputs of one step.
    optimizer : str or callable
        A name of `fastconv.optim.OPTIMIZERS`, or ``optimizer(parameters, lr=...) -> Optimizer``.
    lr : float
        Learning rate.
    l2 : float
        Penalty of the squares of weights, see `fastconv.training.Trainer`.
    augment : callable, optional
        ``augment(images, rng) -> images``, for images that are learned from; see `fastconv.data.augment`.
    early_stopping : bool
        Hold out a part of the inputs, stop when their loss has not become better for some epochs, and keep the weights
        of the best one.
    validation_fraction : float
        How much is held out for `early_stopping`.
    n_iter_no_change : int
        Epochs that it waits.
    random_state : int, RandomState or None
        Draws the weights, the order of inputs and what is held out. A seed gives the same bits in every run.
    verbose : bool
        Show how training goes on: ``progress=True`` of `fastconv.training.Trainer.fit`.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        The labels that there are, sorted.
    network_ : Layer
        The network, in evaluation mode. It takes inputs of mean 0 and deviation 1.
    history_ : fastconv.training.History
        What was measured.
    n_iter_ : int
        Epochs that were run.
    input_shape_ : tuple of int
        Shape of one input.
    n_features_in_ : int
        Size of the second axis of X.

    Raises
    ------
    ValueError
        If inputs do not fit the network, or there are fewer than two classes.

    See Also
    --------
    CNNRegressor : The same for numbers.

    Notes
    -----
    Inputs are float32, or bytes, which stay bytes in memory; of each channel mean 0 and deviation 1 are made by the
    inputs that were learned from. The loss is the cross-entropy of the softmax.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from fastconv.sklearn import CNNClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X.shape
    (1797, 64)
    >>> learn_X, test_X, learn_y, test_y = train_test_split(X, y, random_state=0)
    >>> model = CNNClassifier(input_shape=(1, 8, 8), epochs=3, random_state=0).fit(learn_X, learn_y)
    >>> model.score(test_X, test_y) > 0.95
    True
    """

    _loss = "softmax"
    _stratified = True

    def fit(self, X: Any, y: Any) -> CNNClassifier:
        """Train a new network.

        Parameters
        ----------
        X : array_like, shape (N, ...)
            Inputs.
        y : array_like, shape (N,)
            Their classes: numbers or strings.

        Returns
        -------
        CNNClassifier
            Itself.
        """
        X, y = self._checked(X, y, reset=True)
        check_classification_targets(y)
        self._set_classes(y)
        self._start(X, len(self.classes_))
        self._train(X, self._numbered(y), epochs=self.epochs, early_stopping=self.early_stopping)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> CNNClassifier:
        """Train on for one epoch, with the optimiser and the scale of inputs as the first call has left them.

        Parameters
        ----------
        X, y : array_like
            As for `fit`.
        classes : array_like, optional
            All classes; needed in the first call, if its `y` does not have them all.

        Returns
        -------
        CNNClassifier
            Itself.
        """
        first = not hasattr(self, "network_")
        X, y = self._checked(X, y, reset=first)
        check_classification_targets(y)
        if first:
            self._set_classes(y if classes is None else as_array(self._name, "classes", classes))
            self._start(X, len(self.classes_))
        self._train(X, self._numbered(y), epochs=1)
        return self

    def predict(self, X: Any) -> Array:
        """Return the class of each input.

        Parameters
        ----------
        X : array_like, shape (N, ...)
            Inputs.

        Returns
        -------
        ndarray, shape (N,)
            Elements of `classes_`.
        """
        likeliest = self._outputs(X).argmax(axis=1)
        classes: Array = self.classes_[likeliest]
        return classes

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array_like, shape (N, ...)
            Inputs.

        Returns
        -------
        ndarray of float64, shape (N, classes)
            In the order of `classes_`; each row sums to 1.
        """
        return softmax(self._outputs(X).astype(np.float64), axis=1)

    def _set_classes(self, y: Any) -> None:
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise InvalidValueError(
                f"{self._name}: y must have labels of two or more classes, but got {len(self.classes_)} class."
            )

    def _numbered(self, y: Array) -> Array:
        """Return the position of each label in `classes_`."""
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise InvalidValueError(
                f"{self._name}: y must have labels of {self.classes_.tolist()} alone, but got {shown(unknown[0])}. "
                "Pass all classes to the first partial_fit."
            )
        return np.searchsorted(self.classes_, y)
