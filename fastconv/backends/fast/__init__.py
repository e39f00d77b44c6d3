"""The engine: plans, buffers, threads, and which kernel runs when. Importing it imports Numba."""

from __future__ import annotations

from fastconv.backends.base import Array
from fastconv.backends.fast import activation as activations
from fastconv.backends.fast import pointwise
from fastconv.backends.fast.conv import conv as convolution
from fastconv.backends.fast.dropout import dropout
from fastconv.backends.fast.linear import linear as dense
from fastconv.backends.fast.losses import losses
from fastconv.backends.fast.memory import copying
from fastconv.backends.fast.memory.plan_cache import forget_plans
from fastconv.backends.fast.memory.workspace import release
from fastconv.backends.fast.normalization import elements
from fastconv.backends.fast.normalization.normalization import Normalization
from fastconv.backends.fast.pool import indices, places, pool, ties, windows
from fastconv.backends.fast.pool import lp_pool as lp
from fastconv.backends.fast.resampling import padding, resampling
from fastconv.backends.fast.softmax import softmax as along_axis
from fastconv.backends.fast.update.norm import Norms
from fastconv.backends.fast.update.update import Updates
from fastconv.backends.fast.warmup import warmup

__all__ = ["BACKEND", "FastBackend", "warmup"]


class FastBackend(Normalization, Norms, Updates):
    """Convolution as products that read the im2col matrix in place; pooling on channels-last memory."""

    name = "fast"

    conv = staticmethod(convolution.conv)
    conv_backward = staticmethod(convolution.conv_backward)
    conv_transpose = staticmethod(convolution.conv_transpose)
    conv_transpose_backward = staticmethod(convolution.conv_transpose_backward)
    linear = staticmethod(dense.linear)
    linear_backward = staticmethod(dense.linear_backward)

    max_pool = staticmethod(pool.max_pool)
    max_pool_backward = staticmethod(indices.max_pool_backward)
    max_pool_ties_backward = staticmethod(ties.max_pool_ties_backward)
    max_pool_places = staticmethod(places.max_pool_places)
    max_pool_places_backward = staticmethod(places.max_pool_places_backward)
    max_pool_indices = staticmethod(places.max_pool_indices)
    max_unpool = staticmethod(indices.max_unpool)
    max_unpool_backward = staticmethod(indices.max_unpool_backward)
    avg_pool = staticmethod(pool.avg_pool)
    avg_pool_backward = staticmethod(pool.avg_pool_backward)
    lp_pool = staticmethod(lp.lp_pool)
    lp_pool_backward = staticmethod(lp.lp_pool_backward)
    adaptive_avg_pool = staticmethod(pool.adaptive_avg_pool)
    adaptive_avg_pool_backward = staticmethod(pool.adaptive_avg_pool_backward)
    adaptive_max_pool = staticmethod(pool.adaptive_max_pool)
    im2col = staticmethod(windows.im2col)
    col2im = staticmethod(windows.col2im)

    relu = staticmethod(pointwise.relu)
    relu_backward = staticmethod(pointwise.relu_backward)
    add = staticmethod(pointwise.add)
    multiply = staticmethod(pointwise.multiply)
    activation = staticmethod(activations.forward)
    activation_backward = staticmethod(activations.backward)
    softmax = staticmethod(along_axis.softmax)
    softmax_backward = staticmethod(along_axis.softmax_backward)
    log_softmax = staticmethod(along_axis.log_softmax)
    log_softmax_backward = staticmethod(along_axis.log_softmax_backward)
    prelu = staticmethod(activations.with_slopes)

    def prelu_backward(self, dy: Array, x: Array, slopes: Array) -> tuple[Array, Array]:
        """See `Backend.prelu_backward`."""
        return activations.with_slopes_backward(dy, x, slopes, self.normalize_sums)

    normalize_elements = staticmethod(elements.normalize_elements)
    concatenate = staticmethod(copying.concatenated)
    in_memory_order = staticmethod(copying.in_memory_order)
    placed = staticmethod(copying.placed)
    pad = staticmethod(padding.pad)
    pad_backward = staticmethod(padding.pad_backward)
    resample = staticmethod(resampling.resample)
    resample_backward = staticmethod(resampling.resample_backward)
    dropout_mask = staticmethod(dropout.dropout_mask)
    dropout = staticmethod(dropout.dropout)
    softmax_cross_entropy = staticmethod(losses.softmax_cross_entropy)
    multiclass_svm = staticmethod(losses.multiclass_svm)
    squared_error = staticmethod(losses.squared_error)
    binary_cross_entropy = staticmethod(losses.binary_cross_entropy)
    binary_cross_entropy_with_logits = staticmethod(losses.binary_cross_entropy_with_logits)
    one_hot = staticmethod(losses.one_hot)

    def release(self) -> None:
        """Let go of what is kept between calls: scratch buffers and plans."""
        release()
        forget_plans()


BACKEND = FastBackend()
