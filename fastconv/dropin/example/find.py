"""Find out by trying what a function or an object computes, from one real call of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastconv.dropin.conventions.convention import Implementation, Target
from fastconv.dropin.conventions.recognise import home_of
from fastconv.dropin.conventions.spelling import is_backward
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.by_example import ByExample
from fastconv.dropin.example.description import Forward
from fastconv.dropin.example.equivalents import explains
from fastconv.dropin.example.implementation import implementation_of
from fastconv.dropin.example.pairing import backward_methods, by_name, method_function
from fastconv.dropin.example.recording import Recording
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
        methods: list[Target] = []
    else:
        owner, name = _method(target)
        if not hasattr(owner, "__dict__"):
            raise InvalidTypeError(
                "accelerate: an object must have a __dict__, where its methods are replaced, but"
                f" {type(owner).__name__} has __slots__ alone. Accelerate an object of a subclass without __slots__."
            )
        found = Target(owner, name, method_function(owner, name))
        before, methods = (owner,), backward_methods(owner, name)
    boxes = [BlackBox(found.function, (*before, *args), kwargs) for args, kwargs in (example, *others)]
    implementation = implementation_of(boxes[0], found, list(by_name(methods, boxes[0])))
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


def _confirm(forward: Forward, boxes: list[BlackBox]) -> None:
    """Refuse a description that does not hold for other examples."""
    for number, box in enumerate(boxes, 2):
        if not explains(forward, box):
            raise InvalidValueError(
                f"accelerate: all examples must be of one kind, but got {forward.words()} for the first and something"
                f" else for number {number}. Accelerate by the first alone: other calls go on to the original."
            )


def find_in_recordings(recordings: list[Recording]) -> tuple[list[Implementation], list[str]]:
    """Find out what functions compute from calls of theirs.

    Parameters
    ----------
    recordings : list of Recording
        Of functions, or of methods of classes or objects. The gradient of a convolution is a convolution, too: those
        whose names say that they compute gradients are taken for nothing else.

    Returns
    -------
    list of Implementation
        Of those that compute a convolution or pooling, with their backward passes.
    list of str
        What is to be said about the others.
    """
    found: list[Implementation] = []
    missed: list[str] = []
    for recording in recordings:
        if recording.box is None or not recording.may_compute or is_backward(recording.target.name):
            continue
        taken = {id(target) for each in found for target in each.targets.values()}
        if id(recording.target) in taken:
            continue
        others = [each for each in recordings if each is not recording and id(each.target) not in taken]
        candidates = [candidate for each in others for candidate in each.candidates(recording)]
        try:
            found.append(implementation_of(recording.box, recording.target, candidates))
        except (InvalidTypeError, InvalidValueError) as error:
            missed.append(str(error))
    return found, missed
