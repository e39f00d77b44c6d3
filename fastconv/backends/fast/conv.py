"""Convolution on the fast engine: forward, input gradient, weight gradient, bias gradient."""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np

from fastconv.backends.base import Array, Gradients
from fastconv.backends.fast.memory import channels_last, empty_channels_last
from fastconv.backends.fast.passes import Pass, forward_pass, input_gradient_passes
from fastconv.backends.fast.plan import SERIAL_FLOPS, ConvPlan, plan_conv, plan_weight
from fastconv.backends.fast.workspace import borrowed
from fastconv.geometry import ConvGeometry
from fastconv.kernels.conv import CONV, conv_address
from fastconv.kernels.launch import launch
from fastconv.kernels.pack import PACK, pack_address
from fastconv.kernels.sums import SUMS, sums_address
from fastconv.kernels.weight import WEIGHT_GRADIENT, weight_address
from fastconv.options import get_num_threads, get_options

__all__ = ["conv", "conv_backward"]

_C, _P, _W, _S = CONV.index, PACK.index, WEIGHT_GRADIENT.index, SUMS.index
_PACK_SERIAL = 2**15  # numbers below which weights are packed on one thread


def conv(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Forward pass."""
    y = empty_channels_last(geometry.output_shape, x.dtype)
    if geometry.batch:
        task = forward_pass(geometry)
        source = _repeat_channels(x, geometry) if task.lanewise else channels_last(x)
        _run(task, source, np.ascontiguousarray(weight), _bias(bias, geometry.filters, x.dtype), y, geometry, False)
    return y


def conv_backward(dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]) -> Gradients:
    """Gradients; an empty batch has zero gradients of weight and bias."""
    dtype = x.dtype
    dx = dweight = dbias = None
    if geometry.batch == 0:
        dx = empty_channels_last(geometry.input_shape, dtype) if "x" in needs else None
        dweight = np.zeros(geometry.weight_shape, dtype) if "weight" in needs else None
        return dx, dweight, np.zeros(geometry.filters, dtype) if "bias" in needs else None
    if not needs:
        return None, None, None
    dy = channels_last(dy)
    if "x" in needs:
        dx = _input_gradient(dy, np.ascontiguousarray(weight), geometry)
    if "weight" in needs:
        dweight = _weight_gradient(dy, x, geometry)
    if "bias" in needs:
        dbias = _bias_gradient(dy, geometry)
    return dx, dweight, dbias


@lru_cache(maxsize=64)
def _zeros(count: int, dtype: np.dtype[np.floating]) -> Array:
    zeros = np.zeros(count, dtype)
    zeros.flags.writeable = False
    return zeros


def _bias(bias: Array | None, count: int, dtype: np.dtype[np.floating]) -> Array:
    return _zeros(count, dtype) if bias is None else np.ascontiguousarray(bias)


def _repeat_channels(x: Array, geometry: ConvGeometry) -> Array:
    """Channels-last x of a depthwise convolution, each channel once for every filter of its group."""
    if geometry.group_filters == 1:
        return channels_last(x)
    return channels_last(np.moveaxis(np.repeat(np.moveaxis(x, 1, -1), geometry.group_filters, axis=-1), -1, 1))


def _threads_for(numbers: int, threads: int) -> int:
    return 1 if numbers < _PACK_SERIAL else threads


@lru_cache(maxsize=512)
def _tap_table(task: Pass, itemsize: int) -> Array:
    return np.array(task.tap_numbers, np.int64) * itemsize


def _pack(plan: ConvPlan, task: Pass, weight: Array, target: int, geometry: ConvGeometry, *, transposed: bool) -> None:
    """Weights in the order of the tiles; `transposed` exchanges filters and channels."""
    item, taps = weight.itemsize, geometry.taps
    channel, filter_ = taps * item, geometry.group_channels * taps * item
    if task.lanewise:
        channel = filter_ = taps * item
    table = _tap_table(task, item)
    tasks = _threads_for(weight.size, plan.threads)
    arguments = PACK.fill(
        SOURCE=weight.ctypes.data,
        SOURCE_GROUP=geometry.group_filters * filter_,
        TAP_TABLE=table.ctypes.data,
        TAPS=len(table),
        DEPTH=task.depth,
        DEPTH_BYTES=filter_ if transposed and not task.lanewise else channel,
        LANES_TOTAL=task.lanes,
        LANE_BYTES=channel if transposed else filter_,
        TARGET=target,
        TARGET_GROUP=plan.packed_group_bytes,
        GROUPS=task.groups,
        BLOCKS=plan.blocks,
        WIDTH=plan.pack_width,
        LAST_WIDTH=plan.pack_last_width,
        TASKS=tasks,
    )
    launch(pack_address(item), arguments, tasks, tasks)


def _run(
    task: Pass, source: Array, weight: Array, bias: Array, y: Array, geometry: ConvGeometry, transposed: bool
) -> None:
    """Pack the weights, then run one pass from `source` into `y`."""
    plan = plan_conv(task, source.itemsize, get_num_threads(), get_options().max_workspace)
    packed_bytes = -(-plan.packed_group_bytes * task.groups // 64) * 64
    with borrowed(packed_bytes + plan.scratch_bytes) as scratch:
        packed = scratch.ctypes.data
        _pack(plan, task, weight, packed, geometry, transposed=transposed)
        arguments = plan.arguments.copy()
        arguments[_C["X"]] = source.ctypes.data
        arguments[_C["WEIGHT"]] = packed
        arguments[_C["SCRATCH"]] = packed + packed_bytes
        arguments[_C["BIAS"]] = bias.ctypes.data
        arguments[_C["Y"]] = y.ctypes.data + plan.result_offset
        launch(conv_address(source.itemsize), arguments, plan.tasks, plan.threads)


def _input_gradient(dy: Array, weight: Array, geometry: ConvGeometry) -> Array:
    """One pass per phase of the stride; cells that no window reads are zero."""
    passes, complete = input_gradient_passes(geometry)
    multiplier = geometry.group_filters if passes and passes[0].lanewise else 1
    shape = (geometry.batch, geometry.channels * multiplier, *geometry.size)
    dx = empty_channels_last(shape, dy.dtype)
    if not complete:
        dx.fill(0)
    zeros = _zeros(shape[1], dy.dtype)
    for task in passes:
        _run(task, dy, weight, zeros, dx, geometry, transposed=True)
    if multiplier > 1:  # one gradient per filter of the group: add them up
        by_filter = np.moveaxis(dx, 1, -1).reshape(geometry.batch, *geometry.size, geometry.channels, multiplier)
        dx = np.moveaxis(by_filter.sum(axis=-1), -1, 1)
    return dx


def _weight_gradient(dy: Array, x: Array, geometry: ConvGeometry) -> Array:
    task = forward_pass(geometry)
    source = _repeat_channels(x, geometry) if task.lanewise else channels_last(x)
    plan = plan_weight(task, x.itemsize, get_num_threads(), get_options().max_workspace)
    size = prod(plan.shape) * x.itemsize
    gradient_bytes = -(-size // 64) * 64
    with borrowed(gradient_bytes + plan.scratch_bytes) as scratch:
        arguments = plan.arguments.copy()
        arguments[_W["X"]] = source.ctypes.data
        arguments[_W["DY"]] = dy.ctypes.data
        arguments[_W["DW"]] = scratch.ctypes.data
        arguments[_W["SCRATCH"]] = scratch.ctypes.data + gradient_bytes
        arguments[_W["ZERO"]] = _zeros(task.lanes, x.dtype).ctypes.data
        launch(weight_address(x.itemsize), arguments, plan.tasks, plan.threads)
        gradient = scratch[:size].view(x.dtype).reshape(plan.shape).sum(axis=0)
    # (groups, taps, channels, filters) -> (groups, filters, channels, taps)
    gradient = gradient.reshape(task.groups, geometry.taps, task.depth, task.lanes)
    return np.ascontiguousarray(gradient.transpose(0, 3, 2, 1)).reshape(geometry.weight_shape)


def _bias_gradient(dy: Array, geometry: ConvGeometry) -> Array:
    pixels = geometry.batch * geometry.windows
    splits = max(1, min(16, pixels // 1024))
    threads = min(get_num_threads(), splits)
    if dy.size * 2 < SERIAL_FLOPS:
        threads = 1
    totals = np.empty((splits, geometry.filters), np.float64)
    arguments = SUMS.fill(
        X=dy.ctypes.data,
        CHANNELS=geometry.filters,
        PIXELS=pixels,
        SPLITS=splits,
        TOTALS=totals.ctypes.data,
        TASKS=threads,
    )
    launch(sums_address(dy.itemsize), arguments, threads, threads)
    dbias: Array = totals.sum(axis=0).astype(dy.dtype)
    return dbias
