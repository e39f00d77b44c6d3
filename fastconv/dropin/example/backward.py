"""Where the gradients of a function that was found by example go, found by trying its backward function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.expected import expected
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.example.backward_description import (
    SCALES,
    Added,
    Backward,
    Gradient,
    divisor,
    full_gradient,
    laid_gradient,
)
from fastconv.dropin.example.bias import shape_with
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.description import Forward, Image
from fastconv.dropin.example.effects import NOTHING, Seen, find_effects, is_known
from fastconv.dropin.example.fitting import fitted, laid
from fastconv.dropin.example.pairing import Candidate
from fastconv.dropin.example.slots import RESULT, Item, Slot, arrays_in, walk
from fastconv.dropin.example.trials import probes
from fastconv.dropin.example.windows import close

Run = tuple[Problem, Seen]


def solve_backward(box: BlackBox, forward: Forward, candidate: Candidate) -> Backward | None:
    """Find which gradients a function computes, and where they go.

    Parameters
    ----------
    box, forward : BlackBox, Forward
        The forward function.
    candidate : Candidate
        What may be the backward function.

    Returns
    -------
    Backward or None
        None if it raises, or leaves something that is no gradient where one could be.
    """
    draft = Backward(candidate.box, Image(candidate.dy, forward.y.axes), candidate.sources, (), NOTHING)
    try:
        runs = [_run(box, draft, forward, fitted(forward, problem)) for problem in probes(forward.operation)]
    except Exception:  # noqa: BLE001 - theirs: this is no way to call it
        return None
    steps = [_applied(draft, forward, *run) for run in runs]
    if any(step is None for step in steps):
        return None
    gradients = tuple(each for each in _gradients(forward, steps[0] or (), runs[0]) if _is_in(each, forward, runs[1]))
    gradients = _adding_up(box, draft, forward, gradients)
    applied = {each.slot for each in gradients if each.rate is not None}
    for _, seen in runs:
        for each in gradients:
            seen.computed[each.name] = _taken(each, seen) if each.slot in applied else each.slot.get(seen.call)
    effects = find_effects([seen for _, seen in runs], applied)
    found = replace(draft, gradients=gradients, effects=effects)
    return found if gradients and _is_whole(found, forward, runs[0]) else None


def agrees(box: BlackBox, forward: Forward, backward: Backward) -> bool:
    """Whether a backward function computes what it is said to, on a small problem."""
    try:
        run = _run(box, backward, forward, fitted(forward, probes(forward.operation)[0]))
        return all(_is_in(each, forward, run) for each in backward.gradients)
    except Exception:  # noqa: BLE001 - theirs
        return False


def _run(box: BlackBox, draft: Backward, forward: Forward, problem: Problem) -> Run:
    call = laid(forward, box, problem, watched=False)
    box.run(call)
    seen = Seen(draft.laid(call, draft.dy.axes.of_full(problem.gradient).copy()))
    draft.box.run(seen.call)
    return problem, seen


def in_backward(slot: Slot, sources: Mapping[str, Slot]) -> Slot | None:
    """A slot of the forward call in the call of the backward function."""
    for name, source in sources.items():
        if source.root == slot.root and source.steps == slot.steps[: len(source.steps)]:
            return Slot(name, slot.steps[len(source.steps) :])
    return None


def _applied(draft: Backward, forward: Forward, problem: Problem, seen: Seen) -> tuple[Gradient, ...] | None:
    """Gradients that were subtracted from weights at once; None where weights changed otherwise."""
    found = []
    changed = seen.changed()
    for name, held in (("dweight", forward.weight), ("dbias", forward.bias)):
        slot = None if held is None else in_backward(held.slot, draft.sources)
        if slot is None or slot not in changed:
            continue
        step = _step_of(Gradient(name, slot, in_place=changed[slot]), forward, problem, seen)
        if step is None:
            return None
        found.append(step)
    return tuple(found)


def _step_of(gradient: Gradient, forward: Forward, problem: Problem, seen: Seen) -> Gradient | None:
    taken = np.asarray(_taken(gradient, seen))
    gradient = replace(gradient, shape=_shape(gradient.name, taken))
    right = np.asarray(
        laid_gradient(gradient, forward, getattr(expected(problem, "numpy"), gradient.name), problem.gradient)
    )
    if taken.shape != right.shape:
        return None
    share = float((taken * right).sum() / (right * right).sum())
    if not close(taken, share * right):
        return None
    for scale, (slot, value) in product(SCALES, walk(seen.call)):
        parts = divisor(scale, problem.output_shape)
        if isinstance(value, float) and value and abs(share * parts - value) < 1e-4 * abs(value):
            return replace(gradient, scale=scale, rate=slot)
    return None


def _taken(gradient: Gradient, seen: Seen) -> Any:
    """What was subtracted from a weight, in parts of the learning rate."""
    rate = 1.0 if gradient.rate is None else gradient.rate.get(seen.call)
    before = seen.before(gradient.slot)
    return ((0 if before is None else before) - gradient.slot.get(seen.call)) / rate


def _adding_up(
    box: BlackBox, draft: Backward, forward: Forward, gradients: tuple[Gradient, ...]
) -> tuple[Gradient, ...]:
    """The gradients, those marked that are doubled by a second call."""
    kept = [each for each in gradients if each.rate is None and each.slot.root != RESULT]
    if not kept:
        return gradients
    problem, seen = _run(box, draft, forward, fitted(forward, probes(forward.operation)[0]))
    once = {each.slot: np.copy(each.slot.get(seen.call)) for each in kept}
    try:
        draft.dy.slot.put(seen.call, draft.dy.axes.of_full(problem.gradient).copy())
        draft.box.run(seen.call)
        doubled = {each for each in kept if close(each.slot.get(seen.call), 2 * once[each.slot])}
    except Exception:  # noqa: BLE001 - theirs: it cannot be called again, so nothing adds up
        return gradients
    changed = Seen.changed(seen)
    added = {each: replace(each, rate=Added(), in_place=changed.get(each.slot, False)) for each in doubled}
    return tuple(added.get(each, each) for each in gradients)


def _shape(name: str, found: Any) -> tuple[int, ...]:
    """Of dbias as it was found, with 0 for the axis of the filters."""
    shape = np.shape(found) if name == "dbias" else ()
    return shape_with(shape, max(shape), "C") if shape else ()


def _gradients(forward: Forward, steps: tuple[Gradient, ...], run: Run) -> Iterator[Gradient]:
    """One gradient of every name that is there: one that was applied at once, or what is returned, or an attribute."""
    problem, seen = run
    applied = {step.name: step for step in steps}
    for name in ("dx", "dweight", "dbias"):
        if name in applied:
            yield applied[name]
        elif getattr(expected(problem, "numpy"), name) is not None and (name != "dbias" or forward.bias is not None):
            found = (_as_gradient(name, slot, forward, run) for slot in _places(seen))
            yield from [each for each in found if each is not None][:1]


def _places(seen: Seen) -> Iterator[Slot]:
    """Slots in which something came out, the result first."""
    yield from (slot for slot, _ in walk({RESULT: seen.call[RESULT]}))
    for slot in seen.changed():
        yield slot
        value = slot.get(seen.call)
        if isinstance(value, (list, tuple, dict)):
            yield from (slot.then(Item(key)) for key in (value if isinstance(value, dict) else range(len(value))))


def _as_gradient(name: str, slot: Slot, forward: Forward, run: Run) -> Gradient | None:
    """The description of what lies in a slot as a gradient; None if it is none of this name."""
    value = slot.get(run[1].call)
    if not isinstance(value, (np.ndarray, np.floating, float)):
        return None
    for scale in SCALES:
        gradient = Gradient(name, slot, scale, shape=_shape(name, value))
        if _is_in(gradient, forward, run):
            return gradient
    return None


def _is_in(gradient: Gradient, forward: Forward, run: Run) -> bool:
    """Whether a gradient is what lies in its slot after a run."""
    problem, seen = run
    value = _taken(gradient, seen) if gradient.rate is not None else gradient.slot.get(seen.call)
    try:
        full = full_gradient(gradient.name, forward, np.asarray(value), problem)
    except (Declined, ValueError):  # no such shape
        return False
    right = getattr(expected(problem, "numpy"), gradient.name)
    return close(full * divisor(gradient.scale, problem.output_shape), right)


def _is_whole(found: Backward, forward: Forward, run: Run) -> bool:
    """Whether all of the result is known, and nothing is left that could be a gradient that is not."""
    problem, seen = run
    missing = {name: array for name, array in problem.arrays.items() if f"d{name}" not in found.names and name != "dy"}
    sizes = {array.size for array in missing.values()}
    left = [array for slot in found.effects.left for array in arrays_in({"left": slot.get(seen.call)}).values()]
    return is_known(found.effects.returned) and not any(array.size in sizes for array in left)
