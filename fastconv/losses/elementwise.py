"""Losses that compare one number with another."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends.base import Backend
from fastconv.errors import InvalidValueError
from fastconv.functional.call import compute, finish
from fastconv.losses.arguments import check_pair, check_reduction
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_number


def squared_error(prediction: Any, target: Any, *, scale: float = 1.0, reduction: str = "mean") -> tuple[float, Array]:
    """Squared difference, ``scale * (prediction - target)²``.

    Parameters
    ----------
    prediction : array_like
        What the network says.
    target : array_like, shaped like prediction
        What it should say.
    scale : float
        Factor; many texts have 1/2, so that the gradient of the sum is the difference.
    reduction : {"mean", "sum"}
        The mean is over all numbers, as in PyTorch.

    Returns
    -------
    loss : float
        Mean or sum.
    gradient : ndarray, shaped like prediction
        ``2 * scale * (prediction - target)``, divided by their number for the mean, in the dtype of the prediction.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> squared_error([1.0, 2.0], [1.0, 4.0])
    (2.0, array([ 0., -2.]))
    >>> squared_error([1.0, 2.0], [1.0, 4.0], scale=0.5, reduction="sum")
    (2.0, array([ 0., -2.]))
    """
    operation = "squared_error"
    prediction, target, dtype = check_pair(operation, "prediction", prediction, target)
    scale = check_number(operation, "scale", scale)
    mean = check_reduction(operation, reduction)
    loss, gradient = compute(operation, None, Backend.squared_error, prediction, target, scale, mean)
    return loss, finish(gradient, dtype)


def binary_cross_entropy(probabilities: Any, target: Any, *, reduction: str = "mean") -> tuple[float, Array]:
    """Cross-entropy of probabilities, such as the output of a sigmoid, with targets from 0 to 1.

    Parameters
    ----------
    probabilities : array_like
        Numbers from 0 to 1.
    target : array_like, shaped like probabilities
        0 or 1, or a number between.
    reduction : {"mean", "sum"}
        The mean is over all numbers.

    Returns
    -------
    loss : float
        Mean or sum.
    gradient : ndarray, shaped like probabilities
        Gradient with respect to the probabilities, in their dtype.

    Raises
    ------
    ValueError
        If the shapes differ, or a probability is not from 0 to 1; the message names the first one.

    See Also
    --------
    binary_cross_entropy_with_logits : The same of scores, exact also where the sigmoid rounds to 0 or 1.

    Notes
    -----
    ``-(t * log(p) + (1 - t) * log(1 - p))``. Logarithms are at least -100, and in the gradient ``p * (1 - p)`` is at
    least 1e-12, so that both stay finite: the limits of PyTorch.

    Examples
    --------
    >>> loss, gradient = binary_cross_entropy([0.5, 0.25], [1.0, 0.0])
    >>> round(loss, 6), gradient
    (0.490415, array([-1.        ,  0.66666667]))
    """
    operation = "binary_cross_entropy"
    p, target, dtype = check_pair(operation, "probabilities", probabilities, target)
    mean = check_reduction(operation, reduction)
    _check_probabilities(operation, p)
    loss, gradient = compute(operation, None, Backend.binary_cross_entropy, p, target, mean)
    return loss, finish(gradient, dtype)


def _check_probabilities(operation: str, p: Array) -> None:
    wrong = ~((p >= 0) & (p <= 1))  # NaN too
    if wrong.any():
        position = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), p.shape))
        raise InvalidValueError(
            f"{operation}: probabilities must be from 0 to 1, but got {p[position]} at {position} (shape {p.shape}). "
            "For scores use binary_cross_entropy_with_logits."
        )


def binary_cross_entropy_with_logits(logits: Any, target: Any, *, reduction: str = "mean") -> tuple[float, Array]:
    """Cross-entropy of the sigmoid of scores, with targets from 0 to 1.

    Parameters
    ----------
    logits : array_like
        Scores, before any sigmoid.
    target, reduction
        As for `binary_cross_entropy`.

    Returns
    -------
    loss : float
        Mean or sum.
    gradient : ndarray, shaped like logits
        ``sigmoid(logits) - target``, divided by their number for the mean, in the dtype of the logits.

    Notes
    -----
    ``max(x, 0) - x * t + log(1 + exp(-|x|))``, in which nothing overflows and nothing cancels.

    Examples
    --------
    >>> binary_cross_entropy_with_logits([1e4, -1e4], [1.0, 1.0])
    (5000.0, array([ 0. , -0.5]))
    """
    operation = "binary_cross_entropy_with_logits"
    x, target, dtype = check_pair(operation, "logits", logits, target)
    mean = check_reduction(operation, reduction)
    loss, gradient = compute(operation, None, Backend.binary_cross_entropy_with_logits, x, target, mean)
    return loss, finish(gradient, dtype)
