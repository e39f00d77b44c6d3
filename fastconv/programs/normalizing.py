"""Batch normalisation in training with what follows it, a sum with another array and a ReLU or ReLU6, in its passes.

The bits are those of the layers one after the other, forward and backward, and the layers keep what they would keep.
"""

from __future__ import annotations

from typing import TypeGuard

from fastconv.backends import get_backend
from fastconv.backends.fast.machine.emitter import RELU, RELU6
from fastconv.backends.fast.normalization.normalization import masked_backward, masked_sums, normalize_ended
from fastconv.functional.normalization import Factors, Flow, NormCall, Statistics
from fastconv.layers import BatchNorm1d, BatchNorm2d, BatchNorm3d, Layer, ReLU, ReLU6
from fastconv.validation.arrays import Array

RELUS: dict[type, int] = {type(None): 0, ReLU: RELU, ReLU6: RELU6}
_DTYPES = ({"<f4"}, {"<f8"})
BatchNorm = BatchNorm1d | BatchNorm2d | BatchNorm3d


def normalizes(layer: Layer, relu: Layer | None, x: Array, other: Array | None = None) -> TypeGuard[BatchNorm]:
    """Whether `normalized` takes a layer in training, what follows it, and these arrays."""
    layers = [one for one in (layer, relu) if one is not None]
    if not isinstance(layer, BatchNorm) or type(layer) not in (BatchNorm1d, BatchNorm2d, BatchNorm3d):
        return False
    if type(relu) not in RELUS or any("forward" in vars(one) for one in layers) or not layer.uses_batch:
        return False
    named = [getattr(one, "backend", None) or get_backend() for one in layers]
    arrays = [x, *([] if other is None else [other]), *(parameter.data for parameter in layer.parameters())]
    fits = other is None or other.shape == x.shape
    return fits and {*named} == {"fast"} and {array.dtype.str for array in arrays} in _DTYPES and x.size > 0


def normalized(layer: BatchNorm, relu: Layer | None, x: Array, other: Array | None = None) -> Array:
    """Output of `layer`, plus `other` if there is one, after the layer `relu` if there is one.

    Running statistics move as in `layer.forward`, and both layers keep what `normalized_backward` needs.
    """
    layer.output_shape(x.shape)
    layout = layer._layout_of(x.shape)
    statistics = layer._statistics(x, {"layout": layout, "backend": "fast"})
    call = _EndedCall("batch_norm", x, layout, "fast", weight=layer._weight_data, bias=layer._bias_data)
    call.ending, call.other = RELUS[type(relu)], None if other is None else call.view(other)
    y = call.normalized(call.pair(statistics, per_image=False), layer.eps)
    layer._keep(x, *statistics, True)
    if relu is not None:
        relu._keep(y)
    return y


def normalized_backward(
    layer: BatchNorm, relu: Layer | None, dy: Array, *, shared: bool = False, input_gradient: bool = True
) -> tuple[Array | None, Array | None]:
    """Gradients of the last `normalized`, of `x` and, if `shared`, of `other`; those of the parameters are added up.

    Parameters
    ----------
    layer, relu
        As in the forward call.
    dy : ndarray, shaped like the output
        Gradient of the loss with respect to the output.
    shared : bool
        Whether there was an `other`. Its gradient is `dy` itself without a ReLU.
    input_gradient : bool
        Whether that of `x` is wanted.

    Returns
    -------
    dx, dother : ndarray or None
        Shaped like `x`.
    """
    if relu is None or (shared and not input_gradient):
        if relu is not None:
            masked = relu.backward(dy)
            assert masked is not None
            dy = masked
        return layer.backward(dy, input_gradient=input_gradient), dy if shared else None
    x, mean, variance, _ = layer._kept()
    (y,) = relu._kept()
    dy = relu._check_dy(dy, x.shape)
    layout = layer._layout_of(x.shape)
    call = _EndedCall("batch_norm_backward", x, layout, "fast", dy=dy, weight=layer._weight_data, bias=layer._bias_data)
    call.ending, call.other = RELUS[type(relu)], call.view(y) if shared else None
    pair = call.pair((mean, variance), per_image=False)
    dx = layer._accumulate(call.gradients(pair, layer.eps, layer._needs(input_gradient)))
    return dx, None if call.masked is None else call.finish(call.masked)


class _EndedCall(NormCall):
    """A call whose passes have an ending. `other` is what is added, and backward the output of that sum."""

    ending: int
    other: Array | None
    masked: Array | None = None

    def normalize(self, mean: Array, scale: Array, shift: Array) -> Array:
        return normalize_ended(self.x, (mean, scale, shift), self.ending, self.other)

    def sums(self, factors: Factors) -> Statistics:
        return masked_sums(self.dy, self.x, self.other, factors, self.ending)

    def input_gradient(self, factors: Factors, flow: Flow) -> Array:
        dx, self.masked = masked_backward(self.dy, self.x, self.other, factors, flow, self.ending)
        return dx
