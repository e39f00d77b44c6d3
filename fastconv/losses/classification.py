"""Losses of scores for classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.functional.call import finish
from fastconv.losses.arguments import check_class_weight, check_labels, check_reduction, check_scores, reduced
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_number


def softmax_cross_entropy(
    scores: Any, labels: Any, *, label_smoothing: float = 0.0, weight: Any = None, reduction: str = "mean"
) -> tuple[float, Array]:
    """Cross-entropy of the softmax of scores: how surprising the labels are to the network.

    ``(N, K, ...), (N, ...) -> float, (N, K, ...)``

    Parameters
    ----------
    scores : array_like, shape (N, K) or (N, K, ...)
        Scores of K classes, before any softmax; with more axes, for every pixel.
    labels : array_like of int, shape (N, ...), or array_like shaped like scores
        The right classes, from 0 to K-1, or a probability for every class (one-hot rows, for instance).
    label_smoothing : float
        Share of the probability, from 0 to 1, that is spread over all classes alike.
    weight : array_like, shape (K,), optional
        Weight of each class.
    reduction : {"mean", "sum"}
        The mean over integer labels divides by the sum of their weights, as in PyTorch.

    Returns
    -------
    loss : float
        Mean or sum.
    gradient : ndarray, shaped like scores
        Gradient with respect to the scores, in their dtype.

    Raises
    ------
    ValueError
        If shapes do not fit together or a label is out of range; the message names the first one.
    TypeError
        If labels are neither integers nor shaped like the scores.

    Notes
    -----
    ``loss = -sum_c target[c] * log(softmax(scores)[c])``, and the gradient is ``softmax(scores) - target`` where the
    targets of a row sum to 1. The largest score is subtracted first, so that no exponential overflows: Goodfellow,
    Bengio and Courville (2016), "Deep Learning", section 6.2.2.3. Label smoothing: Szegedy et al. (2016), "Rethinking
    the Inception Architecture for Computer Vision", section 7.

    Examples
    --------
    >>> loss, gradient = softmax_cross_entropy([[2.0, 2.0], [1e4, 0.0]], [0, 0])
    >>> round(loss, 6), gradient
    (0.346574, array([[-0.25,  0.25],
           [ 0.  ,  0.  ]]))
    """
    operation = "softmax_cross_entropy"
    scores, dtype = check_scores(operation, scores)
    classes = scores.shape[1]
    smoothing = check_number(operation, "label_smoothing", label_smoothing, least=0, most=1)
    weights = check_class_weight(operation, weight, classes, scores.dtype)
    mean = check_reduction(operation, reduction)
    targets = check_array(operation, "labels", labels)
    if targets.shape != scores.shape:
        targets = check_labels(operation, targets, scores.shape)
    with np.errstate(all="ignore"):
        shifted = _shifted(scores)
        soft = targets.shape == scores.shape
        compute = _of_probabilities if soft else _of_labels
        loss, gradient = compute(shifted, targets, smoothing, weights, mean)
    return loss, finish(gradient, dtype)


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
    return reduced(rows.sum(), terms, mean, gradient), gradient


def _weighted_sum(shifted: Array, weights: Array | None) -> Array:
    """Sum over the classes, each times its weight: (N, 1, ...)."""
    total: Array = shifted.sum(axis=1) if weights is None else np.einsum("nk...,k->n...", shifted, weights)
    return total[:, None]


def _of_probabilities(
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
    return reduced(rows.sum(), rows.size, mean, gradient), gradient


def multiclass_svm(scores: Any, labels: Any, *, margin: float = 1.0, reduction: str = "mean") -> tuple[float, Array]:
    """Hinge loss of scores: every wrong class should score less than the right one, by a margin.

    ``(N, K, ...), (N, ...) -> float, (N, K, ...)``

    Parameters
    ----------
    scores : array_like, shape (N, K) or (N, K, ...)
        Scores of K classes.
    labels : array_like of int, shape (N, ...)
        The right classes, from 0 to K-1.
    margin : float
        The margin.
    reduction : {"mean", "sum"}
        The mean divides by the number of labels.

    Returns
    -------
    loss, gradient
        As of `softmax_cross_entropy`.

    Raises
    ------
    ValueError, TypeError
        As `softmax_cross_entropy`; labels must be integers here.

    Notes
    -----
    ``loss = sum over c != label of max(0, scores[c] - scores[label] + margin)``, the form of Weston and Watkins (1999),
    "Support Vector Machines for Multi-Class Pattern Recognition", section 2. PyTorch's ``multi_margin_loss`` divides by
    K as well.

    Examples
    --------
    >>> multiclass_svm([[3.0, 2.5, 0.0]], [0])
    (0.5, array([[-1.,  1.,  0.]]))
    """
    operation = "multiclass_svm"
    scores, dtype = check_scores(operation, scores)
    index = check_labels(operation, labels, scores.shape)[:, None]
    distance = check_number(operation, "margin", margin)
    mean = check_reduction(operation, reduction)
    with np.errstate(all="ignore"):
        margins = np.empty_like(scores)
        np.subtract(scores, np.take_along_axis(scores, index, axis=1), out=margins)
        margins += distance
        np.put_along_axis(margins, index, 0, axis=1)
        np.maximum(margins, 0, out=margins)
        total = margins.sum()
        gradient = np.sign(margins, out=margins)
        np.put_along_axis(gradient, index, -gradient.sum(axis=1, keepdims=True), axis=1)
        loss = reduced(total, index.size, mean, gradient)
    return loss, finish(gradient, dtype)


def accuracy(scores: Any, labels: Any) -> float:
    """Share of rows whose largest score is that of the label.

    Parameters
    ----------
    scores : array_like, shape (N, K) or (N, K, ...)
        Scores or probabilities of K classes; of equal ones the first counts.
    labels : array_like of int, shape (N, ...)
        The right classes.

    Returns
    -------
    float
        From 0 to 1; NaN for an empty batch.

    Examples
    --------
    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    scores, _ = check_scores("accuracy", scores)
    labels = check_labels("accuracy", labels, scores.shape)
    right = int(np.count_nonzero(scores.argmax(axis=1) == labels))
    return right / labels.size if labels.size else float("nan")
