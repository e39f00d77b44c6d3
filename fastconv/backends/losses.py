"""The losses of the contract, in NumPy: what every backend computes with that has no kernels for them.

Arguments are checked. Scores are (N, K, ...), labels (N, ...) of integers from 0 to K-1, and the gradient is a fresh
array in the memory order of the first argument. The mean over nothing is NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEAST_LOG = -100.0  # as in PyTorch: a probability of exactly 0 costs 100, not infinity
LEAST_VARIANCE = 1e-12


class Losses:
    """Each loss, a float, with its gradient: over the batch the mean, or the sum."""

    def softmax_cross_entropy(
        self, scores: Array, labels: Array, smoothing: float, weights: Array | None, mean: bool
    ) -> tuple[float, Array]:
        """Cross-entropy of the softmax of scores with labels, or with a target for every score, in its shape."""
        compute = _of_targets if labels.shape == scores.shape else _of_labels
        with np.errstate(all="ignore"):
            return compute(_shifted(scores), labels, smoothing, weights, mean)

    def multiclass_svm(self, scores: Array, labels: Array, margin: float, mean: bool) -> tuple[float, Array]:
        """Hinge loss of scores."""
        index = labels[:, None]
        with np.errstate(all="ignore"):
            margins = np.empty_like(scores)
            np.subtract(scores, np.take_along_axis(scores, index, axis=1), out=margins)
            margins += margin
            np.put_along_axis(margins, index, 0, axis=1)
            np.maximum(margins, 0, out=margins)
            total = margins.sum()
            gradient = np.sign(margins, out=margins)
            np.put_along_axis(gradient, index, -gradient.sum(axis=1, keepdims=True), axis=1)
            return _reduced(total, index.size, mean, gradient), gradient

    def squared_error(self, prediction: Array, target: Array, scale: float, mean: bool) -> tuple[float, Array]:
        """Squared difference, times `scale`."""
        with np.errstate(all="ignore"):
            difference = np.empty_like(prediction)
            np.subtract(prediction, target, out=difference)
            loss = _reduced(np.square(difference).sum(), difference.size, mean, difference, 2 * scale)
        return scale * loss, difference

    def binary_cross_entropy(self, probabilities: Array, target: Array, mean: bool) -> tuple[float, Array]:
        """Cross-entropy of probabilities; logarithms are at least `LEAST_LOG`."""
        p = probabilities
        with np.errstate(all="ignore"):
            log_p = np.maximum(np.log(p), LEAST_LOG)
            log_p *= target
            log_q = np.maximum(np.log1p(-p), LEAST_LOG)
            log_q *= 1 - target
            log_p += log_q
            gradient = np.empty_like(p)
            np.multiply(p, 1 - p, out=gradient)
            np.maximum(gradient, LEAST_VARIANCE, out=gradient)
            np.divide(p - target, gradient, out=gradient)
            return _reduced(-log_p.sum(), p.size, mean, gradient), gradient

    def binary_cross_entropy_with_logits(self, logits: Array, target: Array, mean: bool) -> tuple[float, Array]:
        """Cross-entropy of the sigmoid of scores."""
        x = logits
        with np.errstate(all="ignore"):
            gradient, rows = np.empty_like(x), np.maximum(x, 0)
            np.negative(x, out=gradient)
            np.exp(gradient, out=gradient)  # infinity for a very negative x, and its reciprocal 0: the right limit
            np.add(gradient, 1, out=gradient)
            np.reciprocal(gradient, out=gradient)
            np.subtract(gradient, target, out=gradient)
            rows -= x * target
            rows += np.log1p(np.exp(-np.abs(x)))
            return _reduced(rows.sum(), x.size, mean, gradient), gradient

    def one_hot(self, labels: Array, classes: int, dtype: np.dtype[Any]) -> Array:
        """Targets of rows with a label each, (N,) to (N, K): 1 for its class and 0 for the others."""
        target = np.zeros((len(labels), classes), dtype)
        target[np.arange(len(labels)), labels] = 1
        return target


def _reduced(total: float, terms: float, mean: bool, gradient: Array, factor: float = 1.0) -> float:
    """Return a total, divided by the number of terms for the mean; so is the gradient, in place, times the factor."""
    if mean:
        part = 1 / float(terms) if terms else float("nan")
        np.multiply(gradient, factor * part, out=gradient)
        return float(total) / float(terms) if terms else part
    if factor != 1:
        np.multiply(gradient, factor, out=gradient)
    return float(total)


def _shifted(scores: Array) -> Array:
    """Scores minus the largest of their row, a fresh array in their memory order."""
    shifted = np.empty_like(scores)
    np.subtract(scores, scores.max(axis=1, keepdims=True), out=shifted)
    return shifted


def _exponentials(shifted: Array) -> tuple[Array, Array]:
    """Exponentials, in place, and their sum: (N, K, ...), (N, 1, ...)."""
    np.exp(shifted, out=shifted)
    return shifted, shifted.sum(axis=1, keepdims=True)


def _of_labels(
    shifted: Array, labels: Array, smoothing: float, weights: Array | None, mean: bool
) -> tuple[float, Array]:
    """Loss and gradient for integer labels; one array of the size of the scores serves for everything."""
    classes, kind, index = shifted.shape[1], shifted.dtype.type, labels[:, None]
    own = np.ones(index.shape, kind) if weights is None else weights[index]  # (N, 1, ...)
    terms = float(own.sum())
    right = np.take_along_axis(shifted, index, axis=1)
    even = kind(smoothing / classes)  # of every class's weight
    others = _weighted_sum(shifted, weights) if smoothing else None
    exponentials, total = _exponentials(shifted)
    log_total = np.log(total)
    own *= kind(1 - smoothing)
    rows = own * (log_total - right)
    if others is not None:
        everything = kind(classes) if weights is None else weights.sum()
        rows += even * (everything * log_total - others)
        gradient = np.multiply(exponentials, (own + even * everything) / total, out=exponentials)
        gradient -= even if weights is None else (even * weights).reshape(-1, *(1,) * (shifted.ndim - 2))
    else:
        gradient = np.multiply(exponentials, own / total, out=exponentials)
    np.put_along_axis(gradient, index, np.take_along_axis(gradient, index, axis=1) - own, axis=1)
    return _reduced(rows.sum(), terms, mean, gradient), gradient


def _weighted_sum(shifted: Array, weights: Array | None) -> Array:
    """Sum over the classes, each times its weight: (N, 1, ...)."""
    total: Array = shifted.sum(axis=1) if weights is None else np.einsum("nk...,k->n...", shifted, weights)
    return total[:, None]


def _of_targets(
    shifted: Array, targets: Array, smoothing: float, weights: Array | None, mean: bool
) -> tuple[float, Array]:
    """Loss and gradient where the target of every class is given."""
    classes, kind = shifted.shape[1], shifted.dtype.type
    goal = np.empty_like(shifted)
    np.multiply(targets, kind(1 - smoothing), out=goal, casting="same_kind")
    if smoothing:
        goal += kind(smoothing / classes)
    if weights is not None:
        goal *= weights.reshape(-1, *(1,) * (shifted.ndim - 2))
    sums = goal.sum(axis=1, keepdims=True)
    right = np.einsum("nk...,nk...->n...", goal, shifted)[:, None]
    exponentials, total = _exponentials(shifted)
    rows = sums * np.log(total) - right
    gradient = np.multiply(exponentials, sums / total, out=exponentials)
    gradient -= goal
    return _reduced(rows.sum(), rows.size, mean, gradient), gradient
