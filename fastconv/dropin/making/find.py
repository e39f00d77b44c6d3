"""Find convolutions and poolings among classes and functions that no convention names, by making and trying them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

from fastconv.dropin.conventions.convention import Implementation, Target
from fastconv.dropin.conventions.spelling import words
from fastconv.dropin.example import implementation_of
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.forward import solve_forward
from fastconv.dropin.example.pairing import backward_methods, by_name
from fastconv.dropin.making.backwards import backward_functions, is_backward_of
from fastconv.dropin.making.functions import ways_to_call
from fastconv.dropin.making.made_box import MadeBox
from fastconv.dropin.making.objects import ways_to_make
from fastconv.errors import InvalidValueError

_CONVOLUTION = re.compile(
    r"(conv|convolution|convolve|cnn|correlat|correlation|xcorr|corr)(al|e|ed|d|\d+d?|\dx\d|layer)*"
)
_POOL = re.compile(r"(max|avg|mean|average|sub)?pool(ing|layer|\d+d?|\dx\d)*")
# Other operations, several layers in one, and what is no forward pass.
_OTHERS = {"1d", "3d", "conv1d", "conv3d", "transpose", "deconv", "depthwise", "relu", "bn", "norm", "net", "model"}
_OTHERS |= {
    "block",
    "test",
    "thread",
    "process",
    "connection",
    "back",
    "backward",
    "backprop",
    "bwd",
    "grad",
    "gradient",
    "col2im",
    "im2col",
}
_TRIES = 300


def operation_of(name: str) -> str | None:
    """Return what a class or function of this name may compute: "conv2d", or "max_pool2d" for any pooling.

    Examples
    --------
    >>> operation_of("ConvLayer"), operation_of("max_pooling"), operation_of("convert_images")
    ('conv2d', 'max_pool2d', None)
    """
    spoken = words(re.sub(r"(?<=\d)[dD](?![a-z])", "d", name))
    if _OTHERS.intersection(spoken):
        return None
    if any(_POOL.fullmatch(word) for word in spoken):
        return "max_pool2d"
    return "conv2d" if any(_CONVOLUTION.fullmatch(word) for word in spoken) else None


def found_by_making(named: Iterable[tuple[Any, str, Any]]) -> list[Implementation]:
    """Return what classes and functions of fitting names compute, as far as that can be found out.

    Parameters
    ----------
    named : iterable of (module, class or None; str; class or callable)
        Who holds each, its name, and itself.
    """
    found = []
    targets = [Target(*each) for each in named if not hasattr(each[2], "py_func")]  # compiled: seconds for every dtype
    for target in targets:
        operation = operation_of(target.name)
        if operation is None:
            continue
        cls: Any = target.function
        is_class = isinstance(cls, type)
        one = _of_class(cls, operation) if is_class else _of_function(target, operation, targets)
        found += [one] if one is not None else []
    return found


def with_made(found: list[Implementation], named: list[tuple[Any, str, Any]]) -> list[Implementation]:
    """Return what was recognised, with what is found by making; a function with its backward pass where it has one.

    Parameters
    ----------
    found : list of Implementation
        What was recognised.
    named : list of (module, class or None; str; class or callable)
        What was not.
    """
    lonely = [one for one in found if _has_backward(one, named)]
    alone = [next(iter(one.targets.values())) for one in lonely]
    made = found_by_making([*named, *((each.owner, each.name, each.function) for each in alone)])
    pairs = {id(one["forward"]) for one in made if one.cls is None and len(one.targets) > 1}
    dropped = {id(each.function) for each in alone if id(each.function) not in pairs}
    kept = [one for one in found if one not in lonely or id(one[one.convention.first]) not in pairs]
    return kept + [one for one in made if id(one["forward"]) not in dropped]


def _has_backward(one: Implementation, named: list[tuple[Any, str, Any]]) -> bool:
    """Whether a function that was recognised alone has a backward pass beside it, which was not."""
    if one.cls is not None or list(one.targets) != [one.convention.first]:
        return False
    return any(is_backward_of(next(iter(one.targets.values())).name, name) for _, name, _ in named)


def _of_class(cls: type, operation: str) -> Implementation | None:
    """What a class computes whose objects can be made."""
    for made in islice(ways_to_make(cls, operation), _TRIES):
        try:
            box = MadeBox(made)
            _solve(box)
        except (Exception, SystemExit):  # noqa: BLE001 - theirs: the next way may be right
            continue
        layer = box.call[box.binding.names[0]]
        try:
            methods = backward_methods(layer, made.method)
            found = implementation_of(box, Target(cls, made.method, box.function), [*by_name(methods, box)])
        except (Exception, SystemExit):  # noqa: BLE001 - as above
            return None
        return replace(found, targets={role: replace(target, owner=cls) for role, target in found.targets.items()})
    return None


def _solve(box: MadeBox) -> None:
    """Raise an error if a method computes nothing known, also when its object has been used before."""
    try:
        solve_forward(box)
    except InvalidValueError:
        box.learn()
        solve_forward(box)


def _of_function(target: Target, operation: str, others: list[Target]) -> Implementation | None:
    """What a function computes that can be called."""
    for recipe, problem in islice(ways_to_call(target.function, operation), _TRIES):
        try:
            box = BlackBox(target.function, (), recipe.arguments(problem))
            solve_forward(box)
        except (Exception, SystemExit):  # noqa: BLE001 - theirs: the next way may be right
            continue
        try:
            return implementation_of(box, target, [*backward_functions(target, recipe, others)])
        except (Exception, SystemExit):  # noqa: BLE001 - as above
            return None
    return None
