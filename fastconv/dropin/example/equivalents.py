"""The fast equivalents of functions that were found by example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import Cache, Function
from fastconv.dropin.conventions.ties import rule_of
from fastconv.dropin.example.backward_description import Backward, laid_gradient
from fastconv.dropin.example.black_box import BlackBox, Call
from fastconv.dropin.example.description import Forward, full_bias, read_size
from fastconv.dropin.example.effects import Computed, Effects, Given, Node, Several, Written, made, node_at, with_cache
from fastconv.dropin.example.guards import PLAIN
from fastconv.dropin.example.slots import RESULT, Slot, is_object
from fastconv.dropin.example.windows import close
from fastconv.validation.arrays import Array

KEPT = "_fastconv_call"  # attribute of an object: the arguments of its last fast forward pass


class Read:
    """The arrays and sizes of a call of the forward function, in the order of axes of fastconv.

    Parameters
    ----------
    forward : Forward
        The function.
    call : mapping of str to object
        Its arguments.

    Raises
    ------
    Declined
        If the call is outside of what is described.
    """

    def __init__(self, forward: Forward, call: Mapping[str, Any]) -> None:
        for guard in forward.guards:
            if guard.slot.root in call:  # a backward function may not be given all that the forward function was
                guard.check(call)
        x = forward.x.slot.get(call)
        if not isinstance(x, np.ndarray):
            raise Declined
        self.x = forward.x.axes.full_of(x)
        self.weight = self.bias = None
        self.options: dict[str, Any] = {}
        for name, sources in forward.sizes.items():
            height, width = read_size(sources, call)
            self.options[name] = height if height == width else (height, width)
        self.kernel = self.options.pop("kernel", None)
        if forward.weight is not None:
            self.weight = forward.weight.filters.full_of(forward.weight.slot.get(call))
            self.kernel = self.weight.shape[2:]
            if forward.bias is not None and forward.bias.slot.root in call:
                self.bias = forward.bias.slot.get(call)
        if forward.fixed or forward.companions or forward.square:
            self._check(forward, call)

    def _check(self, forward: Forward, call: Mapping[str, Any]) -> None:
        sizes = dict(zip("NCHW", self.x.shape))
        if self.weight is not None:
            sizes.update(zip(("F", "C", "KH", "KW"), self.weight.shape))
        fits = all(sizes[letter] == size for letter, size in forward.fixed.items())
        fits &= all(slot.get(call) == sizes[letter] for letter, slots in forward.companions.items() for slot in slots)
        fits &= "image" not in forward.square or sizes["H"] == sizes["W"]
        fits &= "kernel" not in forward.square or sizes["KH"] == sizes["KW"]
        if not fits:
            raise Declined


def fast_forward(box: BlackBox, forward: Forward, effects: Effects, calls: Calls) -> Function:
    """Return the fast equivalent of a forward function.

    Parameters
    ----------
    box : BlackBox
        The function.
    forward, effects : Forward, Effects
        What it computes and leaves behind.
    calls : Calls
        How fastconv is called.
    """
    binding, returned, owner = box.binding, with_cache(effects.returned), box.binding.names[0]
    if returned is None:
        raise TypeError(f"{box.name} returns something that is not known")

    def function(*args: Any, **kwargs: Any) -> Any:
        call = binding.bind(args, kwargs)
        keeper = call[owner] if is_object(call[owner]) else None
        y = _forward(forward, Read(forward, call), calls)
        kept = {name: value for name, value in call.items() if value is not keeper}
        computed = {"y": forward.y.axes.of_full(y), "cache": Cache((kept,))}
        result = made(returned, computed, call)
        write(prepared(effects.written, computed, call), call)
        if keeper is not None:
            keeper.__dict__[KEPT] = kept
        return result

    return function


def _forward(forward: Forward, read: Read, calls: Calls) -> Array:
    y: Array
    if read.weight is None:
        y = calls.pool2d(forward.operation, read.x, read.kernel, **read.options)
        return y
    if forward.bias is None or read.bias is None:
        y = calls.conv2d(read.x, read.weight, None, **read.options)
        return y
    if forward.bias.axes is not None:
        y = calls.conv2d(read.x, read.weight, None, **read.options)
        return y + forward.bias.axes.full_of(read.bias)
    y = calls.conv2d(read.x, read.weight, full_bias(read.bias, forward.bias.kind, len(read.weight)), **read.options)
    return y


def explains(forward: Forward, box: BlackBox) -> bool:
    """Whether the example of a function is of a description."""
    call = box.call
    try:
        y = _forward(forward, Read(forward, call), Calls(engine="numpy", pairs=True))
        box.run(call)
        return close(forward.y.axes.full_of(forward.y.slot.get(call)), y)
    except Exception:  # noqa: BLE001 - theirs, or it is not of this form
        return False


def prepared(written: Sequence[Written], computed: Mapping[str, Any], call: Call) -> list[tuple[Written, Any]]:
    """Return what a call leaves in its arguments, once it is certain that it can be written there."""
    values = [(each, made(each.node, computed, call)) for each in written]
    for each, value in values:
        there = each.slot.get(call) if each.in_place else None
        if there is not None and (there.shape != np.shape(value) or not there.flags.writeable):
            raise Declined
    return values


def write(values: Sequence[tuple[Written, Any]], call: Call) -> None:
    """Write what was prepared."""
    for each, value in values:
        if each.in_place and each.slot.get(call) is not None:
            each.slot.get(call)[...] = value
        else:
            each.slot.put(call, value)


def fast_backward(
    box: BlackBox,
    forward: Forward,
    effects: Effects,
    backward: Backward,
    calls: Calls,
    details: Mapping[str, Any],
) -> Function:
    """Return the fast equivalent of a backward function.

    Parameters
    ----------
    box : BlackBox
        The forward function.
    forward, effects : Forward, Effects
        What that computes and leaves behind.
    backward : Backward
        What the backward function computes.
    calls : Calls
        How fastconv is called.
    details : mapping
        Of the implementation: which maxima of a window get its gradient.
    """
    binding = backward.box.binding
    steps = [(f"step of {g.name}", g.name, g.slot, g.rate) for g in backward.gradients if g.rate is not None]
    written = [
        *backward.effects.written,
        *(Written(g.slot, Computed(f"step of {g.name}"), g.in_place) for g in backward.gradients if g.rate is not None),
    ]

    def function(*args: Any, **kwargs: Any) -> Any:
        call = binding.bind(args, kwargs)
        for guard in backward.guards:
            guard.check(call)
        read = Read(forward, _forward_call(box, effects, backward, call))
        dy = backward.dy.axes.full_of(backward.dy.slot.get(call))
        found = _gradients(forward, backward, read, dy, calls, rule_of(details))
        computed = {each.name: laid_gradient(each, forward, found[each.name], dy) for each in backward.gradients}
        for step, name, slot, rate in steps:
            held = slot.get(call)
            computed[step] = (0 if held is None else held) - rate.get(call) * computed[name]
        result = made(backward.effects.returned, computed, call)
        write(prepared(written, computed, call), call)
        return result

    return function


def _gradients(
    forward: Forward, backward: Backward, read: Read, dy: Array, calls: Calls, ties: str
) -> dict[str, Array]:
    if read.weight is None:
        return {"dx": calls.pool2d_backward(forward.operation, dy, read.x, read.kernel, ties=ties, **read.options)}
    needs = tuple(name.removeprefix("d") for name in backward.names)
    bias = None
    if forward.bias is not None and read.bias is not None and forward.bias.axes is None:
        bias = full_bias(read.bias, forward.bias.kind, len(read.weight))
    found = calls.conv2d_backward(dy, read.x, read.weight, bias, needs=needs, **read.options)
    return dict(zip(("dx", "dweight", "dbias"), found))


def _forward_call(box: BlackBox, effects: Effects, backward: Backward, call: Call) -> Call:
    """The arguments of the forward function that a call of the backward function goes on from.

    An object has those of its last fast forward pass, a function is given them.
    """
    known: dict[Slot, Any] = {}
    for name, slot in backward.sources.items():
        if slot.root == RESULT:
            _given_in(node_at(effects.returned, slot.steps), call[name], known)
        else:
            known[slot] = call[name]
    owner = Slot(box.binding.names[0])
    found = {slot.root: value for slot, value in known.items() if not slot.steps}
    if is_object(known.get(owner)):
        found.update(known[owner].__dict__.get(KEPT) or _declined())
    for slot, value in known.items():
        there = slot.get(found)
        if there is not value and not (isinstance(value, PLAIN) and there == value):
            raise Declined
    return found


def _given_in(node: Node | None, value: Any, known: dict[Slot, Any]) -> None:
    """Find arguments of the forward function in what it has returned."""
    if type(value) is Cache:
        known.update((Slot(name), given) for name, given in value[0].items())
    elif isinstance(node, Given):
        known[node.slot] = value
    elif isinstance(node, Several):
        for key, part in zip(node.keys, node.parts):
            _given_in(part, value[key], known)


def _declined() -> Any:
    raise Declined
