"""Batch norm in evaluation is a factor and a summand for every channel: both become a part of the layer before it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeGuard

import numpy as np

from fastconv.layers import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Concat,
    Identity,
    Layer,
    Linear,
    Parameter,
    Residual,
    Sequential,
)
from fastconv.layers.containers import is_plain
from fastconv.layers.conv import ConvolutionLayer
from fastconv.layers.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastconv.validation.arrays import Array

BatchNorm = BatchNorm1d | BatchNorm2d | BatchNorm3d
_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
_TRANSPOSED = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)


def fold(network: Layer) -> int:
    """Fold every batch norm that follows a convolution or a linear layer into it; return how many there were."""
    folded = 0
    for chain in _chains(network):
        for (_, _, layer), (owner, name, norm) in pairwise(chain):
            if isinstance(norm, _NORMS) and _fits(layer, norm):
                _fold(layer, norm)
                owner._layers[name] = Identity()
                folded += 1
    return folded


def _chains(layer: Layer) -> Iterator[list[tuple[Sequential, str, Layer]]]:
    """Layers that run one after the other, each with the container that it is in and its name there."""
    if isinstance(layer, Sequential) and is_plain(layer):
        chain = list(_flat(layer))
        yield chain
        for _, _, inside in chain:
            yield from _chains(inside)
    elif type(layer) in (Residual, Concat):  # a layer of somebody's own may use those inside one by one
        for _, inside in layer.named_children():
            yield from _chains(inside)


def _flat(sequential: Sequential) -> Iterator[tuple[Sequential, str, Layer]]:
    for name, layer in sequential._layers.items():
        if isinstance(layer, Sequential) and is_plain(layer):
            yield from _flat(layer)
        else:
            yield sequential, name, layer


def _fits(layer: Layer, norm: BatchNorm) -> TypeGuard[ConvolutionLayer | Linear]:
    """Whether the channels of a layer's output are what the norm takes for channels."""
    if norm.uses_batch or not (is_ours(layer) and is_ours(norm)):
        return False
    if isinstance(layer, (ConvolutionLayer, Linear)):  # the result has the widest dtype of all
        tables = [*norm._running(), *(parameter.data for parameter in norm.parameters())]
        if layer.weight.dtype == np.float16 or not all(
            np.can_cast(table.dtype, layer.weight.dtype) for table in tables
        ):
            return False  # nor is anything rounded to float16 that was not
    if isinstance(layer, Linear):
        return isinstance(norm, BatchNorm1d) and layer.out_features == norm.num_features
    if not isinstance(layer, ConvolutionLayer) or (layer.rank, layer.layout) != (norm.rank, norm.layout):
        return False
    return layer.out_channels == norm.num_features


def is_ours(layer: Layer) -> bool:
    """Whether a layer does what its class in this package does."""
    return type(layer).__module__.startswith("fastconv.") and "forward" not in vars(layer)


def _fold(layer: ConvolutionLayer | Linear, norm: BatchNorm) -> None:
    mean, variance = (table.astype(np.float64) for table in norm._running())
    scale = 1 / np.sqrt(variance + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.data
    shift: Array = -mean * scale if layer.bias is None else (layer.bias.data - mean) * scale
    if norm.bias is not None:
        shift = shift + norm.bias.data
    weight = layer.weight.data
    if isinstance(layer, _TRANSPOSED):  # (C, F//groups, *kernel): filters lie in groups along the second axis
        factors = scale.reshape(layer.groups, 1, -1, *(1,) * layer.rank)
        new = (weight.reshape(layer.groups, -1, *weight.shape[1:]) * factors).reshape(weight.shape)
    else:
        new = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
    layer.weight = Parameter(new, weight.dtype)
    layer.bias = Parameter(shift, weight.dtype)
