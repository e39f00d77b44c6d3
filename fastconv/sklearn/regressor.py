"""A network as a regressor of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from fastconv.sklearn.base import CNNEstimator
from fastconv.validation.arrays import Array


class CNNRegressor(RegressorMixin, CNNEstimator):
    """A convolutional network that predicts numbers, with the interface of scikit-learn.

    ``X (N, ...), y (N,) or (N, outputs) -> y``

    Parameters
    ----------
    network, input_shape, epochs, batch_size, optimizer, lr, l2, augment
        As for `CNNClassifier`; `classes`, with which a network is made, is the number of outputs.
    early_stopping, validation_fraction, n_iter_no_change, random_state, verbose
        As for `CNNClassifier`.

    Attributes
    ----------
    network_, history_, n_iter_, input_shape_, n_features_in_
        As of `CNNClassifier`. The network returns numbers of mean 0 and deviation 1.

    Raises
    ------
    ValueError
        If inputs do not fit the network.

    See Also
    --------
    CNNClassifier : The same for classes.

    Notes
    -----
    The loss is the squared error of targets whose mean is taken off and whose deviation is divided by. For targets that
    are images or signals, see `fastconv.training.Trainer`.

    Examples
    --------
    How bright the left half of a picture is:

    >>> import numpy as np
    >>> from fastconv.sklearn import CNNRegressor
    >>> X = np.random.default_rng(0).random((400, 1, 6, 8))
    >>> y = 100 * X[:, 0, :, :4].mean(axis=(1, 2))
    >>> model = CNNRegressor(epochs=15, random_state=0).fit(X[:300], y[:300])
    >>> model.score(X[300:], y[300:]) > 0.5
    True
    """

    _loss = "squared_error"
    _stratified = False

    def fit(self, X: Any, y: Any) -> CNNRegressor:
        """Train a new network.

        Parameters
        ----------
        X : array_like, shape (N, ...)
            Inputs.
        y : array_like, shape (N,) or (N, outputs)
            Numbers.

        Returns
        -------
        CNNRegressor
            Itself.
        """
        X, y = self._begin(X, y)
        self._train(X, self._scaled(y), epochs=self.epochs, early_stopping=self.early_stopping)
        return self

    def partial_fit(self, X: Any, y: Any) -> CNNRegressor:
        """Train on for one epoch, with the optimiser and the scale of numbers as the first call has left them.

        Parameters
        ----------
        X, y : array_like
            As for `fit`.

        Returns
        -------
        CNNRegressor
            Itself.
        """
        if hasattr(self, "network_"):
            X, y = self._checked(X, y, reset=False, y_numeric=True, multi_output=True)
        else:
            X, y = self._begin(X, y)
        self._train(X, self._scaled(y), epochs=1)
        return self

    def predict(self, X: Any) -> Array:
        """Return the numbers of each input.

        Parameters
        ----------
        X : array_like, shape (N, ...)
            Inputs.

        Returns
        -------
        ndarray of float64, shape (N,) or (N, outputs)
            As y was.
        """
        y: Array = self._outputs(X) * self._std + self._mean
        return y if self._many else y[:, 0]

    def _begin(self, X: Any, y: Any) -> tuple[Array, Array]:
        X, y = self._checked(X, y, reset=True, y_numeric=True, multi_output=True)
        self._many, columns = y.ndim > 1, y.reshape(len(y), -1).astype(np.float64)
        self._mean, std = columns.mean(axis=0), columns.std(axis=0)
        self._std = np.where(std > 0, std, 1)
        self._start(X, columns.shape[1])
        return X, y

    def _scaled(self, y: Array) -> Array:
        scaled: Array = ((y.reshape(len(y), -1) - self._mean) / self._std).astype(np.float32)
        return scaled

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output, tags.target_tags.multi_output = True, True
        return tags
