"""Errors of every kind of kernel against wider numbers, over lengths of sums and sizes of numbers.

A result is compared with the same sum of its very inputs in float64, or in `numpy.longdouble` for a kernel in float64
(where that is wider), and its error is given in units of ``eps * sum |terms|``, what all promises are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from strategies import Array

import fastconv as fc
from fastconv import functional
from fastconv.functional.linear import linear, linear_backward

WIDER = {"float32": np.float64, "float64": np.longdouble}
LENGTHS = (9, 100, 1000, 10_000, 100_000, 1_000_000)
SIZES = (1e-12, 1.0, 1e12)
ROWS = 3  # results of each

Pair = tuple[Any, Any]  # result and terms: (..., numbers that are added up)


class Kernel(NamedTuple):
    """An operation as sums: results (R,) of ``x`` and ``w``, (R, n), whose terms are their products or x itself."""

    name: str
    call: Callable[[Array, Array], Any]
    terms: Callable[[Any, Any], Any] = lambda x, w: x * w
    longest: int = LENGTHS[-1]


def _windows(x: Array, w: Array) -> Any:
    """One window of one pixel, one result at a time: as groups they would be depthwise."""
    return [fc.conv1d(a[None, :, None], b[None, :, None]).item() for a, b in zip(x, w)]


def _spatial(x: Array, w: Array) -> Any:
    return [fc.conv1d(a[None, None], b[None, None]).item() for a, b in zip(x, w)]


def _depthwise(x: Array, w: Array) -> Any:
    return fc.conv1d(x[None], w[:, None], groups=len(x))[0, :, 0]


def _conv_dx(x: Array, w: Array) -> Any:
    one = np.ones((1, 1, 1), x.dtype)
    gradients = (fc.conv1d_backward(a[None, :, None], one, b[:, None, None], needs=("x",)) for a, b in zip(x, w))
    return [gradient.dx.item() for gradient in gradients]


def _conv_dweight(x: Array, w: Array) -> Any:
    one = np.ones((1, 1, 1), x.dtype)
    return [
        fc.conv1d_backward(a[None, None], b[None, None], one, needs=("weight",)).dweight.item() for a, b in zip(x, w)
    ]


def _conv_dbias(x: Array, _: Array) -> Any:
    weight = np.ones((len(x), 1, 1), x.dtype)
    return fc.conv1d_backward(x[None], x[None, :1], weight, needs=("bias",)).dbias


def _linear(x: Array, w: Array) -> Any:
    return np.diagonal(linear(x, w))


def _linear_dx(x: Array, w: Array) -> Any:
    return np.diagonal(linear_backward(x, np.ones((len(x), len(w)), x.dtype), w.T.copy(), needs=("x",)).dx)


def _linear_dweight(x: Array, w: Array) -> Any:
    return np.diagonal(linear_backward(x.T.copy(), w.T.copy(), np.ones((len(x), len(w)), x.dtype)).dweight)


def _mean(x: Array, _: Array) -> Any:
    return fc.global_avg_pool1d(x[None])[0, :, 0]


def _norm(x: Array, _: Array) -> Any:
    return fc.lp_pool1d(x[None], 1, x.shape[1])[0, :, 0]


def _mean_of_channel(x: Array, _: Array) -> Any:
    return functional.batch_norm_statistics(x[None])[0]


def _alone(x: Any, _: Any) -> Any:
    return x


def _means(x: Any, _: Any) -> Any:
    return x / x.shape[1]


KERNELS = (
    Kernel("conv, channels", _windows),
    Kernel("conv, taps", _spatial, longest=10_000),
    Kernel("conv, depthwise", _depthwise, longest=1000),
    Kernel("conv, gradient of x", _conv_dx),
    Kernel("conv, gradient of weight", _conv_dweight),
    Kernel("conv, gradient of bias", _conv_dbias, _alone),
    Kernel("linear", _linear),
    Kernel("linear, gradient of x", _linear_dx),
    Kernel("linear, gradient of weight", _linear_dweight),
    Kernel("average pooling", _mean, _means),
    Kernel("Lp pooling, p = 1", _norm, lambda x, _: abs(x)),
    Kernel("batch norm, mean", _mean_of_channel, _means),
)


def error(kernel: Kernel, dtype: str, length: int, size: float) -> float:
    """Worst error in ``eps sum |terms|``; numbers are positive and not, so that sums cancel and do not."""
    rng, wide = np.random.default_rng(length), WIDER[dtype]
    x, w = ((rng.standard_normal((ROWS, length)) * factor).astype(dtype) for factor in (size, 1.0))
    x[0], w[0] = abs(x[0]), abs(w[0])
    with fc.options(exact=True), fc.use_backend("fast"):
        found = np.asarray(kernel.call(x, w), dtype).astype(wide)
    terms = kernel.terms(x.astype(wide), w.astype(wide))
    right, unit = terms.sum(axis=1), abs(terms).sum(axis=1)
    return float((abs(found - right) / unit).max() / np.finfo(dtype).eps)


def worst(
    kernel: Kernel, dtype: str, lengths: tuple[int, ...] = LENGTHS, sizes: tuple[float, ...] = SIZES
) -> Iterator[float | None]:
    """For each length the worst error over the sizes; None where the operation is not run so long."""
    for length in lengths:
        small = length <= kernel.longest
        yield max(error(kernel, dtype, length, size) for size in sizes) if small else None
