"""Batch, layer and group normalisation with the parameters and caches of the assignments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastconv.compat.cs231n.arguments import NORM_NAMES, OldNames, check_axes, dictionary, parameters
from fastconv.compat.cs231n.windows import Gradients, all_of
from fastconv.errors import InvalidTypeError
from fastconv.functional.batch_normalization import batch_norm, batch_norm_backward, batch_norm_statistics
from fastconv.functional.group_normalization import group_norm, group_norm_backward, group_norm_statistics
from fastconv.functional.layer_normalization import layer_norm, layer_norm_backward, layer_norm_statistics
from fastconv.validation.arrays import Array, check_array, check_shape
from fastconv.validation.sizes import check_choice, check_number

__all__ = [
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "batchnorm_forward",
    "layernorm_backward",
    "layernorm_forward",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "spatial_groupnorm_backward",
    "spatial_groupnorm_forward",
]


class NormCache(NamedTuple):
    """What a backward pass needs of a normalisation."""

    kind: str  # "batchnorm", "layernorm" or "groupnorm"
    x: Array
    gamma: Any
    beta: Any
    statistics: tuple[Any, Any]
    eps: float
    training: bool = True
    groups: int = 1


def batchnorm_forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> tuple[Array, NormCache]:
    """Normalise every feature over the batch.

    ``(N, D) * (D,) + (D,) -> (N, D)``

    Parameters
    ----------
    x : array_like, shape (N, D)
        Input.
    gamma, beta : array_like, shape (D,)
        Scale and shift.
    bn_param : dict
        'mode', "train" or "test"; 'eps' (1e-5); 'momentum' (0.9); 'running_mean' and 'running_var', shape (D,), which
        start as zeros. These two are **written back** into the dictionary:
        ``running = momentum * running + (1 - momentum) * that of the batch``, with the biased variance. In test mode
        they are normalised with.

    Returns
    -------
    out : ndarray, shape (N, D)
        Its dtype is `np.result_type` of x, gamma and beta, or float64 if that is an integer type.
    cache : NormCache
        For `batchnorm_backward` or `batchnorm_backward_alt`.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or the mode is missing or another one.
    TypeError
        If a dtype is not taken.

    See Also
    --------
    fastconv.layers.BatchNorm1d : Whose momentum has the opposite meaning, and whose running variance is unbiased.

    Examples
    --------
    >>> bn_param = {"mode": "train"}
    >>> out, cache = batchnorm_forward([[1.0, 10.0], [3.0, 14.0]], [1.0, 1.0], [0.0, 5.0], bn_param)
    >>> out.round(3)
    array([[-1.,  4.],
           [ 1.,  6.]])
    >>> bn_param["running_mean"]
    array([0.2, 1.2])
    """
    return _batchnorm("batchnorm_forward", check_axes("batchnorm_forward", "x", x, "N, D"), gamma, beta, bn_param)


def _batchnorm(operation: str, x: Array, gamma: Any, beta: Any, bn_param: Any) -> tuple[Array, NormCache]:
    (mode,) = parameters(operation, "bn_param", bn_param, "mode")
    training = check_choice(operation, "bn_param['mode']", mode, ("train", "test")) == "train"
    eps = _eps(operation, "bn_param", bn_param)
    momentum = check_number(operation, "bn_param['momentum']", bn_param.get("momentum", 0.9))
    running = tuple(_running(operation, name, x, bn_param) for name in ("running_mean", "running_var"))
    with OldNames(operation, NORM_NAMES):
        statistics = batch_norm_statistics(x) if training else running
        out = batch_norm(x, gamma, beta, statistics=statistics, eps=eps)
    if training:
        running = tuple(momentum * old + (1 - momentum) * new for old, new in zip(running, statistics))
    bn_param["running_mean"], bn_param["running_var"] = running
    return out, NormCache("batchnorm", x, gamma, beta, statistics, eps, training)


def batchnorm_backward(dout: Any, cache: Any) -> Gradients:
    """Gradients of `batchnorm_forward`; after test mode too, where the statistics are constants.

    ``(N, D) -> dx (N, D), dgamma (D,), dbeta (D,)``

    Parameters
    ----------
    dout : array_like, shape (N, D)
        Gradient of the loss with respect to the output.
    cache : NormCache
        What the forward pass returned.

    Returns
    -------
    dx, dgamma, dbeta : ndarray
        Gradients.

    Raises
    ------
    ValueError, TypeError
        If `dout` has not the shape of x, or `cache` is something else.

    Examples
    --------
    >>> out, cache = batchnorm_forward([[1.0], [3.0]], [2.0], [0.0], {"mode": "train"})
    >>> dx, dgamma, dbeta = batchnorm_backward([[1.0], [5.0]], cache)
    >>> dgamma.round(3), dbeta
    (array([4.]), array([6.]))
    """
    return _batchnorm_gradients("batchnorm_backward", dout, cache)


def _batchnorm_gradients(operation: str, dout: Any, cache: Any) -> Gradients:
    kept = _kept(operation, cache, "batchnorm")
    with OldNames(operation, NORM_NAMES):
        return all_of(
            batch_norm_backward(
                dout, kept.x, kept.gamma, statistics=kept.statistics, training=kept.training, eps=kept.eps
            )
        )


def _kept(operation: str, cache: object, kind: str) -> NormCache:
    if isinstance(cache, NormCache) and cache.kind == kind:
        return cache
    got = f"that of {cache.kind}" if isinstance(cache, NormCache) else f"a {type(cache).__name__}"
    raise InvalidTypeError(
        f"{operation}: cache must be what the forward pass of {kind} in this module returned, but got {got}."
    )


def batchnorm_backward_alt(dout: Any, cache: Any) -> Gradients:
    """Gradients of `batchnorm_forward`; the same as `batchnorm_backward`."""
    return _batchnorm_gradients("batchnorm_backward_alt", dout, cache)


def spatial_batchnorm_forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> tuple[Array, NormCache]:
    """Normalise every channel over batch and positions, as `batchnorm_forward` does features.

    ``(N, C, H, W) * (C,) + (C,) -> (N, C, H, W)``
    """
    operation = "spatial_batchnorm_forward"
    return _batchnorm(operation, check_axes(operation, "x", x, "N, C, H, W"), gamma, beta, bn_param)


def spatial_batchnorm_backward(dout: Any, cache: Any) -> Gradients:
    """Gradients dx (N, C, H, W), dgamma (C,), dbeta (C,) of `spatial_batchnorm_forward`."""
    return _batchnorm_gradients("spatial_batchnorm_backward", dout, cache)


def layernorm_forward(x: Any, gamma: Any, beta: Any, ln_param: Any) -> tuple[Array, NormCache]:
    """Normalise every row over its features.

    ``(N, D) * (D,) + (D,) -> (N, D)``

    Parameters
    ----------
    x, gamma, beta
        As for `batchnorm_forward`.
    ln_param : dict
        'eps' (1e-5).

    Returns
    -------
    out : ndarray, shape (N, D)
        As of `batchnorm_forward`.
    cache : NormCache
        For `layernorm_backward`.

    Examples
    --------
    >>> layernorm_forward([[1.0, 3.0], [10.0, 50.0]], [1.0, 1.0], [0.0, 0.0], {})[0].round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    operation = "layernorm_forward"
    x = check_axes(operation, "x", x, "N, D")
    eps = _eps(operation, "ln_param", ln_param)
    with OldNames(operation, NORM_NAMES):
        statistics = layer_norm_statistics(x, x.shape[1])
        out = layer_norm(x, x.shape[1], gamma, beta, statistics=statistics, eps=eps)
    return out, NormCache("layernorm", x, gamma, beta, statistics, eps)


def layernorm_backward(dout: Any, cache: Any) -> Gradients:
    """Gradients dx (N, D), dgamma (D,), dbeta (D,) of `layernorm_forward`."""
    kept = _kept("layernorm_backward", cache, "layernorm")
    with OldNames("layernorm_backward", NORM_NAMES):
        return all_of(
            layer_norm_backward(dout, kept.x, kept.x.shape[1], kept.gamma, statistics=kept.statistics, eps=kept.eps)
        )


def spatial_groupnorm_forward(x: Any, gamma: Any, beta: Any, G: int, gn_param: Any) -> tuple[Array, NormCache]:
    """Normalise every group of channels of every image.

    ``(N, C, H, W) * (1, C, 1, 1) + (1, C, 1, 1) -> (N, C, H, W)``

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        Input.
    gamma, beta : array_like, shape (1, C, 1, 1) or (C,)
        Scale and shift.
    G : int
        Groups of neighbouring channels; divides C.
    gn_param : dict
        'eps' (1e-5).

    Returns
    -------
    out : ndarray, shape (N, C, H, W)
        As of `batchnorm_forward`.
    cache : NormCache
        For `spatial_groupnorm_backward`.

    Examples
    --------
    >>> x = np.array([1.0, 3.0, 40.0, 80.0]).reshape(1, 4, 1, 1)
    >>> gamma = np.ones((1, 4, 1, 1))
    >>> out, cache = spatial_groupnorm_forward(x, gamma, np.zeros(4), 2, {})
    >>> out.ravel().round(3)
    array([-1.,  1., -1.,  1.])
    """
    operation = "spatial_groupnorm_forward"
    x = check_axes(operation, "x", x, "N, C, H, W")
    eps = _eps(operation, "gn_param", gn_param)
    scale, shift = (_of_channels(table) for table in (gamma, beta))
    with OldNames(operation, NORM_NAMES):
        statistics = group_norm_statistics(x, G)
        out = group_norm(x, G, scale, shift, statistics=statistics, eps=eps)
    return out, NormCache("groupnorm", x, gamma, beta, statistics, eps, groups=G)


def spatial_groupnorm_backward(dout: Any, cache: Any) -> Gradients:
    """Gradients of `spatial_groupnorm_forward`; dgamma and dbeta have the shapes of gamma and beta."""
    kept = _kept("spatial_groupnorm_backward", cache, "groupnorm")
    with OldNames("spatial_groupnorm_backward", NORM_NAMES):
        dx, dgamma, dbeta = all_of(
            group_norm_backward(
                dout, kept.x, kept.groups, _of_channels(kept.gamma), statistics=kept.statistics, eps=kept.eps
            )
        )
    return dx, dgamma.reshape(np.shape(kept.gamma)), dbeta.reshape(np.shape(kept.beta))


def _running(operation: str, name: str, x: Array, bn_param: Mapping[str, Any]) -> Any:
    """What is kept of earlier batches, shape (D,), or one number for all of it; zeros at first."""
    if name not in bn_param:
        return np.zeros(x.shape[1], x.dtype)
    kept = check_array(operation, f"bn_param['{name}']", bn_param[name])
    if kept.ndim:
        check_shape(operation, f"bn_param['{name}']", kept.shape, x.shape[1:2], "one value per feature or channel")
    return kept


def _eps(operation: str, subject: str, values: Any) -> float:
    eps: float = dictionary(operation, subject, values).get("eps", 1e-5)
    return eps


def _of_channels(table: Any) -> Array:
    """(1, C, 1, 1) -> (C,); other shapes as they are, so that the check finds them."""
    array = np.asarray(table)
    return array.reshape(-1) if array.ndim == 4 and array.size == array.shape[1] else array
