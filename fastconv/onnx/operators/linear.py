"""Matrix products."""

from __future__ import annotations

import numpy as np

from fastconv.functional.call import as_computed, finish
from fastconv.functional.linear import linear
from fastconv.onnx.registry import operator
from fastconv.validation.arrays import Array


@operator("Gemm", since=7)
@np.errstate(all="ignore")
def gemm(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Array:
    """``alpha * a b + beta * c``, of matrices that may be transposed; `c` is broadcast."""
    rows, weight = (a.T if transA else a), (b if transB else b.T)
    if alpha == beta == 1 and c is not None and c.shape == weight.shape[:1] and _for_linear(rows, weight):
        return linear(rows, weight, c)
    y = matmul(rows, weight.T)
    if alpha != 1:
        y = (alpha * y).astype(a.dtype, copy=False)
    if c is None:
        return y
    return y + (c if beta == 1 else (beta * c).astype(a.dtype, copy=False))


@operator("MatMul")
@np.errstate(all="ignore")
def matmul(a: Array, b: Array) -> Array:
    """Matrix product of the last two axes; those before are broadcast."""
    if a.ndim >= b.ndim == 2 and _for_linear(a, b):
        rows = a.reshape(-1, a.shape[-1])
        return linear(rows, b.T).reshape(*a.shape[:-1], b.shape[1])
    return finish(np.matmul(as_computed(a, a.dtype), as_computed(b, b.dtype)), a.dtype)


def _for_linear(a: Array, weight: Array) -> bool:
    """Whether the engine multiplies them: floating-point numbers, and some."""
    return a.dtype.kind == "f" and a.size > 0 and weight.size > 0
