"""Find out by trying what a function or an object computes, from one real call of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from fastconv.dropin.conventions.convention import Implementation, Target
from fastconv.dropin.conventions.recognise import home_of
from fastconv.dropin.conventions.spelling import words
from fastconv.dropin.example.backward import solve_backward
from fastconv.dropin.example.backward_description import Backward
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.by_example import ByExample
from fastconv.dropin.example.description import Forward
from fastconv.dropin.example.effects import CACHE, Effects, Seen, find_effects, with_cache
from fastconv.dropin.example.equivalents import explains
from fastconv.dropin.example.fitting import fitted, laid
from fastconv.dropin.example.forward import solve_forward
from fastconv.dropin.example.guarding import guards_of
from fastconv.dropin.example.sizes import Freedom, settled, with_number
from fastconv.dropin.example.slots import RESULT, Attribute, Slot
from fastconv.dropin.example.trials import probes
from fastconv.errors import InvalidTypeError, InvalidValueError

# Methods by what they are likely to be; others are not called.
_FORWARD = (
    "forward",
    "__call__",
    "fprop",
    "feed_forward",
    "feedforward",
    "forward_pass",
    "forward_propagation",
    "call",
)
_BACKWARD_WORDS = ("back", "bprop", "bp", "grad", "delta")
_RATE_WORDS = {"lr", "rate", "alpha", "eta", "learn", "learning", "step"}
_RATE = 0.5  # where an example is needed
_SURVIVORS = 4

Example = tuple[tuple[Any, ...], Mapping[str, Any]]


def as_example(given: Any) -> Example:
    """Return positional and keyword arguments from what somebody gives as an example.

    Parameters
    ----------
    given : array, tuple or dict
        The one argument, the positional arguments, or the arguments by name.
    """
    if isinstance(given, tuple) and not hasattr(given, "_fields"):
        return given, {}
    if isinstance(given, dict):
        return (), given
    return (given,), {}


def find_by_examples(target: Any, given: Any) -> Implementation:
    """Find out what a function or an object computes from one example or a list of them; all have to confirm it.

    Parameters
    ----------
    target : function, bound method or object
        See `find_by_example`.
    given : array, tuple, dict, or list of these
        See `as_example`.
    """
    examples = [as_example(each) for each in (given if isinstance(given, list) else [given])]
    if not examples:
        raise InvalidValueError("accelerate: example must be one call or a list of calls, but got an empty list.")
    return find_by_example(target, *examples)


def find_by_example(target: Any, example: Example, *others: Example) -> Implementation:
    """Find out what a function or an object computes.

    Parameters
    ----------
    target : function, bound method or object
        Of an object, the forward method is found by its name, and by taking the example.
    example : (tuple, dict)
        Arguments of one real call, without the object. Nothing of it is touched.
    *others : (tuple, dict)
        More calls, which have to be of the same description.

    Returns
    -------
    Implementation
        Of a `ByExample` convention.

    Raises
    ------
    ValueError
        If it computes no convolution or pooling of an array in the example.
    TypeError
        If it does not take the example.
    """
    if (inspect.isroutine(target) and not inspect.ismethod(target)) or _is_jitted(target):
        owner, name = home_of(target)
        found = Target(owner, name, target)
        before: tuple[Any, ...] = ()
        backwards: list[Target] = []
    else:
        owner, name = _method(target)
        found = Target(owner, name, _function(owner, name))
        before, backwards = (owner,), list(_backward_methods(owner, name))
    boxes = [BlackBox(found.function, (*before, *args), kwargs) for args, kwargs in (example, *others)]
    implementation = implementation_of(boxes[0], found, backwards)
    if isinstance(implementation.convention, ByExample):
        _confirm(implementation.convention.described, boxes[1:])
    return implementation


def _is_jitted(target: Any) -> bool:
    return hasattr(target, "py_func")


def _method(target: Any) -> tuple[Any, str]:
    """The object and the name of its forward method."""
    if inspect.ismethod(target):
        return target.__self__, target.__name__
    names = [name for name in _FORWARD if any(name in vars(cls) for cls in type(target).__mro__)]
    if isinstance(target, (type, str, np.ndarray)) or not names:
        raise InvalidTypeError(
            f"accelerate: what is accelerated by example must be a function, a method or an object with a method"
            f" such as forward, but got {type(target).__name__}. Pass the method: accelerate(layer.method, example)."
        )
    return target, names[0]


def _backward_methods(owner: Any, forward: str) -> Iterator[Target]:
    """Methods of an object that may be its backward pass, by their names."""
    for name in dir(type(owner)):
        method = inspect.getattr_static(type(owner), name)
        spoken = any(word.startswith(_BACKWARD_WORDS) for word in words(name))
        if name != forward and spoken and inspect.isfunction(method):
            yield Target(owner, name, _function(owner, name))


def _function(owner: Any, name: str) -> Any:
    """The function of a method, on the object if it was replaced there."""
    return getattr(vars(owner).get(name), "__func__", getattr(type(owner), name))


def _confirm(forward: Forward, boxes: list[BlackBox]) -> None:
    """Refuse a description that does not hold for other examples."""
    for number, box in enumerate(boxes, 2):
        if not explains(forward, box):
            raise InvalidValueError(
                f"accelerate: all examples must be of one kind, but got {forward.words()} for the first and something"
                f" else for number {number}. Accelerate by the first alone: other calls go on to the original."
            )


def implementation_of(box: BlackBox, target: Target, backwards: list[Target]) -> Implementation:
    """Return what a forward function, and one of some backward functions, compute.

    Parameters
    ----------
    box : BlackBox
        The forward function and its example.
    target : Target
        Where it is found.
    backwards : list of Target
        Methods of the same object that may be the backward pass.
    """
    example = _solved(box)
    forward = settled(box, example)
    targets, backward = {"forward": target}, None
    for freedom, each in product(Freedom, backwards):
        variant = forward if freedom is Freedom.ALL else settled(box, example, freedom)
        backward = _backward(box, variant, each)
        if backward is not None:
            forward, targets["backward"] = variant, each
            break
    forward = replace(forward, guards=guards_of(box, forward))
    effects = _effects(box, forward)
    _check_result(box, effects, backward)
    if backward is None:
        _check_kept(box, effects, backwards)
    return Implementation(ByExample(box, forward, effects, backward), targets)


def _solved(box: BlackBox) -> Forward:
    """The description, with all sizes of the example, of those that agree with it the one that leaves most free."""
    try:
        found = solve_forward(box)
    except InvalidValueError:
        try:
            box.learn()  # weights may be made in the first call
        except Exception:  # noqa: BLE001 - theirs
            raise InvalidValueError(_nothing_runs(box)) from None
        found = solve_forward(box)
    if len(found) == 1:
        return with_number(box, found[0])
    bounds = [(settled(box, each), each) for each in found[:_SURVIVORS]]
    return with_number(box, min(bounds, key=lambda pair: len(pair[0].fixed) + len(pair[0].square))[1])


def _nothing_runs(box: BlackBox) -> str:
    return f"accelerate: the example must be a call that runs, but {box.name} raised an exception in it."


def _effects(box: BlackBox, forward: Forward) -> Effects:
    seen = []
    for problem in probes(forward.operation):
        each = Seen(laid(forward, box, fitted(forward, problem)))
        box.run(each.call)
        each.computed["y"] = forward.y.slot.get(each.call)
        seen.append(each)
    return find_effects(seen)


def _backward(box: BlackBox, forward: Forward, target: Target) -> Backward | None:
    """What a method computes as the backward pass, for the ways in which its parameters may mean that."""
    owner, *names = inspect.signature(target.function).parameters.values()
    required = [each.name for each in names if each.default is each.empty]
    rates = [name for name in required if set(words(name)) & _RATE_WORDS]
    known = {name: Slot(name) for name in required if name in box.binding.names}
    left = [name for name in required if name not in rates and name not in known]
    for dy in left[:1] if len(left) == 1 else []:
        example = (target.owner, *(_RATE if name in rates else None for name in required))
        backward_box = BlackBox(target.function, example, {})
        sources = {owner.name: Slot(box.binding.names[0]), **known}
        found = solve_backward(box, forward, backward_box, Slot(dy), sources)
        if found is not None:
            return found
    return None


def _check_kept(box: BlackBox, effects: Effects, others: list[Target]) -> None:
    """Refuse a forward method that keeps something unknown for methods of which nothing is known."""
    kept = {slot.steps[-1].name for slot in effects.left if slot.steps and isinstance(slot.steps[-1], Attribute)}
    for other in others:
        read = kept.intersection(getattr(getattr(other.function, "__code__", None), "co_names", ()))
        if read:
            raise InvalidValueError(
                f"accelerate: what {box.name} keeps must be known where another method reads it, but got"
                f" {', '.join(sorted(read))}, which {other.label} reads; that was not found to be its backward pass."
            )


def _check_result(box: BlackBox, effects: Effects, backward: Backward | None) -> None:
    """Refuse a function that returns more than is known, unless that goes to the backward function alone."""
    returned = with_cache(effects.returned)
    takes = backward is not None and any(slot.root == RESULT for slot in backward.sources.values())
    if returned is None or (CACHE in getattr(returned, "parts", ()) and not takes):
        raise InvalidValueError(
            f"accelerate: {box.name} must return its output, its arguments and sizes alone, but got something beside"
            " them that is not known."
        )
