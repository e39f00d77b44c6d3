"""Normalisation: over a batch, an image, groups of channels, the last axes, or neighbouring channels."""

from __future__ import annotations

from math import prod

import numpy as np

from fastconv import functional
from fastconv.functional.call import as_computed, finish
from fastconv.functional.layer_normalization import layer_norm_moments
from fastconv.onnx.graph import Node
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array
from fastconv.validation.types import Shape


@operator("BatchNormalization", since=14)
@np.errstate(all="ignore")
def batch_normalization(
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    variance: Array,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Array | tuple[Array, ...]:
    """Normalise every channel with statistics that are given; with `training_mode`, with those of the batch.

    Then the statistics that are given move towards those of the batch: ``momentum`` is what they keep.
    """
    if not training_mode:
        return _batch_norm(x, scale, bias, mean, variance, epsilon)
    current = functional.batch_norm_statistics(x)
    y = _batch_norm(x, scale, bias, *current, epsilon)
    return y, *(_moved(old, new, momentum) for old, new in zip((mean, variance), current))


@operator("BatchNormalization", since=7)
@np.errstate(all="ignore")
def batch_normalization_7(
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    variance: Array,
    *,
    node: Node,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
) -> Array | tuple[Array, ...]:
    """Normalise every channel or, unless `spatial`, every cell of it: statistics are (C, *spatial) then.

    The outputs alone say that it is for training: moved statistics, and those of the batch.
    """
    if not spatial:
        cells = x.shape[1:]
        flat = (table.reshape(-1) for table in (scale, bias, mean, variance))
        rows = x.reshape(len(x), prod(cells))
        results = batch_normalization_7(rows, *flat, node=node, epsilon=epsilon, momentum=momentum)
        if not isinstance(results, tuple):
            return results.reshape(x.shape)
        return results[0].reshape(x.shape), *(table.reshape(cells) for table in results[1:])
    if not any(node.outputs[1:]):
        return _batch_norm(x, scale, bias, mean, variance, epsilon)
    current = functional.batch_norm_statistics(x)
    y = _batch_norm(x, scale, bias, *current, epsilon)
    return y, *(_moved(old, new, momentum) for old, new in zip((mean, variance), current)), *current


def _batch_norm(x: Array, scale: Array, bias: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """In the dtype of `x`, whatever that of the statistics."""
    return finish(functional.batch_norm(x, scale, bias, statistics=(mean, variance), eps=epsilon), x.dtype)


def _moved(old: Array, new: Array, momentum: float) -> Array:
    return finish(as_computed(old, old.dtype) * momentum + new * (1 - momentum), old.dtype)


@operator("InstanceNormalization", since=6)
def instance_normalization(x: Array, scale: Array, bias: Array, *, epsilon: float = 1e-5) -> Array:
    """Normalise every channel of every image."""
    return functional.instance_norm(x, scale, bias, eps=epsilon)


@operator("GroupNormalization", since=21)
def group_normalization(x: Array, scale: Array, bias: Array, *, num_groups: int, epsilon: float = 1e-5) -> Array:
    """Normalise groups of channels, and scale every channel."""
    return functional.group_norm(x, num_groups, scale, bias, eps=epsilon)


@operator("GroupNormalization", since=18)
def group_normalization_18(x: Array, scale: Array, bias: Array, *, num_groups: int, epsilon: float = 1e-5) -> Array:
    """Normalise groups of channels, and scale every group."""
    channels = x.shape[1] // num_groups
    tables = (np.repeat(table, channels) for table in (scale, bias))
    return functional.group_norm(x, num_groups, *tables, eps=epsilon)


@operator("LayerNormalization", since=17)
@np.errstate(all="ignore")
def layer_normalization(
    x: Array, scale: Array, bias: Array | None = None, *, node: Node, axis: int = -1, epsilon: float = 1e-5
) -> Array | tuple[Array, ...]:
    """Normalise over all axes from `axis` on; mean and 1 / deviation too, if they are asked for."""
    shape = x.shape[axis:]
    mean, variance = layer_norm_moments(x, shape)
    if all(table is None or table.ndim <= len(shape) for table in (scale, bias)):
        tables = (None if table is None else np.broadcast_to(table, shape) for table in (scale, bias))
        y = functional.layer_norm(x, shape, *tables, statistics=(mean, variance), eps=epsilon)
    else:
        y = functional.layer_norm(x, shape, statistics=(mean, variance), eps=epsilon) * scale
        y = y if bias is None else y + bias
    if not any(node.outputs[1:]):
        return y
    kept = (*mean.shape, *(1 for _ in shape))
    moments = (mean, 1 / np.sqrt(variance + variance.dtype.type(epsilon)))
    return y, *(moment.reshape(kept).astype(np.float32, copy=False) for moment in moments)


@operator("RMSNormalization", since=23)
@np.errstate(all="ignore")
def rms_normalization(x: Array, scale: Array, *, axis: int = -1, epsilon: float = 1e-5) -> Array:
    """Divide by the root of the mean square over all axes from `axis` on (Zhang and Sennrich 2019, equation 4)."""
    numbers = as_computed(x, x.dtype)
    axes = tuple(range(axis % x.ndim, x.ndim))
    mean = np.mean(np.square(numbers), axis=axes, keepdims=True)
    return finish(numbers / np.sqrt(mean + numbers.dtype.type(epsilon)), x.dtype) * scale


@operator("MeanVarianceNormalization", since=9)
@np.errstate(all="ignore")
def mean_variance_normalization(x: Array, *, axes: Shape = (0, 2, 3)) -> Array:
    """Subtract the mean over some axes, and divide by the deviation."""
    numbers = as_computed(x, x.dtype)
    centred = numbers - np.mean(numbers, axis=axes, keepdims=True)
    deviation = np.sqrt(np.mean(np.square(centred), axis=axes, keepdims=True))
    return finish(centred / (deviation + numbers.dtype.type(1e-9)), x.dtype)


@operator("LpNormalization")
@np.errstate(all="ignore")
def lp_normalization(x: Array, *, axis: int = -1, p: int = 2) -> Array:
    """Divide by the norm along an axis; zeros stay zeros."""
    numbers = as_computed(x, x.dtype)
    norm = np.linalg.norm(numbers, p, axis, keepdims=True)
    return finish(numbers / np.where(norm == 0, 1, norm), x.dtype)


@operator("LRN")
def local_response_normalization(
    x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Array:
    """Divide by a power of the mean square of neighbouring channels: of an even number, one more comes after."""
    if size % 2:
        return functional.local_response_norm(x, size, alpha, beta, bias)
    return functional.local_response_norm(x[:, ::-1], size, alpha, beta, bias)[:, ::-1]  # there, one more before
