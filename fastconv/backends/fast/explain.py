"""Which kernel runs, and why, in words: what ``fastconv compare --explain`` prints."""

from __future__ import annotations

from collections.abc import Iterator

from fastconv.backends.fast.conv.conv import plan_gradient, plan_pass
from fastconv.backends.fast.conv.passes import Pass, forward_pass, input_gradient_passes, one_window
from fastconv.backends.fast.conv.plan import SERIAL_FLOPS, ConvPlan, GradientPlan, Plan, WeightPlan
from fastconv.backends.fast.conv.through_columns import plan_through_columns, prefers_columns, why_columns
from fastconv.backends.fast.conv.through_columns_kernel import THROUGH_COLUMNS
from fastconv.backends.geometry import ConvGeometry
from fastconv.backends.settings import get_options


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
    limit = get_options().max_workspace
    task = forward_pass(geometry)
    forward = plan_pass(task, itemsize, threads, limit, exact=get_options().exact)
    weight = plan_gradient(task, itemsize, threads, limit)
    items = weight.description.replace(" tasks", " splits × parts")  # shared by fewer tasks
    return [
        *_part("forward", forward.description, _reasons(task, forward)),
        *_input_gradient(geometry, itemsize, threads, limit),
        *_part("weight gradient", items, [*_reasons(task, weight), _splits(weight)]),
    ]


def _part(name: str, description: str, reasons: list[str]) -> Iterator[str]:
    yield f"{name}: {description}"
    for reason in reasons:
        yield f"  {reason}"


def _reasons(task: Pass, plan: Plan) -> list[str]:
    """Why the tiles are of this kind, where they read, and how many tasks there are."""
    sharing = _sharing(task.multiply_adds * 2, plan.tasks)
    if not isinstance(plan, (ConvPlan, WeightPlan)):
        return [_kind(task), "in place, because copying x would take as long as the arithmetic", sharing]
    segments = _segments(plan.source.segments)
    reasons = [_kind(task), _place(task, plan), *segments]
    if isinstance(plan, ConvPlan) and plan.packs:
        reasons.append("each task packs the weights of its filters itself, because they are more than x")
    return [*reasons, sharing]


def _segments(segments: int) -> list[str]:
    why = "because rows are long: a band holds a part of one, and parts can be shared"
    return [f"{segments} segments a row, {why}"] if segments > 1 else []


def _kind(task: Pass) -> str:
    if task.lanewise:
        return f"lanewise, because every filter sees one channel: the {task.lanes} filters are the lanes"
    groups = f" in each of {task.groups} groups" if task.groups > 1 else ""
    return f"a product, because {task.depth} × {task.lanes} channels and filters{groups} meet in every tap"


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


def _input_gradient(geometry: ConvGeometry, itemsize: int, threads: int, limit: int) -> Iterator[str]:
    flat = one_window(geometry)
    if flat is not None:
        (task,), _ = input_gradient_passes(flat)
        plan = plan_pass(task, itemsize, threads, limit, exact=get_options().exact)
        whole = "with every number of the window a filter, because each image is one window"
        yield from _part("input gradient", plan.description, [whole, *_reasons(task, plan)])
        return
    if prefers_columns(geometry, itemsize):
        yield from _by_columns(geometry, itemsize, threads, limit)
        return
    passes, complete = input_gradient_passes(geometry)
    stride = "×".join(str(axis.stride) for axis in geometry.axes)
    phases = f"{len(passes)} passes, one for each phase of the stride {stride} that a tap reaches"
    yield f"input gradient: {phases if len(passes) > 1 or not complete else 'one pass'}"
    if not complete:
        yield "  zero first, because some cells are read by no window"
    for task in passes:
        plan = plan_pass(task, itemsize, threads, limit, exact=get_options().exact)
        taps = "×".join(str(len(line.taps)) for line in task.lines[-geometry.rank :])
        yield from (f"  {line}" for line in _part(f"{taps} taps", plan.description, _reasons(task, plan)))


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
