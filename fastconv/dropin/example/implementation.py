"""A forward function and one of its backward functions, described from a real call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from textwrap import shorten

from fastconv.dropin.conventions.convention import Implementation, Target
from fastconv.dropin.example.backward import solve_backward
from fastconv.dropin.example.backward_description import Backward
from fastconv.dropin.example.black_box import BlackBox
from fastconv.dropin.example.by_example import ByExample
from fastconv.dropin.example.description import Forward
from fastconv.dropin.example.effects import CACHE, Effects, Seen, find_effects, with_cache
from fastconv.dropin.example.fitting import fitted, laid
from fastconv.dropin.example.forward import solve_forward
from fastconv.dropin.example.guarding import backward_guards_of, guards_of
from fastconv.dropin.example.pairing import Candidate
from fastconv.dropin.example.readers import codes_of, loaded, reached
from fastconv.dropin.example.sizes import Freedom, settled, with_number
from fastconv.dropin.example.slots import RESULT, Attribute
from fastconv.dropin.example.trials import probes
from fastconv.errors import InvalidValueError

_SURVIVORS = 4  # descriptions that agree with the example, of which sizes are tried


def implementation_of(box: BlackBox, target: Target, candidates: Sequence[Candidate]) -> Implementation:
    """Return what a forward function, and the first of the candidates that is its backward pass, compute.

    Parameters
    ----------
    box : BlackBox
        The forward function and its example.
    target : Target
        Where it is found.
    candidates : sequence of Candidate
        What may be its backward pass.

    Raises
    ------
    ValueError
        If it computes no convolution or pooling of an array in the example, or leaves more than is known.
    """
    example = solved(box)
    forward = settled(box, example)
    targets, backward = {"forward": target}, None
    for freedom, each in product(Freedom, candidates):
        variant = forward if freedom is Freedom.ALL else settled(box, example, freedom)
        backward = solve_backward(box, variant, each)
        if backward is not None:
            forward, targets["backward"] = variant, each.target
            break
    forward = replace(forward, guards=guards_of(box, forward))
    if backward is not None:
        backward = replace(backward, guards=backward_guards_of(box, forward, backward))
    effects = _effects(box, forward)
    _check_result(box, effects, backward)
    _check_no_gradient(box, forward, effects, targets.get("backward"))
    _check_kept(box, effects, targets.get("backward"))
    return Implementation(ByExample(box, forward, effects, backward), targets)


def solved(box: BlackBox) -> Forward:
    """The description, with all sizes of the example, of those that agree with it the one that leaves most free."""
    try:
        found = solve_forward(box)
    except InvalidValueError:
        found = []
    if not found:
        try:
            box.learn()  # weights may be made in the first call
        except Exception as error:
            raise InvalidValueError(_nothing_runs(box, error)) from error
        found = solve_forward(box)
    if len(found) == 1:
        return with_number(box, found[0])
    bounds = [(settled(box, each), each) for each in found[:_SURVIVORS]]
    return with_number(box, min(bounds, key=lambda pair: len(pair[0].fixed) + len(pair[0].square))[1])


def _nothing_runs(box: BlackBox, error: Exception) -> str:
    said = shorten(f"{type(error).__name__}: {error}", 200, placeholder=" …")
    return f"accelerate: the example must be a call that runs, but in it {box.name} raised {said}"


def _effects(box: BlackBox, forward: Forward) -> Effects:
    seen = []
    for problem in probes(forward.operation):
        call = laid(forward, box, fitted(forward, problem))
        for slot in box.aliases.get(forward.x.slot, ()):  # an object that was used before may hold its last input
            slot.put(call, slot.get(call).copy())
        each = Seen(call)
        box.run(each.call)
        each.computed["y"] = forward.y.slot.get(each.call)
        seen.append(each)
    return find_effects(seen)


def _check_kept(box: BlackBox, effects: Effects, backward: Target | None) -> None:
    """Refuse a forward method that keeps something unknown for methods of which nothing is known."""
    kept = {slot.steps[0].name for slot in effects.left if slot.steps and isinstance(slot.steps[0], Attribute)}
    methods = codes_of(type(box.call[box.binding.names[0]])) if kept else {}
    known = reached(methods, [box.function.__name__, *([] if backward is None else [backward.name])])
    for name, code in methods.items():
        read = kept & loaded(code)
        if read and name not in known:
            raise InvalidValueError(
                f"accelerate: what {box.name} keeps must be known where another method reads it, but got"
                f" {', '.join(sorted(read))}, which {name} reads; that was not found to be its backward pass."
            )


def _check_no_gradient(box: BlackBox, forward: Forward, effects: Effects, backward: Target | None) -> None:
    """Refuse what keeps something unknown like its weights that its backward pass does not read: a gradient."""
    if forward.weight is None:
        return
    call = laid(forward, box, fitted(forward, probes(forward.operation)[0]))
    shape = forward.weight.slot.get(call).shape
    box.run(call)
    read = set[str]() if backward is None else loaded(getattr(backward.function, "__code__", None))
    for slot in effects.left:
        if getattr(slot.get(call), "shape", None) == shape and not any(str(slot).endswith(f".{name}") for name in read):
            raise InvalidValueError(
                f"accelerate: {box.name} must be a forward pass, but got one that keeps {slot}, which has the shape of"
                f" the weights {forward.weight.slot} and may be their gradient. Give an example of its forward method."
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
