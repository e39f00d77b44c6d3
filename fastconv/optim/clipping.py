"""A limit on the length of the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import numpy as np

from fastconv.backends import resolve_backend
from fastconv.errors import DivergedError
from fastconv.layers.parameter import Parameter
from fastconv.optim.arguments import check_parameters, check_positive
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_flag


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
    trained = list(check_parameters("clip_grad_norm", parameters))
    norm = grad_norm(trained) if strict else 0.0
    if not isfinite(norm):
        raise DivergedError(f"clip_grad_norm: the norm of the gradients must be finite, but got {norm}.")
    return float(_clip(trained, np.array([limit]))[0])


def _clip(parameters: Iterable[Parameter], limit: Array, out: Array | None = None) -> Array:
    """Scale gradients to a norm of the number in `limit`; return an array with the norm before, `out` if there is one.

    On the fast backend this is done by kernels alone.
    """
    gradients, backend = _gradients(parameters), resolve_backend(None)
    norm = backend.norm(gradients, out)
    backend.limit_norm(gradients, norm, limit)
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
    return float(resolve_backend(None).norm(_gradients(check_parameters("grad_norm", parameters)))[0])


def _gradients(parameters: Iterable[Parameter]) -> list[Array]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]
