"""One of everything that the current backend computes, as digests: what threads, forks and runs are compared by."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

import fastconv as fc
from fastconv import functional
from fastconv.functional.linear import linear, linear_backward
from fastconv.layers import Parameter
from fastconv.optim import OPTIMIZERS

# (x shape, weight shape, options): sizes that are worth several threads, and one that is not.
CONVS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((3, 16, 33, 29), (24, 16, 3, 3), {"padding": 1}),
    ((2, 3, 64, 61), (8, 3, 7, 5), {"stride": 2, "padding": ((3, 2), (1, 2))}),
    ((2, 32, 17, 19), (32, 1, 3, 2), {"groups": 32, "padding": "same"}),
    ((4, 40, 14, 15), (33, 40, 1, 1), {}),
    ((2, 6, 21, 18), (4, 3, 3, 3), {"groups": 2, "dilation": (2, 1)}),
    ((1, 1, 4, 3), (2, 1, 2, 3), {}),
]
# the same for transposed convolutions, and for convolutions of other ranks
OTHERS: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("conv1d", (3, 24, 401), (20, 24, 5), {"stride": 2, "padding": 2}),
    ("conv3d", (2, 8, 7, 15, 14), (12, 8, 3, 3, 2), {"padding": 1}),
    ("conv_transpose1d", (2, 24, 101), (24, 20, 4), {"stride": 2, "output_padding": 1}),
    ("conv_transpose2d", (2, 32, 15, 14), (32, 24, 4, 3), {"stride": (2, 3), "padding": 1}),
    ("conv_transpose2d", (2, 32, 15, 14), (32, 3, 4, 4), {"stride": 2, "padding": "same"}),
    ("conv_transpose3d", (1, 16, 5, 7, 8), (16, 20, 3, 2, 3), {"stride": 2}),
]
POOLS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((4, 24, 33, 30), {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1}),
    ((2, 5, 40, 37), {"kernel_size": 2, "ceil_mode": True}),
]


def _draw(shape: tuple[int, ...], dtype: str) -> Any:
    return np.random.default_rng(list(shape)).standard_normal(shape).astype(dtype)


def _digest(array: Any) -> str:
    return hashlib.sha256(repr((array.shape, str(array.dtype))).encode() + array.tobytes()).hexdigest()[:16]


def _convolutions(dtype: str, cases: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for i, (x_shape, weight_shape, options) in enumerate(cases):
        x, weight, bias = _draw(x_shape, dtype), _draw(weight_shape, dtype), _draw(weight_shape[:1], dtype)
        found[f"conv {i}"] = y = fc.conv2d(x, weight, bias, **options)
        gradients = fc.conv2d_backward(_draw(y.shape, dtype), x, weight, **options)
        found.update({f"{name} {i}": array for name, array in gradients._asdict().items()})
    return found


def _updates(dtype: str) -> dict[str, Any]:
    """Parameters after a step of each optimiser, of a size that is worth several threads."""
    found: dict[str, Any] = {}
    for name, kind in OPTIMIZERS.items():
        parameters = [Parameter(_draw(shape, dtype)) for shape in ((700, 401), (9,))]
        for parameter in parameters:
            parameter.grad = _draw((*parameter.shape, 1), dtype)[..., 0]
        kind(parameters, lr=0.1, weight_decay=0.1).step()  # type: ignore[call-arg]
        found.update({f"{name} {i}": parameter.data for i, parameter in enumerate(parameters)})
    return found


def results(dtype: str = "float32") -> dict[str, Any]:
    """Every operation on every size."""
    found = _convolutions(dtype, CONVS)
    for i, (name, x_shape, weight_shape, options) in enumerate(OTHERS):
        x, weight = _draw(x_shape, dtype), _draw(weight_shape, dtype)
        found[f"{name} {i}"] = y = getattr(fc, name)(x, weight, **options)
        gradients = getattr(fc, f"{name}_backward")(_draw(y.shape, dtype), x, weight, **options)
        found.update({f"{key} {name} {i}": array for key, array in gradients._asdict().items()})
    for i, (x_shape, options) in enumerate(POOLS):
        x = _draw(x_shape, dtype)
        found[f"max {i}"], found[f"indices {i}"] = y, indices = fc.max_pool2d(x, **options, return_indices=True)
        dy = _draw(y.shape, dtype)
        found[f"max backward {i}"] = fc.max_pool2d_backward(dy, indices, x_shape)
        for ties in ("all", "split"):
            found[f"ties {ties} {i}"] = fc.max_pool2d_ties_backward(dy, np.round(x), **options, ties=ties)
        found[f"avg {i}"] = fc.avg_pool2d(x, **options)
        found[f"avg backward {i}"] = fc.avg_pool2d_backward(dy, x_shape, **options)
    for i, shape in enumerate([(4, 24, 33, 30), (2, 5, 150, 37)]):
        x = _draw(shape, dtype)
        found[f"lp {i}"] = y = fc.lp_pool2d(x, 3, (3, 2), stride=2)
        found[f"lp backward {i}"] = fc.lp_pool2d_backward(_draw(y.shape, dtype), x, 3, (3, 2), stride=2)
        for out in ((1, 1), (7, 4)):
            found[f"adaptive avg {i} {out}"] = y = fc.adaptive_avg_pool2d(x, out)
            found[f"adaptive avg backward {i} {out}"] = fc.adaptive_avg_pool2d_backward(y, shape)
            y, indices = fc.adaptive_max_pool2d(x, out, return_indices=True)
            found[f"adaptive max {i} {out}"], found[f"adaptive indices {i} {out}"] = y, indices
            found[f"unpool {i} {out}"] = fc.max_unpool2d(y, indices, shape[2:])
            found[f"unpool backward {i} {out}"] = fc.max_unpool2d_backward(x, indices)
    x, dy = _draw((4, 24, 61, 50), dtype), _draw((4, 24, 50, 61), dtype).swapaxes(2, 3)
    found["relu"] = y = functional.relu(x)
    found["relu backward"] = functional.relu_backward(dy, y)
    found["add"], found["add relu"] = functional.add(x, dy), functional.add(x, dy, relu=True)
    found.update(_updates(dtype))
    for rows, inputs, outputs in ((2, 300, 500), (40, 90, 77), (9, 500, 400)):
        x, weight = _draw((rows, inputs), dtype), _draw((outputs, inputs), dtype)
        found[f"linear {rows}"] = y = linear(x, weight, weight[:, 0])
        gradients = linear_backward(_draw(y.shape, dtype), x, weight)
        found.update({f"linear {name} {rows}": array for name, array in gradients._asdict().items()})
    x = _draw((2, 5, 30, 31), dtype)
    found["im2col"] = cols = fc.im2col(x, (3, 2), stride=(1, 2), padding=1)
    found["col2im"] = fc.col2im(cols, (30, 31), (3, 2), stride=(1, 2), padding=1)
    return found


def digests(dtype: str = "float32") -> dict[str, str]:
    """Digest of every result: equal to the last bit or not."""
    return {name: _digest(array) for name, array in results(dtype).items()}


def few_digests(dtype: str = "float32") -> dict[str, str]:
    """Digests of one convolution and its gradients, and of a ReLU: a few kernels."""
    found = _convolutions(dtype, CONVS[:1])
    found["relu"] = functional.relu(_draw((4, 24, 61, 50), dtype))
    return {name: _digest(array) for name, array in found.items()}
