"""Which other values of a call matter: they have to stay as they were in the example."""

from __future__ import annotations

from typing import Any

from fastconv.dropin.example.backward import agrees, in_backward
from fastconv.dropin.example.backward_description import Backward
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.description import Forward
from fastconv.dropin.example.fitting import fitted, laid
from fastconv.dropin.example.guards import PLAIN, Guard, guard_of
from fastconv.dropin.example.readers import codes_of, loaded, reached, stored
from fastconv.dropin.example.slots import RESULT, Attribute, Slot, walk
from fastconv.dropin.example.trials import Outcome, probes, trial


def guards_of(box: BlackBox, forward: Forward) -> tuple[Guard, ...]:
    """Return what guards a description: all values of a call that it does not read and that may matter.

    Parameters
    ----------
    box : BlackBox
        The function.
    forward : Forward
        What it computes.

    Returns
    -------
    tuple of Guard
        Of arguments all that are no arrays. Of attributes those that the call leaves as they are, unless the output is
        right with another number or flag, too, or no code reads the word or None that is there.
    """
    example = box.call
    known = _read(forward)
    left = _left_alone(box, forward)
    guards = []
    for slot, value in walk(example):
        guard = guard_of(slot, value)
        if guard is None or slot in known or box.follows(slot):
            continue
        attribute = any(isinstance(step, Attribute) for step in slot.steps)
        if attribute and (isinstance(value, (dict, list, tuple)) or slot not in left):
            continue
        free = attribute and isinstance(value, PLAIN)
        if free and _is_word(value):
            free = not _is_read(box, slot, box.function.__name__)
        elif free:
            free = _without_effect(box, forward, slot, value)
        if not free:
            guards.append(guard)
    return tuple(guards)


def _read(forward: Forward) -> set[Slot]:
    """The slots that a description reads."""
    known = {forward.x.slot, *(slot for slots in forward.companions.values() for slot in slots)}
    known |= {source for sources in forward.sizes.values() for source in sources if isinstance(source, Slot)}
    return known | {held.slot for held in (forward.weight, forward.bias) if held is not None}


def _left_alone(box: BlackBox, forward: Forward) -> set[Slot]:
    """Slots whose value a call does not change."""
    problem = fitted(forward, probes(forward.operation)[0])
    call = laid(forward, box, problem)
    before = dict(walk(call))
    box.run(call)
    after = {slot: value for slot, value in walk(call) if slot.root != RESULT}
    return {slot for slot, value in before.items() if _same(value, after.get(slot, RESULT))}


def _same(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, PLAIN) and type(one) is type(other) and one == other)


def _is_word(value: Any) -> bool:
    """Whether another value, of which one alone can be tried, says nothing about all others."""
    return value is None or isinstance(value, (str, bytes))


def _is_read(box: BlackBox, slot: Slot, method: str) -> bool:
    """Whether a method may read an attribute of its object that it does not set, by its code and what that calls."""
    if len(slot.steps) != 1:
        return True
    codes = codes_of(type(box.call[slot.root]))
    name, called = str(slot.steps[0]).removeprefix("."), [codes.get(each) for each in reached(codes, [method])]
    return any(name in loaded(code) for code in called) and not any(name in stored(code) for code in called)


def _without_effect(box: BlackBox, forward: Forward, slot: Slot, value: Any) -> bool:
    """Whether the output is right with another value in a slot."""
    changed = box.with_value(slot, _other(value))
    return trial(changed, forward, probes(forward.operation)[0]) is Outcome.AGREES


def _other(value: Any) -> Any:
    """Another value of the same kind."""
    others = {bool: not value, str: f"{value}?", bytes: b"?", type(None): 1}
    return others[type(value)] if type(value) in others else value + 1


def backward_guards_of(box: BlackBox, forward: Forward, backward: Backward) -> tuple[Guard, ...]:
    """Return what guards a backward function: its arguments that come from nowhere, and attributes that matter to it.

    Parameters
    ----------
    box, forward : BlackBox, Forward
        The forward function.
    backward : Backward
        What the backward function computes.
    """
    rates = {gradient.rate for gradient in backward.gradients}
    taken = {*backward.sources, backward.dy.slot.root}
    arguments = ((Slot(name), value) for name, value in backward.box.call.items() if name not in taken)
    guards = [guard_of(slot, value) for slot, value in arguments if slot not in rates]
    known, left = _read(forward), _left_alone(box, forward)
    for slot, value in walk(box.call):
        attribute = any(isinstance(step, Attribute) for step in slot.steps)
        there = in_backward(slot, backward.sources)
        if not attribute or not isinstance(value, PLAIN) or slot in known or slot not in left or there is None:
            continue
        if _is_word(value):
            free = not _is_read(box, slot, backward.box.function.__name__)
        else:
            free = there in rates or agrees(box.with_value(slot, _other(value)), forward, backward)
        if not free:
            guards.append(guard_of(there, value))
    return tuple(guard for guard in guards if guard is not None)
