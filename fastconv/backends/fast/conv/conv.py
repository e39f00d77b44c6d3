"""Convolution on the fast engine: forward, input gradient, weight gradient, bias gradient; and the transposed one."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import NamedTuple

import numpy as np

from fastconv.backends.base import Array, Gradients
from fastconv.backends.fast.conv.bands import BAND_BYTES
from fastconv.backends.fast.conv.bias import add_bias, add_lost, bias_gradient, fill_bias, gradients_of_nothing
from fastconv.backends.fast.conv.passes import Pass, forward_pass, input_gradient_passes, one_window
from fastconv.backends.fast.conv.plan import (
    NO_FRAME,
    PLAIN,
    ConvPlan,
    Ending,
    Frame,
    GradientPlan,
    PassPlan,
    Plan,
    WeightPlan,
    plan_conv,
    plan_weight,
)
from fastconv.backends.fast.conv.sums_kernel import SPLITS_SUM, splits_sum
from fastconv.backends.fast.conv.through_columns import input_gradient_by_columns, prefers_columns
from fastconv.backends.fast.depthwise.plan import (
    DepthwiseGradientPlan,
    plan_depthwise,
    plan_depthwise_gradient,
    sums_fit,
)
from fastconv.backends.fast.depthwise.tiles import takes_depthwise_tiles
from fastconv.backends.fast.machine.blocks import Block
from fastconv.backends.fast.machine.emitter import ADDS
from fastconv.backends.fast.machine.launch import Cut, address, by_tasks, launch
from fastconv.backends.fast.machine.pack import PACK
from fastconv.backends.fast.machine.record import active, groups_of_images
from fastconv.backends.fast.memory.layout import channels_last, empty_channels_last
from fastconv.backends.fast.memory.plan_cache import plan_cache
from fastconv.backends.fast.memory.reorder import (
    Reorder,
    WeightOrder,
    by_block,
    plan_gradient_order,
    plan_weights,
    reorder,
)
from fastconv.backends.fast.memory.strided import clear
from fastconv.backends.fast.memory.workspace import borrowed, part, round_up
from fastconv.backends.fast.winograd.gradient import (
    WinogradGradientPlan,
    plan_winograd_gradient,
    takes_winograd_gradient,
    to_taps,
)
from fastconv.backends.fast.winograd.plan import (
    WinogradPlan,
    plan_winograd,
    takes_winograd,
    transform_weights,
)
from fastconv.backends.geometry import ConvGeometry
from fastconv.backends.settings import get_num_threads, get_options


def conv(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Forward pass."""
    return conv_ending(x, weight, bias, geometry, 0)


def conv_ending(
    x: Array,
    weight: Array,
    bias: Array | None,
    geometry: ConvGeometry,
    function: int,
    other: Array | None = None,
    out: Array | None = None,
    slope: int = 0,
    frame: Frame = NO_FRAME,
) -> Array:
    """Forward pass, the sum of its result and another channels-last array, and a function of that: see `can_end`.

    `function` is one of those in `machine.emitter`, `slope` as in `machine.tile`. `out` may be a range of the channels
    of a channels-last array, or lie in a `frame` in one (`frame_between`), without `other`.
    """
    y = empty_channels_last(geometry.output_shape, x.dtype) if out is None else out
    if geometry.batch:
        task, start = forward_pass(geometry), _bias(bias, geometry.filters, x.dtype)
        source = _repeat_channels(x, geometry) if task.lanewise else channels_last(x)
        tiles, pixel = function | ADDS * (other is not None), 0 if out is None or frame != NO_FRAME else out.strides[-1]
        ending = Ending(tiles, pixel, True, slope, frame) if active or tiles or out is not None else PLAIN
        _run(task, source, np.ascontiguousarray(weight), start, y, geometry, False, ending, other)
    return y


def can_end(geometry: ConvGeometry, itemsize: int, adds: bool) -> bool:
    """Whether the tiles of a forward pass can take a function of their results, and before it add others to them."""
    options = get_options()
    threads, limit = get_num_threads(), options.max_workspace
    plan = plan_pass(
        forward_pass(geometry), itemsize, threads, limit, exact=options.exact, groups_of_images=groups_of_images()
    )
    return not plan.compensated and (isinstance(plan, (ConvPlan, WinogradPlan)) or not adds)


def frame_between(first: ConvGeometry, second: ConvGeometry, itemsize: int) -> Frame:
    """Frame in which a forward pass may write what the next one reads in place then, with the same bits; or none."""
    options, threads = get_options(), get_num_threads()
    inside = second.with_padding_inside()
    if inside == second or second.rank > 2 or second.groups > 1:
        return NO_FRAME
    found = [
        plan_pass(
            forward_pass(one), itemsize, threads, options.max_workspace, exact=options.exact,
            ending=Ending(once=True), groups_of_images=groups_of_images(),
        )
        for one in (first, second, inside)
    ]  # fmt: skip
    plans = [plan for plan in found if isinstance(plan, ConvPlan) and plan.source.segments == 1]
    if len(plans) < len(found):
        return NO_FRAME
    writes, copies, reads = plans
    flat = writes.task.is_pointwise and not writes.source.copy  # one long row, which has no place for borders
    if flat or not copies.source.copy or reads.source.copy:
        return NO_FRAME
    if reads.by_dots != copies.by_dots or not np.array_equal(reads.chunks, copies.chunks):
        return NO_FRAME
    if prod(inside.input_shape) * itemsize > BAND_BYTES:  # what is larger is out of the cache before it is read
        return NO_FRAME
    margins = [(0, 0), *((axis.before, axis.after) for axis in second.axes)]
    return Frame(*margins[-2], *margins[-1])


def conv_backward(dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]) -> Gradients:
    """Gradients; an empty batch has zero gradients of weight and bias."""
    if geometry.batch == 0:
        return gradients_of_nothing(needs, geometry.input_shape, geometry.weight_shape, geometry.filters, x.dtype)
    dy, dx, dweight, dbias = channels_last(dy), None, None, None
    if "x" in needs:
        dx = _input_gradient(dy, np.ascontiguousarray(weight), geometry)
    if "weight" in needs:
        dweight = _weight_gradient(dy, x, geometry)
    if "bias" in needs:
        dbias = bias_gradient(dy, get_num_threads())
    return dx, dweight, dbias


def conv_transpose(x: Array, weight: Array, bias: Array | None, geometry: ConvGeometry) -> Array:
    """Forward pass of a transposed convolution: an input gradient, with a bias."""
    if geometry.batch == 0:
        return empty_channels_last(geometry.input_shape, x.dtype)
    bias = None if bias is None else np.ascontiguousarray(bias)
    return _input_gradient(channels_last(x), np.ascontiguousarray(weight), geometry, bias)


def conv_transpose_backward(
    dy: Array, x: Array, weight: Array, geometry: ConvGeometry, needs: frozenset[str]
) -> Gradients:
    """Gradients of a transposed convolution: a forward pass over dy, and x and dy in each other's place."""
    if geometry.batch == 0:
        return gradients_of_nothing(needs, geometry.output_shape, geometry.weight_shape, geometry.channels, dy.dtype)
    dy, dx, dweight, dbias = channels_last(dy), None, None, None
    if "x" in needs:
        dx = conv(dy, weight, None, geometry)
    if "weight" in needs:
        dweight = _weight_gradient(channels_last(x), dy, geometry)
    if "bias" in needs:
        dbias = bias_gradient(dy, get_num_threads())
    return dx, dweight, dbias


@plan_cache(64)
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


class Launch(NamedTuple):
    """What a launch of a plan needs: the address of the kernel, how much it goes through, and how that is cut."""

    kernel: int
    work: float
    cut: Cut


class Prepared(NamedTuple):
    """A pass with its plan, its launch and the order of its weights."""

    plan: PassPlan
    launch: Launch
    weights: Reorder
    packed_bytes: int


@plan_cache(1024)
def _prepare(
    task: Pass,
    geometry: ConvGeometry,
    transposed: bool,
    itemsize: int,
    threads: int,
    limit: int,
    exact: bool,
    finite: bool = True,
    ending: Ending = PLAIN,
    groups_of_images: int = 1,
) -> Prepared:
    """Plan of a pass; `transposed` exchanges the filters and channels of its weights."""
    plan = plan_pass(
        task, itemsize, threads, limit, exact=exact, finite=finite, ending=ending, groups_of_images=groups_of_images
    )
    order = WeightOrder(
        groups=plan.task.groups, filters=plan.task.lanes if plan.task.lanewise else geometry.group_filters,
        channels=geometry.group_channels, taps=geometry.taps, used=plan.taps,
        order="gradient" if transposed and not task.lanewise else "forward", blocks=plan.blocks,
        width=plan.pack_width, last_width=plan.pack_last_width, group_bytes=plan.packed_group_bytes,
        beside=geometry.groups if plan.task.lanewise and not task.lanewise else 1,
    )  # fmt: skip
    weights = plan_weights(order, itemsize, plan.threads)
    if plan.packs:
        return Prepared(plan, _launch_of(plan, itemsize), by_block(weights), 0)
    return Prepared(plan, _launch_of(plan, itemsize), weights, round_up(plan.packed_group_bytes * plan.task.groups))


@plan_cache(8)
def _cut(block: Block) -> Cut:
    """Slices of a pass: by rows, by parts of the tiles of a weight gradient, or by tasks of either."""
    if "ROW_TASKS" in block.index:
        return by_tasks(block, "ROW_TASKS")
    return by_tasks(block, "PARTS", "TASKS") if "PARTS" in block.index else by_tasks(block)


def _arguments_of(plan: PassPlan, first: PassPlan, done: Array) -> Array:
    """Argument block of another pass with the weights of the `first`, whose block is filled."""
    arguments, places = plan.arguments.copy(), plan.kernel.block.index
    for name in ("WEIGHT", "U", "BIAS", "SCRATCH"):
        arguments[places[name]] = done[places[name]]
    for name, moved in (("X", first.arguments[places["X"]]), ("Y", first.result_offset), ("BESIDE", 0)):
        arguments[places[name]] += done[places[name]] - moved
    arguments[places["Y"]] += plan.result_offset
    if done[places["BESIDE"]]:
        arguments[places["BESIDE"]] += plan.result_offset
    return arguments


def _launch_of(plan: Plan, item: int) -> Launch:
    work = plan.task.multiply_adds / (1 if plan.task.lanewise and plan.task.depth == 1 else 16)
    return Launch(plan.kernel.address(item), work, _cut(plan.kernel.block))


def _run(
    task: Pass,
    source: Array,
    weight: Array,
    bias: Array,
    y: Array,
    geometry: ConvGeometry,
    transposed: bool,
    ending: Ending = PLAIN,
    other: Array | None = None,
) -> None:
    """Pack the weights, then run one pass from `source` into `y`, to which its ending may add another array.

    Plans may leave out what is multiplied by padding. With weights that are not finite that makes a difference, because
    zero times infinity is NaN: then all of it is multiplied. Where there are many weights, a pixel of the result tells
    it, the witness of the plan: each meets a number there.
    """
    looks = task.lanewise or ending != PLAIN
    # padding of x is multiplied by the weights on every backend, what lies around dy is not
    finite = not looks or (transposed and task.lanewise) or bool(np.isfinite(weight).all())
    plan = _run_plan(task, source, weight, bias, y, geometry, transposed, finite, ending, other)
    if isinstance(plan, ConvPlan) and plan.witness is not None and not looks:
        pixel = tuple(line.first + line.every * place for line, place in zip(plan.task.lines[1:], plan.witness))
        if not np.isfinite(_at(y[0], pixel)).all() and not np.isfinite(weight).all():
            _run_plan(task, source, weight, bias, y, geometry, transposed, False, ending, other)


def _at(numbers: Array, place: tuple[int, ...]) -> Array:
    """Numbers (F, ..., H, W) at a place (h, w) of planes, or (F, W) at w."""
    for at in reversed(place[1 - numbers.ndim :]):
        numbers = numbers[..., at]
    return numbers


def _run_plan(
    task: Pass,
    source: Array,
    weight: Array,
    bias: Array,
    y: Array,
    geometry: ConvGeometry,
    transposed: bool,
    finite: bool,
    ending: Ending,
    other: Array | None,
) -> PassPlan:
    """Pack the weights, and launch the plan of a pass."""
    item, options = source.itemsize, get_options()
    plan, (kernel, work, cut), weights, packed_bytes = _prepare(
        task, geometry, transposed, item, get_num_threads(), options.max_workspace, options.exact, finite, ending,
        groups_of_images(),
    )  # fmt: skip
    own_bytes = packed_bytes + plan.transformed_bytes + plan.scratch_bytes
    with borrowed(own_bytes + (y.nbytes if plan.compensated else 0)) as scratch:
        packed = address(scratch)
        if not plan.packs:
            reorder(weights, item, address(weight), packed)
        arguments, places = plan.arguments.copy(), plan.kernel.block.index
        arguments[places["X"]] += address(source)
        arguments[places["WEIGHT"]], arguments[places["BIAS"]] = packed, address(bias)
        arguments[places["Y"]] = address(y) + plan.result_offset
        if plan.scratch_bytes:
            arguments[places["SCRATCH"]] = part(packed, packed_bytes + plan.transformed_bytes)
        if isinstance(plan, WinogradPlan):
            arguments[places["U"]] = transform_weights(plan, packed, part(packed, packed_bytes))
        if plan.packs:
            order = weights.arguments.copy()
            order[PACK.index["SOURCE"]] = address(weight)
            arguments[places["PACK"]] = address(order)
        if other is not None:
            arguments[places["BESIDE"]] = address(other)
        if not plan.compensated:
            launch(kernel, arguments, plan.tasks, plan.threads, work, cut)
            for interleaved in plan.others:
                others = _arguments_of(interleaved, plan, arguments)
                launch(kernel, others, interleaved.tasks, interleaved.threads, work, cut)
            return plan
        lost = scratch[own_bytes : own_bytes + y.nbytes].view(y.dtype)
        clear(lost)
        arguments[places["BESIDE"]] = address(lost) + plan.result_offset
        launch(kernel, arguments, plan.tasks, plan.threads, work, cut)
        add_lost(y, lost)
    return plan


def _input_gradient(dy: Array, weight: Array, geometry: ConvGeometry, bias: Array | None = None) -> Array:
    """Through columns where channels are few; else one pass per phase of the stride, and zero where no window reads.

    With a bias, one number per channel on top: in the passes where these write the result itself.
    """
    flat = one_window(geometry)
    if flat is not None:
        return channels_last(_input_gradient_of_one_window(dy, weight, geometry, flat, bias))
    if prefers_columns(geometry, dy.itemsize):
        return add_bias(input_gradient_by_columns(dy, weight, geometry, get_num_threads()), bias)
    passes, complete = input_gradient_passes(geometry)
    multiplier = geometry.group_filters if passes and passes[0].lanewise else 1
    shape = (geometry.batch, geometry.channels * multiplier, *geometry.size)
    dx = empty_channels_last(shape, dy.dtype)
    start = _bias(bias if multiplier == 1 else None, shape[1], dy.dtype)
    if not complete:
        fill_bias(dx, start)
    for task in passes:
        _run(task, dy, weight, start, dx, geometry, transposed=True)
    if multiplier > 1:  # one gradient per filter of the group: add them up
        by_filter = np.moveaxis(dx, 1, -1).reshape(geometry.batch, *geometry.size, geometry.channels, multiplier)
        with np.errstate(all="ignore"):
            return add_bias(np.moveaxis(by_filter.sum(axis=-1), -1, 1), bias)
    return dx


def _input_gradient_of_one_window(
    dy: Array, weight: Array, geometry: ConvGeometry, flat: ConvGeometry, bias: Array | None
) -> Array:
    """(N, F) @ (F, C*taps): the weights are read in the order in which they lie, and dx is planes."""
    start = None if bias is None else np.repeat(bias, geometry.taps)
    rows = dy.reshape(geometry.batch, geometry.filters, 1)
    dx = _input_gradient(rows, weight.reshape(flat.weight_shape), flat, start)
    return dx.reshape(geometry.input_shape)


def _weight_gradient(dy: Array, x: Array, geometry: ConvGeometry, finite: bool = True) -> Array:
    task, options = forward_pass(geometry), get_options()
    source = _repeat_channels(x, geometry) if task.lanewise else channels_last(x)
    item, threads = x.itemsize, get_num_threads()
    plan = plan_gradient(task, item, threads, options.max_workspace, exact=options.exact, finite=finite)
    size = prod(plan.shape) * item  # of all parts that are added up
    sums_bytes = round_up(size)
    dw_bytes = round_up(task.weights * item) if isinstance(plan, WinogradGradientPlan) and plan.sums_first else 0
    with borrowed(sums_bytes + dw_bytes + plan.scratch_bytes) as scratch:
        arguments, places = plan.arguments.copy(), plan.kernel.block.index
        arguments[places["X"]], arguments[places["DY"]] = address(source), address(dy)
        sums = packed = address(scratch)
        if dw_bytes:
            packed = part(sums, sums_bytes)
        if isinstance(plan, WinogradGradientPlan):
            arguments[places["SUMS"]] = sums
        arguments[places["DW"]] = packed
        if plan.scratch_bytes:
            arguments[places["SCRATCH"]] = part(sums, sums_bytes + dw_bytes)
        if isinstance(plan, WeightPlan):
            arguments[places["START"]] = address(_zeros(plan.task.lanes, x.dtype))
            if plan.compensated:
                clear(scratch[size // 2 : size].view(x.dtype))
        kernel, work, cut = _launch_of(plan, item)
        launch(kernel, arguments.copy(), plan.tasks, plan.threads, work, cut)
        parts = plan.shape[0]
        if parts > 1:
            numbers = size // parts // item
            totals = SPLITS_SUM.fill(X=sums, NUMBERS=numbers, SPLITS=parts, TASKS=plan.threads)
            launch(splits_sum.address(item), totals, plan.threads, plan.threads, size // item, by_tasks(SPLITS_SUM))
        if isinstance(plan, WinogradGradientPlan) and plan.sums_first:
            to_taps(plan, arguments)
        gradient = np.empty(geometry.weight_shape, x.dtype)
        task = plan.task
        order = plan_gradient_order(task.groups, task.lanes, task.depth, geometry.taps, item, plan.threads)
        reorder(order, item, packed, address(gradient))
    # every number of dy meets one of x with some tap, or with the witness, so that one which is not finite shows there
    shows = isinstance(plan, DepthwiseGradientPlan) and not np.isfinite(gradient).all()
    if isinstance(plan, WeightPlan) and plan.witness is not None:
        shows = not np.isfinite(_at(gradient[:, 0], plan.witness)).all() and not np.isfinite(dy).all()
    if shows:
        return _weight_gradient(dy, x, geometry, finite=False)
    return gradient


def plan_pass(
    task: Pass, itemsize: int, threads: int, limit: int, *, exact: bool = False, finite: bool = True,
    ending: Ending = PLAIN, groups_of_images: int = 1,
) -> PassPlan:  # fmt: skip
    """Plan of a forward pass, or of one of an input gradient: pieces in place if it is depthwise, else bands.

    Pieces never multiply the padding, and bands not that in height. With weights that are not `finite`, all of it goes
    through bands. Of one of some `groups_of_images` of a batch, the plan computes as that of the whole batch does, to
    the last bit.
    """
    if finite and takes_depthwise_tiles(task):
        return plan_depthwise(task, itemsize, threads, ending)
    whole = replace(task, batch=task.batch * groups_of_images)
    if not exact and takes_winograd(whole, itemsize):
        return plan_winograd(task, threads, limit, ending, whole)
    return plan_conv(task, itemsize, threads, limit, ending, finite)


def plan_gradient(
    task: Pass, itemsize: int, threads: int, limit: int, *, exact: bool = False, finite: bool = True
) -> GradientPlan:
    """Plan of the weight gradient that belongs to a forward pass; `finite` says the same of dy."""
    if finite and takes_depthwise_tiles(task) and sums_fit(task, itemsize):
        return plan_depthwise_gradient(task, itemsize, threads)
    if not exact and takes_winograd_gradient(task, itemsize, limit):
        return plan_winograd_gradient(task, threads, limit)
    return plan_weight(task, itemsize, threads, limit, finite)
