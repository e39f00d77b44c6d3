"""JAX: `lax.conv_general_dilated` and its vector-Jacobian product, compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from fastconv.evidence.contest.engines.base import Engine, Job, Prepared
from fastconv.validation.arrays import Array

_IMAGES, _WEIGHTS = "NCHW", "OIHW"  # axes of our arrays
_ORDERS = {"NCHW": "OIHW", "NHWC": "HWIO"}  # axes of images, and of the weights that go with them


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
        return {images: _prepared(job, images, weights) for images, weights in _ORDERS.items()}


def _prepared(job: Job, images: str, weights: str) -> Prepared:
    x, dy = (_array(array, _IMAGES, images) for array in (job.x, job.dy))
    weight = _array(job.weight, _WEIGHTS, weights)
    convolve = _convolution(job, images, weights)
    if job.step == "forward":
        bias = () if job.bias is None else (jax.numpy.asarray(job.bias),)
        run = partial(_run, jax.jit(convolve), x, weight, *bias)
        return Prepared(run, lambda y: {"y": _turned(np.asarray(y), images, _IMAGES)})
    zeros = jax.numpy.zeros(job.geometry.filters, job.dtype)  # the values of the bias do not matter here

    def gradients(dy: Any, x: Any, weight: Any, bias: Any) -> Any:
        return jax.vjp(convolve, x, weight, bias)[1](dy)

    run = partial(_run, jax.jit(gradients), dy, x, weight, zeros)
    return Prepared(run, partial(_gradients, images=images, weights=weights))


def _convolution(job: Job, images: str, weights: str) -> Callable[..., Any]:
    shape = [-1 if axis == "C" else 1 for axis in images]

    def convolve(x: Any, weight: Any, *bias: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x,
            weight,
            window_strides=job.stride,
            padding=job.padding,
            rhs_dilation=job.dilation,
            dimension_numbers=(images, weights, images),
            feature_group_count=job.geometry.groups,
        )
        return y + bias[0].reshape(shape) if bias else y

    return convolve


def _run(compiled: Any, *arrays: Any) -> Any:
    return jax.block_until_ready(compiled(*arrays))


def _turned(array: Array, axes: str, wanted: str) -> Array:
    """Bring the axes of an array into another order."""
    return array.transpose([axes.index(axis) for axis in wanted])


def _array(array: Array, axes: str, wanted: str) -> Any:
    return jax.numpy.asarray(np.ascontiguousarray(_turned(array, axes, wanted)))


def _gradients(gradients: Any, images: str, weights: str) -> dict[str, Array]:
    dx, dweight, dbias = (np.asarray(gradient) for gradient in gradients)
    return {"dx": _turned(dx, images, _IMAGES), "dweight": _turned(dweight, weights, _WEIGHTS), "dbias": dbias}
