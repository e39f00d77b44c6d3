"""JAX: `lax.conv_general_dilated` and its vector-Jacobian product, compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from fastconv.evidence.contest.engines.base import Engine, Job, Prepared
from fastconv.validation.arrays import Array


class _Order(NamedTuple):
    """Dimension numbers, and the axes that lead from NCHW and OIHW to them and back."""

    dimensions: tuple[str, str, str]
    to: tuple[int, ...]
    weight_to: tuple[int, ...]
    back: tuple[int, ...]
    weight_back: tuple[int, ...]


_SAME = (0, 1, 2, 3)
_ORDERS = {
    "NCHW": _Order(("NCHW", "OIHW", "NCHW"), _SAME, _SAME, _SAME, _SAME),
    "NHWC": _Order(("NHWC", "HWIO", "NHWC"), (0, 2, 3, 1), (2, 3, 1, 0), (0, 3, 1, 2), (3, 2, 0, 1)),
}


class Jax(Engine):
    """Both orders of the axes, each compiled before the clock starts.

    Notes
    -----
    In the backward pass XLA drops the forward result, which nothing needs. The number of threads is that of the cores
    that the process may use: JAX has no setting for it.
    """

    packages = ("jax", "jaxlib")

    def prepare(self, job: Job) -> dict[str, Prepared]:
        """Return both orders."""
        jax.config.update("jax_enable_x64", job.dtype == np.float64)
        return {name: _prepared(job, order) for name, order in _ORDERS.items()}


def _prepared(job: Job, order: _Order) -> Prepared:
    x, dy = _array(job.x, order.to), _array(job.dy, order.to)
    weight = _array(job.weight, order.weight_to)
    convolve = _convolution(job, order)
    if job.step == "forward":
        bias = () if job.bias is None else (_array(job.bias, (0,)),)
        return Prepared(partial(_run, jax.jit(convolve), x, weight, *bias), partial(_output, order=order))
    bias = (_array(np.zeros(job.geometry.filters, job.dtype), (0,)),)  # its values do not matter here

    def gradients(dy: Any, x: Any, weight: Any, bias: Any) -> Any:
        return jax.vjp(convolve, x, weight, bias)[1](dy)

    return Prepared(partial(_run, jax.jit(gradients), dy, x, weight, *bias), partial(_gradients, order=order))


def _convolution(job: Job, order: _Order) -> Callable[..., Any]:
    channel = order.dimensions[0].index("C")
    shape = [-1 if axis == channel else 1 for axis in range(4)]

    def convolve(x: Any, weight: Any, *bias: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x,
            weight,
            window_strides=job.stride,
            padding=job.padding,
            rhs_dilation=job.dilation,
            dimension_numbers=order.dimensions,
            feature_group_count=job.geometry.groups,
        )
        return y + bias[0].reshape(shape) if bias else y

    return convolve


def _run(compiled: Any, *arrays: Any) -> Any:
    return jax.block_until_ready(compiled(*arrays))


def _array(array: Array, axes: tuple[int, ...]) -> Any:
    return jax.numpy.asarray(np.ascontiguousarray(array.transpose(axes)))


def _output(y: Any, order: _Order) -> dict[str, Array]:
    return {"y": np.asarray(y).transpose(order.back)}


def _gradients(gradients: Any, order: _Order) -> dict[str, Array]:
    dx, dweight, dbias = (np.asarray(gradient) for gradient in gradients)
    return {"dx": dx.transpose(order.back), "dweight": dweight.transpose(order.weight_back), "dbias": dbias}
