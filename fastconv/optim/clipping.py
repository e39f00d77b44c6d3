"""A limit on the length of the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite, sqrt

import numpy as np

from fastconv.errors import DivergedError
from fastconv.layers.parameter import Parameter
from fastconv.optim.arguments import check_positive
from fastconv.validation.arrays import Array, compute_dtype
from fastconv.validation.sizes import check_flag

_SLACK = 1e-6  # as in PyTorch: a gradient of exactly the limit is scaled by a little less than one


def clip_grad_norm(parameters: Iterable[Parameter], max_norm: float, *, error_if_nonfinite: bool = False) -> float:
    """Scale all gradients together so that their common Euclidean norm is at most `max_norm`.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those without a gradient count as zero.
    max_norm : float
        The limit.
    error_if_nonfinite : bool
        Raise if the norm is infinite or NaN; otherwise the gradients become NaN or zero, and the norm tells.

    Returns
    -------
    float
        The norm before.

    Raises
    ------
    FloatingPointError
        If the norm is not finite and `error_if_nonfinite`; nothing is changed then.
    ValueError
        If `max_norm` is not positive.

    Notes
    -----
    Pascanu et al. (2013), "On the difficulty of training recurrent neural networks", algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Parameter
    >>> from fastconv.optim import clip_grad_norm
    >>> weight = Parameter(np.zeros(2))
    >>> weight.grad = [3, 4]
    >>> clip_grad_norm([weight], 1.0)
    5.0
    >>> weight.grad.round(3).tolist()
    [0.6, 0.8]
    """
    limit = check_positive("clip_grad_norm", "max_norm", max_norm)
    strict = check_flag("clip_grad_norm", "error_if_nonfinite", error_if_nonfinite)
    trained = [parameter for parameter in parameters if parameter.grad is not None]
    norm = grad_norm(trained)
    if strict and not isfinite(norm):
        raise DivergedError(f"clip_grad_norm: the norm of the gradients must be finite, but got {norm}.")
    factor = limit / (norm + _SLACK)
    if not factor >= 1.0:  # also where the norm is NaN
        for parameter in trained:
            if parameter.grad is not None:
                np.multiply(parameter.grad, factor, out=parameter.grad)
    return norm


def grad_norm(parameters: Iterable[Parameter]) -> float:
    """Euclidean norm of all gradients together.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those without a gradient count as zero.

    Returns
    -------
    float
        The norm. Squares that overflow their dtype are computed again on scaled numbers.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    with np.errstate(over="ignore"):
        total = sum(_sum_of_squares(gradient, 1.0) for gradient in gradients)
    if isfinite(total):
        return sqrt(total)
    largest = float(np.max([np.abs(gradient).max(initial=0) for gradient in gradients]))  # NaN wins
    if not isfinite(largest):
        return largest
    return largest * sqrt(sum(_sum_of_squares(gradient, 1.0 / largest) for gradient in gradients))


def _sum_of_squares(gradient: Array, scale: float) -> float:
    """Not by a BLAS, whose result may depend on its number of threads."""
    scaled = np.multiply(gradient, scale, dtype=compute_dtype(gradient.dtype))
    np.multiply(scaled, scaled, out=scaled)
    return float(scaled.sum())
