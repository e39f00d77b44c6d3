"""A problem in the slots of a call, as far as the function takes it, and the output of that call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.dropin.conventions.problem import SIZES, Pair, Problem, draw
from fastconv.dropin.example.black_box import BlackBox, Call
from fastconv.dropin.example.description import Bias, Forward
from fastconv.validation.arrays import Array


def fitted(forward: Forward, problem: Problem) -> Problem:
    """Return the problem if the function takes it, or else one with the sizes that it takes, and like numbers.

    Parameters
    ----------
    forward : Forward
        The function.
    problem : Problem
        Any of its operation.

    Returns
    -------
    Problem
        With as many output positions, and as much rest beside the last window, as far as that is free.
    """
    sizes = _windows(forward, problem)
    images, channels, *_ = problem.x.shape
    filters = 1 if problem.weight is None else len(problem.weight)
    counts = {"N": images, "C": channels, "F": filters}
    counts.update((letter, 1) for letter in counts if not _has(forward, letter))
    counts.update((letter, size) for letter, size in forward.fixed.items() if letter in counts)
    plane = _plane(forward, problem, sizes)
    same = {name: getattr(problem, name) for name in sizes} == sizes
    if same and (images, channels, filters, *problem.x.shape[2:]) == (*counts.values(), *plane):
        return _with_its_bias(forward, problem)
    drawn = draw(
        problem.operation,
        images=counts["N"],
        channels=counts["C"],
        filters=counts["F"],
        size=plane,
        values=_values(problem.x),
        dtype=problem.x.dtype,
        memory=problem.memory,
        backward=problem.dy is not None,
        **sizes,
    )
    return _with_its_bias(forward, drawn)


def _has(forward: Forward, letter: str) -> bool:
    """Whether an axis can be other than one."""
    holders = [] if forward.weight is None or letter == "N" else [forward.weight.filters.axes.order]
    if letter == "F":
        return "C" in forward.y.axes.order and all("F" in order for order in holders)
    return all(letter in order for order in (*holders, forward.x.axes.order))


def _windows(forward: Forward, problem: Problem) -> dict[str, Any]:
    """Kernel, stride, padding and dilation as the function takes them: of two that share a slot, the first."""
    chosen: dict[Any, int] = {}
    found = {}
    for name in ("kernel", *SIZES):
        pair = getattr(problem, name)
        if name in forward.sizes:
            of_axes = [
                source if isinstance(source, int) else chosen.setdefault(source, size)
                for source, size in zip(forward.sizes[name], pair)
            ]
        else:
            of_axes = [forward.fixed.get(letter, size) for letter, size in zip(("KH", "KW"), pair)]
            if "kernel" in forward.square:
                of_axes[1] = of_axes[0]
        found[name] = (of_axes[0], of_axes[1])
    return found


def _plane(forward: Forward, problem: Problem, sizes: Mapping[str, Pair]) -> Pair:
    """Height and width of the image."""
    found = []
    for axis, letter in enumerate("HW"):
        stride, padding = sizes["stride"][axis], sizes["padding"][axis]
        extent = sizes["dilation"][axis] * (sizes["kernel"][axis] - 1) + 1
        given = problem.x.shape[2 + axis]
        if all(getattr(problem, name)[axis] == sizes[name][axis] for name in sizes):
            found.append(forward.fixed.get(letter, given))
            continue
        beyond = given + 2 * problem.padding[axis] - problem.extent[axis]
        rest = min(beyond % problem.stride[axis], stride - 1)
        size = (beyond // problem.stride[axis]) * stride + extent + rest - 2 * padding
        while size < 1:
            size += stride
        found.append(forward.fixed.get(letter, size))
    return (found[0], found[0] if "image" in forward.square else found[1])


def _values(x: Array) -> str:
    """How `draw` calls numbers like these."""
    if x.dtype.kind in "iu":
        return "normal"
    return "ties" if np.isin(x, (0, 1)).all() else "negative" if x.max() < 0 else "normal"


def _with_its_bias(forward: Forward, problem: Problem) -> Problem:
    """The problem with a bias of zero where the function has none, and of one number where it has one."""
    bias = problem.bias
    if bias is None:
        return problem
    if forward.bias is None:
        return problem if not bias.any() else replace(problem, bias=np.zeros_like(bias))
    same = forward.bias.kind != "number" or (bias == bias[0]).all()
    return problem if same else replace(problem, bias=np.full_like(bias, bias[0]))


def laid(forward: Forward, box: BlackBox, problem: Problem, *, watched: bool = True, call: Call | None = None) -> Call:
    """Return the call of a function that computes a problem.

    Parameters
    ----------
    forward : Forward
        The function.
    box : BlackBox
        It and its example.
    problem : Problem
        One that it takes.
    watched : bool
        Whether the filters may not be written to; they may where a backward pass takes steps on them.
    call : dict, optional
        Where it is laid; by default a copy of the example.
    """
    call = box.call_for(problem) if call is None else call
    box.put(call, forward.x.slot, problem.stored(forward.x.axes.of_full(problem.x)))
    if forward.weight is not None and problem.weight is not None:
        stored = problem.stored if watched else _writable(problem).stored
        box.put(call, forward.weight.slot, stored(forward.weight.filters.of_full(problem.weight)))
        if forward.bias is not None:
            bias = None if problem.bias is None else _laid_bias(forward.bias, problem.bias, problem, stored)
            box.put(call, forward.bias.slot, bias)
    for name, sources in forward.sizes.items():
        for source, size in zip(sources, getattr(problem, name)):
            if not isinstance(source, int):
                box.put(call, source, size)
    for letter, size in sizes_of(problem).items():
        for slot in forward.companions.get(letter, ()):
            box.put(call, slot, size)
    return call


def _writable(problem: Problem) -> Problem:
    """The same problem, unwatched, with arrays that may be written to."""
    return replace(problem, memory="C" if problem.memory == "read-only" else problem.memory)


def sizes_of(problem: Problem) -> dict[str, int]:
    """Sizes of a problem by letter."""
    filters = 1 if problem.weight is None else len(problem.weight)
    return dict(zip(("N", "C", "H", "W", "KH", "KW", "F"), (*problem.x.shape, *problem.kernel, filters)))


def _laid_bias(bias: Bias, given: Array, problem: Problem, stored: Any) -> Any:
    if bias.kind == "number":
        return float(given[0]) if bias.shape == () else stored(given[:1].reshape(bias.shape))
    if bias.axes is not None:
        return stored(bias.axes.of_full(given[None, :, None, None] + uneven(problem, given.dtype)))
    return stored(given.reshape([size or len(given) for size in bias.shape]))


def uneven(problem: Problem, dtype: Any = np.float64) -> Array:
    """Numbers (1, F, OH, OW) that differ from position to position, to tell one bias for each from one for all."""
    shape = problem.output_shape[1:]
    return np.sin(np.arange(np.prod(shape)).reshape(1, *shape)).astype(dtype)


def y_of(forward: Forward, call: Mapping[str, Any], problem: Problem) -> Any:
    """Return the output of a call that has run, as (N, F, OH, OW); what is there instead if that is no array."""
    y = forward.y.slot.get(call)
    if not isinstance(y, np.ndarray) or y.ndim != len(forward.y.axes.order):
        return y
    full = forward.y.axes.full_of(y)
    uneven_bias = forward.bias is not None and forward.bias.axes is not None and problem.bias is not None
    return full - uneven(problem, full.dtype) if uneven_bias and full.shape == problem.output_shape else full
