"""Losses of scores for classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends.base import Backend
from fastconv.functional.call import compute, finish
from fastconv.losses.arguments import check_class_weight, check_labels, check_reduction, check_scores
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
    arguments = scores, targets, smoothing, weights, mean
    loss, gradient = compute(operation, None, Backend.softmax_cross_entropy, *arguments)
    return loss, finish(gradient, dtype)


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
    labels = check_labels(operation, labels, scores.shape)
    distance = check_number(operation, "margin", margin)
    mean = check_reduction(operation, reduction)
    loss, gradient = compute(operation, None, Backend.multiclass_svm, scores, labels, distance, mean)
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
