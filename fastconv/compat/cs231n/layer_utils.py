"""Layers that usually come together, in one call each.

What `layers` and `fast_layers` export is exported from here too, as in the original.
"""

from __future__ import annotations

from typing import Any

from fastconv.compat.cs231n import fast_layers, layers
from fastconv.compat.cs231n.arguments import unpacked
from fastconv.compat.cs231n.fast_layers import *  # noqa: F403 - as in the original
from fastconv.compat.cs231n.layers import *  # noqa: F403 - as in the original
from fastconv.compat.cs231n.windows import Gradients
from fastconv.validation.arrays import Array

__all__ = [
    "affine_relu_backward",
    "affine_relu_forward",
    "conv_bn_relu_backward",
    "conv_bn_relu_forward",
    "conv_relu_backward",
    "conv_relu_forward",
    "conv_relu_pool_backward",
    "conv_relu_pool_forward",
]
__all__ += layers.__all__
__all__ += fast_layers.__all__

_Forward = tuple[Array, tuple[Any, ...]]


def affine_relu_forward(x: Any, w: Any, b: Any) -> _Forward:
    """Affine layer and ReLU; see `layers.affine_forward`.

    Examples
    --------
    >>> out, (fc_cache, relu_cache) = affine_relu_forward([[1.0, 2.0]], [[1.0, -1.0], [1.0, -1.0]], [0.5, 0.0])
    >>> out
    array([[3.5, 0. ]])
    """
    a, fc_cache = layers.affine_forward(x, w, b)
    out, relu_cache = layers.relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout: Any, cache: Any) -> Gradients:
    """Gradients dx, dw, db of `affine_relu_forward`."""
    fc_cache, relu_cache = unpacked("affine_relu_backward", cache, ("fc_cache", "relu_cache"))
    return layers.affine_backward(layers.relu_backward(dout, relu_cache), fc_cache)


def conv_relu_forward(x: Any, w: Any, b: Any, conv_param: Any) -> _Forward:
    """Convolution and ReLU; see `fast_layers.conv_forward_fast`.

    Examples
    --------
    >>> x, w = [[[[1.0, 2.0, 3.0]]]], [[[[2.0, -1.0]]]]
    >>> out, (conv_cache, relu_cache) = conv_relu_forward(x, w, [-0.5], {"stride": 1, "pad": 0})
    >>> out
    array([[[[0. , 0.5]]]])
    """
    a, conv_cache = fast_layers.conv_forward_fast(x, w, b, conv_param)
    out, relu_cache = layers.relu_forward(a)
    return out, (conv_cache, relu_cache)


def conv_relu_backward(dout: Any, cache: Any) -> Gradients:
    """Gradients dx, dw, db of `conv_relu_forward`."""
    conv_cache, relu_cache = unpacked("conv_relu_backward", cache, ("conv_cache", "relu_cache"))
    return fast_layers.conv_backward_fast(layers.relu_backward(dout, relu_cache), conv_cache)


def conv_bn_relu_forward(x: Any, w: Any, b: Any, gamma: Any, beta: Any, conv_param: Any, bn_param: Any) -> _Forward:
    """Convolution, spatial batch normalisation and ReLU; see `layers.spatial_batchnorm_forward`.

    Examples
    --------
    >>> x, w = [[[[1.0, 2.0, 4.0]]]], [[[[1.0, 1.0]]]]
    >>> out, (conv_cache, bn_cache, relu_cache) = conv_bn_relu_forward(
    ...     x, w, [0.0], [1.0], [0.5], {"stride": 1, "pad": 0}, {"mode": "train"}
    ... )
    >>> out.round(3)
    array([[[[0. , 1.5]]]])
    """
    a, conv_cache = fast_layers.conv_forward_fast(x, w, b, conv_param)
    normal, bn_cache = layers.spatial_batchnorm_forward(a, gamma, beta, bn_param)
    out, relu_cache = layers.relu_forward(normal)
    return out, (conv_cache, bn_cache, relu_cache)


def conv_bn_relu_backward(dout: Any, cache: Any) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients dx, dw, db, dgamma, dbeta of `conv_bn_relu_forward`."""
    names = ("conv_cache", "bn_cache", "relu_cache")
    conv_cache, bn_cache, relu_cache = unpacked("conv_bn_relu_backward", cache, names)
    da, dgamma, dbeta = layers.spatial_batchnorm_backward(layers.relu_backward(dout, relu_cache), bn_cache)
    dx, dw, db = fast_layers.conv_backward_fast(da, conv_cache)
    return dx, dw, db, dgamma, dbeta


def conv_relu_pool_forward(x: Any, w: Any, b: Any, conv_param: Any, pool_param: Any) -> _Forward:
    """Convolution, ReLU and max pooling; see `fast_layers.max_pool_forward_fast`.

    Examples
    --------
    >>> x, w = [[[[1.0, 2.0, 3.0]]]], [[[[2.0, -1.0]]]]
    >>> out, (conv_cache, relu_cache, pool_cache) = conv_relu_pool_forward(
    ...     x, w, [-0.5], {"stride": 1, "pad": 0}, {"pool_height": 1, "pool_width": 2, "stride": 1}
    ... )
    >>> out
    array([[[[0.5]]]])
    """
    a, conv_cache = fast_layers.conv_forward_fast(x, w, b, conv_param)
    positive, relu_cache = layers.relu_forward(a)
    out, pool_cache = fast_layers.max_pool_forward_fast(positive, pool_param)
    return out, (conv_cache, relu_cache, pool_cache)


def conv_relu_pool_backward(dout: Any, cache: Any) -> Gradients:
    """Gradients dx, dw, db of `conv_relu_pool_forward`."""
    names = ("conv_cache", "relu_cache", "pool_cache")
    conv_cache, relu_cache, pool_cache = unpacked("conv_relu_pool_backward", cache, names)
    ds = fast_layers.max_pool_backward_fast(dout, pool_cache)
    return fast_layers.conv_backward_fast(layers.relu_backward(ds, relu_cache), conv_cache)
