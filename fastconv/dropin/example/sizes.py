"""Which sizes of the example can be others, and in which slots of a call they stand: varied one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from itertools import combinations
from typing import Any

import numpy as np

from fastconv.dropin.conventions.problem import SIZES, Problem, draw
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.description import Bias, Forward, Source
from fastconv.dropin.example.fitting import fitted, laid
from fastconv.dropin.example.slots import RESULT, Slot, walk
from fastconv.dropin.example.trials import Outcome, holds, probes, trial
from fastconv.errors import InvalidValueError

# Letters that are freed together, and what has to be square where they are so only together.
_GROUPS = ((("H", "W"), "image"), (("KH", "KW"), "kernel"), (("N",), ""), (("C",), ""), (("F",), ""))
_NAMES = (("stride",), ("padding",), ("dilation",), ("kernel",), ("kernel", "stride"))
_AXES = ((0, 1), (0,), (1,))
_MOST = 6  # numbers that may be one size


def whole_numbers(call: Mapping[str, Any]) -> dict[Slot, int]:
    """Return the integers in a call by slot."""
    found = {}
    for slot, value in walk(call):
        if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and slot.root != RESULT:
            found[slot] = int(value)
    return found


class Freedom(Enum):
    """Which filters there may be besides those of the example: a backward function may know them by other names."""

    ALL = "all"
    SQUARE = "of square kernels"
    NONE = "none"


def settled(box: BlackBox, forward: Forward, freedom: Freedom = Freedom.ALL) -> Forward:
    """Return the description with all sizes free that the function follows, and the slots of those in the call.

    Parameters
    ----------
    box : BlackBox
        The function.
    forward : Forward
        What it computes, with all sizes as in the example.
    freedom : Freedom
        Which sizes are tried.
    """
    numbers = _constant_numbers(box, forward)
    for letters, square in _GROUPS:
        if freedom is Freedom.NONE and not {*letters} <= {*"NHW"}:
            continue
        only_square = freedom is Freedom.SQUARE and square == "kernel"
        forward = _freed(box, forward, letters, square, numbers, only_square)
        if square == "image":  # the images are small from here on
            forward = bound_sizes(box, forward, numbers)
    return bound_sizes(box, forward, numbers)


def _constant_numbers(box: BlackBox, forward: Forward) -> dict[Slot, int]:
    """Integers of the example that a call of the function leaves as they are."""
    before = whole_numbers(box.call)
    if not any(slot.steps for slot in before):
        return before
    call = laid(forward, box, fitted(forward, probes(forward.operation)[0]))
    box.run(call)
    after = whole_numbers(call)
    return {slot: value for slot, value in before.items() if after.get(slot) == value}


def _freed(
    box: BlackBox,
    forward: Forward,
    letters: tuple[str, ...],
    square: str,
    numbers: Mapping[Slot, int],
    only_square: bool = False,
) -> Forward:
    """The description with some letters free, if the function follows; with numbers of the call that go with them."""
    given = {letter: forward.fixed[letter] for letter in letters if letter in forward.fixed}
    kernel = forward.weight is not None and forward.weight.filters.kernel is not None
    if not given or (square == "kernel" and kernel):
        return forward
    left = {letter: size for letter, size in forward.fixed.items() if letter not in given}
    free = replace(forward, fixed=left)
    taken = {source for sources in forward.sizes.values() for source in sources}
    taken |= {slot for slots in forward.companions.values() for slot in slots}
    loose = {slot: number for slot, number in numbers.items() if slot not in taken}
    shapes = [frozenset[str]()] if not only_square else []
    shapes += [frozenset([square])] if square else []
    for shape in shapes:
        for companions in _companions(given, loose) if box.ties is None else [_tied(given, box.ties)]:
            tried = replace(free, companions={**free.companions, **companions}, square=free.square | shape)
            if holds(box, tried):
                return tried
    return forward


def _tied(sizes: Mapping[str, int], ties: Mapping[Slot, str]) -> dict[str, tuple[Slot, ...]]:
    """The slots that are known to hold these sizes."""
    found = {letter: tuple(slot for slot, of_slot in ties.items() if of_slot == letter) for letter in sizes}
    return {letter: slots for letter, slots in found.items() if slots}


def with_number(box: BlackBox, forward: Forward) -> Forward:
    """Return the description with a number that is the bias, which cannot be seen where it is zero."""
    if forward.weight is None or forward.bias is not None:
        return forward
    for slot, value in walk(box.call):
        if isinstance(value, float):
            tried = replace(forward, bias=Bias(slot, "number"))
            if trial(box, tried, probes(forward.operation)[0]) is Outcome.AGREES:
                return tried
    return forward


def _companions(sizes: Mapping[str, int], numbers: Mapping[Slot, int]) -> Iterator[dict[str, tuple[Slot, ...]]]:
    """Ways in which numbers of a call may be these sizes: as many as can be first, of the batch as few."""
    candidates = [slot for slot, number in numbers.items() if number in sizes.values()][:_MOST]
    counts = range(len(candidates) + 1) if "N" in sizes else range(len(candidates), -1, -1)
    for count in counts:
        for slots in combinations(candidates, count):
            for letters in _letters(slots, sizes, numbers):
                found = {name: tuple(s for s, letter in zip(slots, letters) if letter == name) for name in sizes}
                yield {name: of_letter for name, of_letter in found.items() if of_letter}


def _letters(
    slots: tuple[Slot, ...], sizes: Mapping[str, int], numbers: Mapping[Slot, int]
) -> Iterator[tuple[str, ...]]:
    """Which size each slot is: of two that are equal the first, or in turn."""
    choices = [[letter for letter, size in sizes.items() if size == numbers[slot]] for slot in slots]
    yield tuple(options[0] for options in choices)
    if any(len(options) > 1 for options in choices):
        yield tuple(options[at % len(options)] for at, options in enumerate(choices))


def bound_sizes(box: BlackBox, forward: Forward, numbers: Mapping[Slot, int]) -> Forward:
    """Return the description with the slots of stride, padding, dilation and the kernel of a pooling."""
    for slot, number in numbers.items():
        if any(slot in sources for sources in (*forward.sizes.values(), *forward.companions.values())):
            continue
        for names in _NAMES:
            for axes in _AXES:
                tried = _bound(forward, slot, number, names, axes)
                if tried is not None and _follows(box, tried, slot, numbers):
                    forward = tried
                    break
            else:
                continue
            break
    return forward


def _bound(forward: Forward, slot: Slot, number: int, names: tuple[str, ...], axes: tuple[int, ...]) -> Forward | None:
    """The description with a slot for some sizes; None if those are others in the example, or have one."""
    sizes = dict(forward.sizes)
    for name in names:
        if name not in sizes or any(sizes[name][axis] != number for axis in axes):
            return None
        height, width = (slot if axis in axes else source for axis, source in enumerate(sizes[name]))
        sizes[name] = (height, width)
    return replace(forward, sizes=sizes)


def _follows(box: BlackBox, forward: Forward, slot: Slot, numbers: Mapping[Slot, int]) -> bool:
    """Whether the output is as the description says when there is another number in a slot."""
    outcomes = []
    for more in (1, 2):
        try:
            problem = _problem_with(forward, {**numbers, slot: numbers[slot] + more})
        except InvalidValueError:  # such as padding that is larger than the window
            continue
        outcomes.append(trial(box.still, forward, problem))
    return Outcome.AGREES in outcomes and Outcome.DIFFERS not in outcomes


def _problem_with(forward: Forward, numbers: Mapping[Slot, int]) -> Problem:
    """A problem for these numbers in the slots, with a few windows that leave no rest."""
    sizes: dict[str, Any] = {"kernel": (2, 2)}
    for name, (height, width) in forward.sizes.items():
        sizes[name] = (_number(height, numbers), _number(width, numbers))
    plane = []
    for axis, out in enumerate((3, 4)):
        kernel, stride, padding, dilation = (sizes[name][axis] for name in ("kernel", *SIZES))
        size = (out - 1) * stride + dilation * (kernel - 1) + 1 - 2 * padding
        plane.append(size if size > 0 else size % stride + stride)
    return draw(forward.operation, size=(plane[0], plane[1]), **sizes)


def _number(source: Source, numbers: Mapping[Slot, int]) -> int:
    return source if isinstance(source, int) else numbers[source]
