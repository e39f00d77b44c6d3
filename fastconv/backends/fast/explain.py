"""Which kernel runs, and why, in words: what ``fastconv compare --explain`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod

from fastconv.backends.fast.conv.conv import plan_gradient, plan_pass
from fastconv.backends.fast.conv.passes import Pass, forward_pass, input_gradient_passes, one_window
from fastconv.backends.fast.conv.plan import SERIAL_FLOPS, ConvPlan, GradientPlan, PassPlan, Plan, WeightPlan
from fastconv.backends.fast.conv.through_columns import plan_through_columns, prefers_columns, why_columns
from fastconv.backends.fast.conv.through_columns_kernel import THROUGH_COLUMNS
from fastconv.backends.fast.winograd.axes import first_phase, phases
from fastconv.backends.fast.winograd.gradient import WinogradGradientPlan, takes_winograd_gradient
from fastconv.backends.fast.winograd.plan import WinogradPlan, takes_winograd
from fastconv.backends.fast.winograd.points import growth
from fastconv.backends.fast.winograd.tiles import (
    MOST_CHANNELS,
    MOST_DILATION,
    MOST_TAPS,
    OUTPUTS,
    can_transform,
    grids_of,
)
from fastconv.backends.geometry import ConvGeometry
from fastconv.backends.settings import get_options

_LONG_FILTER = 1024  # taps along an axis from which on overlap-add was faster on every long row that was timed


def explain(geometry: ConvGeometry, itemsize: int, threads: int) -> list[str]:
    """Return lines that say which kernel runs for each pass of a convolution, and why.

    Parameters
    ----------
    geometry : ConvGeometry
        Sizes of the convolution, with at least one image.
    itemsize : int
        Bytes of a number, 4 or 8.
    threads : int
        Threads that may be used.

    Returns
    -------
    list of str
        Each pass with its tiles (pixels × filters), and indented below it the reasons for its plan.
    """
    options = get_options()
    task = forward_pass(geometry)
    forward = _plan(task, itemsize, threads)
    weight = plan_gradient(task, itemsize, threads, options.max_workspace, exact=options.exact)
    items = weight.description.replace(" tasks", " splits × parts")  # shared by fewer tasks
    return [
        *_part("forward", forward.description, [*_reasons(task, forward, itemsize), *_long_filters(geometry)]),
        *_input_gradient(geometry, itemsize, threads),
        *_part("weight gradient", items, [*_reasons(task, weight, itemsize), _splits(weight)]),
    ]


def _plan(task: Pass, itemsize: int, threads: int) -> PassPlan:
    options = get_options()
    return plan_pass(task, itemsize, threads, options.max_workspace, exact=options.exact)


def _part(name: str, description: str, reasons: list[str]) -> Iterator[str]:
    yield f"{name}: {description}"
    for reason in reasons:
        yield f"  {reason}"


def _reasons(task: Pass, plan: Plan, itemsize: int) -> list[str]:
    """Why the tiles are of this kind, where they read, and how many tasks there are."""
    sharing = _sharing(task.multiply_adds * 2, plan.tasks)
    if isinstance(plan, (WinogradPlan, WinogradGradientPlan)):
        return [_kind(plan.task), *_transformed(task, plan), sharing]
    if not isinstance(plan, (ConvPlan, WeightPlan)):
        return [_kind(plan.task), "in place, because copying x would take as long as the arithmetic", sharing]
    segments = _segments(plan.source.segments)
    by_dots = isinstance(plan, ConvPlan) and plan.by_dots
    reasons = [
        _by_dots(plan.task) if by_dots else _kind(plan.task),
        *_why_direct(task, plan, itemsize),
        _place(plan.task, plan),
        *segments,
    ]
    if isinstance(plan, ConvPlan) and plan.packs:
        reasons.append("each task packs the weights of its filters itself, because they are more than x")
    return [*reasons, sharing]


def _long_filters(geometry: ConvGeometry) -> Iterator[str]:
    """Where another algorithm, which is not here, multiplies less."""
    for axis in geometry.axes:
        if axis.kernel >= _LONG_FILTER and axis.stride == 1 and axis.out >= axis.kernel:
            yield (
                f"filters of {axis.kernel:,} taps are long: overlap-add by Fourier transforms, such as "
                "scipy.signal.oaconvolve, takes fewer products; its error is relative to the largest numbers of a block"
            )


def _segments(segments: int) -> list[str]:
    why = "because rows are long: a band holds a part of one, and parts can be shared"
    return [f"{segments} segments a row, {why}"] if segments > 1 else []


def _kind(task: Pass) -> str:
    if task.has_small_groups:
        groups = f"{task.lanes // task.depth} groups of {task.depth} channels and filters"
        return f"lanewise, because groups are small: {groups} are side by side in the lanes"
    if task.lanewise:
        return f"lanewise, because every filter sees one channel: the {task.lanes} filters are the lanes"
    groups = f" in each of {task.groups} groups" if task.groups > 1 else ""
    return f"a product, because {task.depth} × {task.lanes} channels and filters{groups} meet in every tap"


def _by_dots(task: Pass) -> str:
    count = f"{task.lanes} {'filter' if task.lanes == 1 else 'filters'}"
    return f"dots, because filters are few: the lanes run along the window, as {count} would leave most of them empty"


def _taps(task: Pass) -> str:
    return "×".join(str(len(line.taps)) for line in task.lines[1:])


def _transformed(task: Pass, plan: WinogradPlan | WinogradGradientPlan) -> Iterator[str]:
    """Why a pass is one of fewer products, and what that promises."""
    grid, *others = grids_of(task)
    cuts, strides = (grid.height, grid.width), [line.stride for line in task.lines[1:]]
    tile = "×".join(str(cut.outputs) for cut in cuts)
    products = prod(cut.outputs for cut in cuts) * len(task.tap_numbers)
    stride = 1 if strides == [1, 1] else "×".join(map(str, strides))
    slices = len(grid.by_tap)
    phases = grid.phases[: len(grid.phases) // slices]
    yield (
        f"by Winograd's algorithm, because the taps are {_taps(task)} and the stride is {stride}: a tile of {tile} "
        f"outputs takes {sum(phase.points for phase in grid.phases)} products instead of {products}"
    )
    if len(phases) > 1:
        taps = ", ".join(f"{phase.height.taps}×{phase.width.taps}" for phase in phases)
        yield f"{len(phases)} phases of the stride, of {taps} taps, are added up before they are transformed back"
    if slices > 1:
        apart = "are added up before they are transformed back" if isinstance(plan, WinogradPlan) else "have sums apart"
        yield f"the {slices} slices that a window meets {apart}"
    if others:
        what = f"{len(others) + 1} passes" if isinstance(plan, WinogradPlan) else "sums"
        yield f"{what} over interleaved images, because of the dilation"
    if not isinstance(plan, WinogradPlan):
        return
    size = "the sum over channels of (max |x| over the tile) × (sum |w| over the taps)"
    grown = ceil(prod(growth(cut.outputs, cut.taps) for cut in cuts))
    yield (
        f"an error of one eps may grow to {grown} eps of {size}; exact=True, the direct algorithm, is within 64 eps of "
        "sum |x·w|"
    )
    if not plan.transformed_bytes:
        yield "each task transforms the weights of its filters itself, because they are many and tiles are few"


def _why_direct(task: Pass, plan: ConvPlan | WeightPlan, itemsize: int) -> Iterator[str]:
    """Why a pass with some taps along an axis takes all products; nothing is said of pointwise and depthwise ones."""
    takes = takes_winograd if isinstance(plan, ConvPlan) else takes_winograd_gradient
    if task.lanewise or all(len(line.taps) == 1 for line in task.lines):
        return
    if not can_transform(task):
        why = _why_not(task)
    elif isinstance(plan, WeightPlan) and any(line.stride > 1 for line in task.lines[1:]):
        why = "the stride is not 1"
    elif itemsize != 4:
        why = "the numbers are float64"
    elif get_options().exact and takes(task, itemsize):
        why = "exact results are asked for"
    else:
        why = f"{task.depth} × {task.lanes} channels and filters for {task.pixels:,} pixels would not be faster so"
    yield f"all products, not Winograd's algorithm, because {why}"


def _why_not(task: Pass) -> str:
    """Why a pass is none that can be transformed."""
    depth, *lines = task.lines
    if any(line.step > 1 for line in lines) and any(line.stride > 1 or line.every > 1 for line in lines):
        return "there are both a stride and a dilation"
    if any(line.step > MOST_DILATION for line in task.lines):
        return f"the dilation is more than {MOST_DILATION}"
    if any(len(first_phase(line)[0].taps) not in OUTPUTS for line in lines):
        return f"there are no transforms for {_taps(task)} taps"
    if task.depth * len(depth.taps) * prod(len([*phases(line)]) for line in lines) > MOST_CHANNELS:
        return "sums over so many channels would round off too much"
    if len(task.tap_numbers) > MOST_TAPS:
        return f"there are more than {MOST_TAPS} taps"
    return "some windows lie in the padding alone"


def _place(task: Pass, plan: ConvPlan | WeightPlan) -> str:
    if plan.source.inside:
        return "bands at the ends of a row, where windows reach into the padding; in place between them"
    if not plan.source.copy:
        pixels = ", and all pixels are one row of memory" if task.is_pointwise else ""
        return f"in place, because every window lies inside the source{pixels}"
    if task.groups > 1:
        return f"bands, because the channels of a pixel belong to {task.groups} groups: a band holds those of one"
    return "bands, because windows reach into the padding: a band holds its rows with a halo of zeros"


def _sharing(flops: int, tasks: int) -> str:
    if flops < SERIAL_FLOPS:
        return f"serial, because it is tiny: {flops / 1e6:.2g} MFLOP of less than {SERIAL_FLOPS / 1e6:.2g}"
    return f"{_tasks(tasks)} for {flops / 1e6:,.0f} MFLOP"


def _tasks(count: int) -> str:
    return "one task" if count == 1 else f"{count} tasks"


def _splits(plan: GradientPlan) -> str:
    if plan.splits == 1:
        return "one sum over all pixels, because they are few or the weights are many"
    return f"{plan.splits} splits of the pixels, added in order: as many for any number of threads"


def _input_gradient(geometry: ConvGeometry, itemsize: int, threads: int) -> Iterator[str]:
    flat = one_window(geometry)
    if flat is not None:
        (task,), _ = input_gradient_passes(flat)
        plan = _plan(task, itemsize, threads)
        whole = "with every number of the window a filter, because each image is one window"
        yield from _part("input gradient", plan.description, [whole, *_reasons(task, plan, itemsize)])
        return
    if prefers_columns(geometry, itemsize):
        yield from _by_columns(geometry, itemsize, threads, get_options().max_workspace)
        return
    passes, complete = input_gradient_passes(geometry)
    stride = "×".join(str(axis.stride) for axis in geometry.axes)
    phases = f"{len(passes)} passes, one for each phase of the stride {stride} that a tap reaches"
    yield f"input gradient: {phases if len(passes) > 1 or not complete else 'one pass'}"
    if not complete:
        yield "  zero first, because some cells are read by no window"
    for task in passes:
        plan = _plan(task, itemsize, threads)
        taps = "×".join(str(len(line.taps)) for line in task.lines[-geometry.rank :])
        yield from (f"  {line}" for line in _part(f"{taps} taps", plan.description, _reasons(task, plan, itemsize)))


def _by_columns(geometry: ConvGeometry, itemsize: int, threads: int, limit: int) -> Iterator[str]:
    plan = plan_through_columns(geometry, itemsize, threads, limit)
    numbers = geometry.taps * geometry.channels
    rows, segments = (int(plan.arguments[THROUGH_COLUMNS.index[name]]) for name in ("M_BIG", "ROW_SEGMENTS"))
    of_rows = f", {segments} segments a row" if segments > 1 else ""
    yield from _part(
        "input gradient",
        f"by columns, {rows} pixels × {numbers} numbers of the window at a time{of_rows}, {_tasks(plan.tasks)}",
        [
            f"by columns, because {why_columns(geometry, itemsize)}",
            *_segments(segments),
            _sharing(geometry.multiply_adds() * 2, plan.tasks),
        ],
    )
