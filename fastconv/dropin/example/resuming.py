"""Originals that go on after the fast equivalent of a forward function, which keeps its call alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.convention import Cache, Function
from fastconv.dropin.example.backward_description import Backward
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.equivalents import KEPT
from fastconv.dropin.example.slots import RESULT, Slot, is_object


def resumed_forward(box: BlackBox, forward_function: Function) -> Function:
    """Return a forward function that can go on after its fast equivalent, of which an object may keep the call.

    What an object keeps of its last call, and this one leaves as it is, is then what the original has kept.

    Parameters
    ----------
    box : BlackBox
        The forward function.
    forward_function : callable
        The original.
    """
    binding, owner = box.binding, box.binding.names[0]

    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            keeper = binding.bind(args, kwargs).get(owner)
        except Declined:
            keeper = None
        if is_object(keeper):
            _run_again(box, forward_function, keeper)
        return forward_function(*args, **kwargs)

    return function


def _run_again(box: BlackBox, forward_function: Function, keeper: Any) -> None:
    """Run the original on what its equivalent was given last, if that was the last call."""
    kept = keeper.__dict__.pop(KEPT, None)
    if kept is not None:
        box.run({**kept, box.binding.names[0]: keeper}, forward_function)


def resumed(box: BlackBox, backward: Backward, forward_function: Function, backward_function: Function) -> Function:
    """Return a backward function that can go on after the fast equivalent of its forward function.

    Parameters
    ----------
    box : BlackBox
        The forward function.
    backward : Backward
        What the backward function computes.
    forward_function, backward_function : callable
        The originals. The first is run again on what its equivalent was given.
    """
    binding, owner = backward.box.binding, box.binding.names[0]

    def function(*args: Any, **kwargs: Any) -> Any:
        call = binding.bind(args, kwargs)
        keeper = next((call[name] for name, slot in backward.sources.items() if slot == Slot(owner)), None)
        if is_object(keeper):
            _run_again(box, forward_function, keeper)
            return backward_function(*args, **kwargs)
        for name, slot in backward.sources.items():
            kept = next(_caches(call[name]), None) if slot.root == RESULT else None
            if kept is not None:
                call[name] = slot.get({RESULT: box.run({**kept[0]}, forward_function)})
        return binding.run(backward_function, call)

    return function


def _caches(value: Any) -> Iterator[Cache]:
    """Caches of fast forward passes in an argument: itself, or an element of it."""
    if type(value) is Cache:
        yield value
    elif isinstance(value, (tuple, list)):
        yield from (each for each in value if type(each) is Cache)
