"""`accelerate`: the public function."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from fastconv.dropin.accelerate.acceleration import Acceleration, Function, Outcome
from fastconv.dropin.accelerate.course import note_on_course
from fastconv.dropin.accelerate.isolated import call_here, prove
from fastconv.dropin.accelerate.jitted import apart_from_jitted, jitted_readers
from fastconv.dropin.accelerate.mismatch import MEMORY_CASES, Mismatch
from fastconv.dropin.accelerate.places import (
    ONE_AT_A_TIME,
    CallCounts,
    Place,
    is_fast,
    place_of,
    places_elsewhere,
    replacement,
)
from fastconv.dropin.accelerate.proof import Proof
from fastconv.dropin.accelerate.region import Region
from fastconv.dropin.conventions.cases import CASES
from fastconv.dropin.conventions.convention import Implementation
from fastconv.dropin.conventions.near_misses import near_misses, told
from fastconv.dropin.conventions.recognise import CONVENTIONS, recognise, unrecognised
from fastconv.dropin.conventions.ties import said_of
from fastconv.dropin.example import find_by_examples
from fastconv.dropin.making import found_by_making, with_made
from fastconv.errors import AccelerationError, AccelerationWarning, InvalidValueError
from fastconv.validation.sizes import check_choice, check_flag, check_number

_ON_MISMATCH = ("warn", "skip", "raise")
TIME_LIMIT, _LEAST_LIMIT = 60.0, 0.1  # seconds


def accelerate(
    target: Any,
    example: Any = None,
    *,
    mapping: Mapping[str, str] | None = None,
    on_mismatch: str = "warn",
    everywhere: bool = False,
    contiguous: bool = False,
    time_limit: float = TIME_LIMIT,
) -> Acceleration:
    """Replace somebody's loops for convolution and pooling by fast equivalents that are proven to be the same.

    ``accelerate(module)``, ``accelerate(cls)``, ``accelerate(function)``, ``@accelerate``,
    ``with accelerate(module):``, ``accelerate(layer, x)``, ``accelerate(function, (x, weight))``

    Parameters
    ----------
    target : module, class or function; with an example also an object or its method
        Where the loops are. Of a module, what is defined in it counts, or, if that is nothing, what it imports; a class
        is changed in place, so that its objects and subclasses profit too. A function is replaced in its module if it
        is still there, and what is returned can be called in its place.
    example : array, tuple or dict, or list of these, optional
        The arguments of one real call, or of several: what `target` computes is found by trying then, whatever its
        name. One argument, a tuple of arguments, or a dict by name; of an object, those of its forward method. A dict
        of nothing but strings is taken as `mapping`.
    mapping : mapping of str to str, optional
        The conventions of functions or classes that have other names: ``{"my_conv": "cs231n.conv2d.forward"}``.
    on_mismatch : {"warn", "skip", "raise"}
        What happens where a function does not compute the same: it is left as it is with an `AccelerationWarning`, or
        without one, or an `AccelerationError` is raised and nothing is replaced. A function that is wrong for some
        calls alone is left for these, with a warning for "warn".
    everywhere : bool
        Replace the functions in all loaded modules that have imported them by name as well.
    contiguous : bool
        Give results in C order, as the originals do, which costs a copy. By default they have the memory order in which
        fastconv computes, unless some function of `target` that is left as it is depends on the order.
    time_limit : float
        Seconds in which the functions of one operation, forward and backward, have to be tried, without those in which
        they wait for a processor. Functions that take longer are left as they are.

    Returns
    -------
    Acceleration
        What was replaced; with `undo`, and a context manager.

    Raises
    ------
    ValueError
        If nothing in `target` is recognised, or the example shows neither a convolution nor a pooling; if `mapping`
        names what is not there, or `on_mismatch` is something else; an `AccelerationError` with
        ``on_mismatch="raise"``.
    TypeError
        If `target` is something else.

    Notes
    -----
    Every function is run on the cases of `fastconv.dropin.conventions.CASES` that its form can express, and compared
    with the loops of the naive backend; so is its equivalent. Where it is wrong or raises an exception in some, and
    properties of the call tell these from the others, it is replaced for calls alone whose properties, and every two of
    them, are in cases in which it was right. The others go on to it, and the result says which (`partly`). A function
    that is wrong where nothing about the call tells so is refused.

    All of this is done in a forked child of this process, so that nothing is printed, warned, counted or written here,
    and the global random generators stay as they are. A function that crashes, exits or does not end is left as it is.
    On Windows and macOS, and where jitted code needs threads that a forked child cannot have, it is done in this
    process. There a crash ends that, and an endless loop in compiled code is not ended.

    Results have the dtypes of the originals, which are found by trying. A call that the equivalent does not take, such
    as complex numbers or a cache of another kind, goes to the original.

    Then both are timed on problems of ordinary size; what is slower than the original is left as it is (`slower`).

    A replacement is process-wide. Functions that are fast already are left alone. The fast backend computes, or numpy
    where Numba cannot be imported.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> def conv2d(x, w, stride=1):
    ...     rows, columns = ((a - b) // stride + 1 for a, b in zip(x.shape, w.shape))
    ...     y = np.zeros((rows, columns))
    ...     for i in range(rows):
    ...         for j in range(columns):
    ...             y[i, j] = (x[i * stride : i * stride + w.shape[0], j * stride : j * stride + w.shape[1]] * w).sum()
    ...     return y
    >>> fast = fc.accelerate(conv2d)
    >>> fast
    accelerated conv2d: 1 of 1
      conv2d  fast
    >>> fast(np.ones((3, 4)), np.ones((2, 2)))
    array([[4., 4., 4.],
           [4., 4., 4.]])
    """
    check_choice("accelerate", "on_mismatch", on_mismatch, _ON_MISMATCH)
    check_flag("accelerate", "everywhere", everywhere)
    check_flag("accelerate", "contiguous", contiguous)
    time_limit = check_number("accelerate", "time_limit", time_limit, least=_LEAST_LIMIT)
    if isinstance(target, Acceleration):
        return target
    if isinstance(example, Mapping) and all(isinstance(value, str) for value in example.values()):
        example, mapping = None, example
    with ONE_AT_A_TIME.now:
        if example is None:
            found = recognise(target, mapping, source="accelerate")
            others = [*unrecognised(target, found, source="accelerate")]
            found = call_here(lambda: with_made(found, others), time_limit, otherwise=found)
        else:
            found = [call_here(lambda: find_by_examples(target, example), time_limit)]
        if not found:
            raise InvalidValueError(_nothing(target))
        return replaced(
            target,
            found,
            on_mismatch=on_mismatch,
            everywhere=everywhere,
            contiguous=contiguous,
            time_limit=time_limit,
        )


def replaced(
    target: Any,
    found: list[Implementation],
    *,
    on_mismatch: str = "warn",
    everywhere: bool = False,
    contiguous: bool = False,
    time_limit: float = TIME_LIMIT,
    stacklevel: int = 4,
) -> Acceleration:
    """Prove implementations and replace those that are equal; the parameters are those of `accelerate`."""
    near = near_misses(target, found) if isinstance(target, ModuleType) else {}
    found, jitted = apart_from_jitted(found)
    proofs = [_by_trying(proof, contiguous, time_limit) for proof in _prove(found, contiguous, time_limit)]
    refused = {
        proof.implementation.targets[role].label: mismatch
        for proof in proofs
        for role, mismatch in proof.refused.items()
    }
    refused |= {name: Mismatch("", text) for name, text in jitted.items()}
    _tell(refused, _wrong_outside(proofs), on_mismatch, stacklevel)
    return _replace(target, proofs, refused, near, everywhere)


def _nothing(target: Any) -> str:
    name = target.__name__
    must = f"accelerate: the target must have loops for convolution or pooling in a known form, but got {name}"
    if f"{getattr(target, '__module__', name)}.".startswith("fastconv."):
        return f"{must} of fastconv, which is fast already."
    forms = "\n".join(f"  {convention.name}: {convention.form}" for convention in CONVENTIONS)
    theirs = name if inspect.isroutine(target) else "their_name"
    near = "".join(f" {line}." for line in (*told(near_misses(target, ())), note_on_course(target)) if line)
    return (
        f"{must} with none.{near} Name them yourself, with"
        f' mapping={{"{theirs}": "cs231n.conv2d.forward"}}, or write one of\n{forms}'
    )


def _prove(found: list[Implementation], contiguous: bool, time_limit: float) -> list[Proof]:
    settled = [{role for role, target in one.targets.items() if is_fast(target.function)} for one in found]
    proofs = [prove(one, fast, contiguous=contiguous, time_limit=time_limit) for one, fast in zip(found, settled)]
    named = [mismatch.case for proof in proofs for mismatch in proof.refused.values()]
    named += [region.trial.case.name for proof in proofs for region in proof.regions.values()]
    return _prove(found, True, time_limit) if {*MEMORY_CASES} & {*named} and not contiguous else proofs


def _by_trying(proof: Proof, contiguous: bool, time_limit: float) -> Proof:
    """The proof of what a function computes where it is never what its name says: sizes are others, or it convolves."""
    implementation = proof.implementation
    of_y = [each for each in proof.refused.values() if each.array == "y"]
    others = any(each.difference == float("inf") or each.case == CASES[0].name for each in of_y)
    if proof.equal or not others or (implementation.cls is None and len(implementation.targets) > 1):
        return proof
    aim = next(iter(implementation.targets.values()))
    named = (aim.owner, aim.name, aim.function)
    if implementation.cls is not None:
        named = (None, implementation.cls.__name__, implementation.cls)
    nothing: list[Implementation] = []
    made = call_here(lambda: found_by_making([named]), time_limit, otherwise=nothing)
    proofs = _prove(made, contiguous, time_limit)
    return proofs[0] if proofs and proofs[0].equal else proof


def _wrong_outside(proofs: list[Proof]) -> dict[str, Region]:
    """The regions of functions that are wrong outside, and do not raise there, by name."""
    return {
        proof.implementation.targets[role].label: region
        for proof in proofs
        for role, region in proof.regions.items()
        if region.wrong
    }


def _tell(refused: Mapping[str, Mismatch], wrong: Mapping[str, Region], on_mismatch: str, stacklevel: int) -> None:
    texts = [f"{name} was left as it is: {mismatch.text}" for name, mismatch in refused.items()]
    if texts and on_mismatch == "raise":
        raise AccelerationError("accelerate: nothing was replaced; " + "; ".join(texts))
    if on_mismatch == "warn":
        for name, region in wrong.items():
            texts.append(f"{name} was left as it is for calls {region.limits}: {region.trial} {region.said}")
        for text in texts:
            warnings.warn(f"accelerate: {text}", AccelerationWarning, stacklevel=stacklevel)


def _words(implementation: Implementation, role: str) -> str:
    """What was found out about a function that is worth telling."""
    convention = implementation.convention
    ties = said_of(implementation.details) if "dx" in convention.arrays(implementation, role) else ""
    return "; ".join(filter(None, (convention.words(role), ties)))


def _replace(
    target: Any, proofs: list[Proof], refused: dict[str, Mismatch], near: dict[str, str], everywhere: bool
) -> Acceleration:
    originals: dict[str, Function] = {}
    fast: dict[str, Function] = {}
    regions: dict[str, Region] = {}
    calls: dict[str, CallCounts] = {}
    found: dict[str, str] = {}
    slower = {
        proof.implementation.targets[role].label: times for proof in proofs for role, times in proof.slower.items()
    }
    places: list[tuple[Place, Function]] = []
    for proof in proofs:
        for role, equivalent in proof.equal.items():
            aim = proof.implementation.targets[role]
            originals[aim.label], calls[aim.label] = aim.function, CallCounts()
            fast[aim.label] = replacement(aim.function, equivalent, proof.originals[role], calls[aim.label])
            if role in proof.regions:
                regions[aim.label] = proof.regions[role]
            if words := _words(proof.implementation, role):
                found[aim.label] = words
            place = place_of(aim)
            if place is not None:
                places.append((place, fast[aim.label]))
    by_original = {id(originals[name]): fast[name] for name in fast}
    others = list(places_elsewhere(originals.values(), [place for place, _ in places]))
    bound = [each for each in others if everywhere and not jitted_readers(each[0].owner, each[0].name)]
    places += [(place, by_original[id(original)]) for place, original in bound]
    for place, function in places:
        place.put(function)
    left = tuple(str(place) for place, original in others if (place, original) not in bound)
    return Acceleration(
        Outcome(
            title=getattr(target, "__name__", type(target).__name__),
            originals=originals,
            fast=fast,
            regions=regions,
            calls=calls,
            found=found,
            refused=refused,
            slower=slower,
            near_misses=near,
            places=places,
            elsewhere=left,
            given=target if callable(target) and not isinstance(target, type) else None,
            note=note_on_course(target),
        )
    )
