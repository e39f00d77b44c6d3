"""Convolution and pooling behind all their old names: the backend is the only difference between these."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat.cs231n.arguments import OldNames, PoolCache, conv_cache, conv_options, pool_cache, pool_options
from fastconv.errors import InvalidValueError
from fastconv.functional.avg_pool import avg_pool2d, avg_pool2d_backward
from fastconv.functional.call import finish
from fastconv.functional.exact import conv2d, conv2d_backward
from fastconv.functional.max_pool import max_pool2d, max_pool2d_backward
from fastconv.validation.arrays import Array, check_array, check_shape
from fastconv.validation.sizes import check_padding

ConvCache = tuple[Any, Any, Any, Any]
Gradients = tuple[Array, Array, Array]


def conv_forward(operation: str, backend: str, x: Any, w: Any, b: Any, conv_param: Any) -> tuple[Array, ConvCache]:
    """Result and cache of a convolution."""
    options = conv_options(operation, conv_param)
    with OldNames(operation):
        return conv2d(x, w, b, **options, backend=backend), (x, w, b, conv_param)


def conv_backward(operation: str, backend: str, dout: Any, cache: Any) -> Gradients:
    """Gradients of a convolution, from the cache of any forward pass."""
    x, w, conv_param = conv_cache(operation, cache)
    options = conv_options(operation, conv_param)
    with OldNames(operation):
        try:
            return all_of(conv2d_backward(dout, x, w, **options, backend=backend))
        except InvalidValueError:
            gradients = _of_padded(backend, dout, x, w, options)
            if gradients is None:
                raise
            return gradients


def conv_weight_gradients(operation: str, dout: Any, cache: ConvCache) -> tuple[Array, Array]:
    """Gradients dw and db alone, for a first layer: nobody asks for those of the images, which cost the most."""
    x, w, conv_param = conv_cache(operation, cache)
    needs = "weight", "bias"
    _, dw, db = conv2d_backward(dout, x, w, **conv_options(operation, conv_param), needs=needs, backend="fast")
    return dw, db  # type: ignore[return-value]  # asked for, so not None


def _of_padded(backend: str, dout: Any, x: Any, w: Any, options: dict[str, Any]) -> Gradients | None:
    """Gradients where the cache holds x with its padding; None where it does not look like that."""
    x = np.asarray(x)
    inner = _inside(x.shape, options["padding"])
    if inner is None or x[inner].size == 0 or np.count_nonzero(x) != np.count_nonzero(x[inner]):
        return None
    try:
        dx, dw, db = all_of(conv2d_backward(dout, x, w, **{**options, "padding": 0}, backend=backend))
    except InvalidValueError:
        return None
    return dx[inner], dw, db


def _inside(shape: tuple[int, ...], pad: Any) -> tuple[slice, ...] | None:
    """What is left of a padded input without its padding."""
    pairs = check_padding("", pad, 2)
    if isinstance(pairs, str) or len(shape) != 4:
        return None
    spatial = (slice(before, size - after) for size, (before, after) in zip(shape[2:], pairs))
    return (slice(None), slice(None), *spatial)


def all_of(gradients: tuple[Array | None, Array | None, Array | None]) -> Gradients:
    """Gradients without their names, as tuples of the old API have none."""
    return tuple(gradients)  # type: ignore[return-value]  # asked for all three, so none is None


def max_pool_forward(operation: str, backend: str, x: Any, pool_param: Any) -> tuple[Array, PoolCache]:
    """Result and cache of a max pooling."""
    kernel, stride = pool_options(operation, pool_param)
    cache = PoolCache((x, pool_param))
    with OldNames(operation):
        out, cache.indices = max_pool2d(x, kernel, stride=stride, return_indices=True, backend=backend)
    return out, cache


def max_pool_backward(operation: str, backend: str, dout: Any, cache: Any) -> Array:
    """Gradient of a max pooling, from the cache of any forward pass."""
    x, pool_param, indices = pool_cache(operation, cache)
    if indices is None:
        indices = max_pool_forward(operation, backend, x, pool_param)[1].indices
    dout, shape = _gradient_and_shape(operation, dout, x)
    check_shape(operation, "dout", dout.shape, indices.shape, "the shape of the output")
    dout = _stored_as(indices, dout)
    with OldNames(operation):
        return max_pool2d_backward(dout, indices, shape, backend=backend)


def _stored_as(other: Array, array: Array) -> Array:
    """Return an array in the memory order of another.

    That of an affine layer is not the one in which a convolution left x. Turned here, where it is small, dx lies as x
    does, and what comes next need not turn it.
    """
    stored = np.empty_like(other, array.dtype, subok=False)
    if stored.strides == array.strides:
        return array
    stored[...] = array
    return stored


def avg_pool_forward(operation: str, backend: str, x: Any, pool_param: Any) -> tuple[Array, tuple[Any, Any]]:
    """Result and cache of an average pooling."""
    kernel, stride = pool_options(operation, pool_param)
    with OldNames(operation):
        return avg_pool2d(x, kernel, stride=stride, backend=backend), (x, pool_param)


def avg_pool_backward(operation: str, backend: str, dout: Any, cache: Any) -> Array:
    """Gradient of an average pooling."""
    x, pool_param, _ = pool_cache(operation, cache)
    kernel, stride = pool_options(operation, pool_param)
    dout, shape = _gradient_and_shape(operation, dout, x)
    with OldNames(operation):
        return avg_pool2d_backward(dout, shape, kernel, stride=stride, backend=backend)


def _gradient_and_shape(operation: str, dout: Any, x: Any) -> tuple[Array, tuple[int, ...]]:
    """`dout` in the dtype of x, which is that of dx in the originals (integers have none), and the shape of x."""
    dout, x = check_array(operation, "dout", dout), check_array(operation, "x", x)
    if x.dtype.kind == "f":
        dout = finish(dout, x.dtype.newbyteorder("="))
    return dout, x.shape
