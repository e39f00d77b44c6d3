"""`accelerate.watch`: the calls of a running program as examples."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType, TracebackType
from typing import Any, ParamSpec, Protocol, cast

from fastconv.dropin.accelerate.acceleration import Acceleration
from fastconv.dropin.accelerate.api import replaced
from fastconv.dropin.accelerate.places import ONE_AT_A_TIME, Place, is_fast, place_of
from fastconv.dropin.accelerate.undisturbed import undisturbed
from fastconv.dropin.conventions.convention import Function, Implementation, Target
from fastconv.dropin.conventions.recognise import recognise
from fastconv.dropin.example import Recording, find_in_recordings
from fastconv.dropin.example.slots import is_object, walk
from fastconv.errors import AccelerationWarning, InvalidTypeError

P = ParamSpec("P")


class watch:
    """Take the calls that a program makes in a block as examples, and accelerate what was called when the block ends.

    ``with fc.accelerate.watch(module) as seen: train_one_step()``

    Parameters
    ----------
    target : module or object
        Of a module its functions, and the methods of its classes; of an object, such as a network, its methods and
        those of the objects in it.
    on_mismatch : {"warn", "skip", "raise"}
        As in `accelerate`.

    Attributes
    ----------
    acceleration : Acceleration or None
        What was replaced; None until the block ends.

    Raises
    ------
    TypeError
        If `target` is something else.

    Notes
    -----
    The first call of every function is copied, and run again with other numbers after the block. Functions belong
    together where one is given what the other was given or has returned: a cache, an input, the object. If the block
    raises an exception, nothing is replaced.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> class Halves:
    ...     def forward(self, x):
    ...         y = np.zeros((len(x) // 2, x.shape[1] // 2))
    ...         for i, j in np.ndindex(*y.shape):
    ...             y[i, j] = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max()
    ...         return y
    >>> layer = Halves()
    >>> with fc.accelerate.watch(layer) as seen:
    ...     y = layer.forward(np.ones((4, 6)))
    >>> list(seen.acceleration)
    ['Halves.forward']
    """

    def __init__(self, target: Any, *, on_mismatch: str = "warn") -> None:
        self._target, self._on_mismatch = target, on_mismatch
        self._recordings = [Recording(each) for each in _targets(target) if not is_fast(each.function)]
        self._places: list[tuple[Place, Function]] = []
        self.acceleration: Acceleration | None = None

    def __enter__(self) -> watch:
        with ONE_AT_A_TIME.now:
            for recording in self._recordings:
                place = place_of(recording.target)
                if place is not None:
                    self._places.append((place, recording.recorder()))
                    place.put(self._places[-1][1])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with ONE_AT_A_TIME.now:
            for recording in self._recordings:
                recording.open = False
            for place, function in reversed(self._places):
                if place.holds(function):
                    place.restore()
            if kind is None:
                self.acceleration = self._accelerated()

    def _accelerated(self) -> Acceleration:
        named = _named(self._target)
        taken = {id(target.function) for each in named for target in each.targets.values()}
        others = [each for each in self._recordings if id(each.target.function) not in taken]
        with undisturbed():
            found, missed = find_in_recordings(others)
        if self._on_mismatch == "warn":
            for text in missed if not found and not named else ():
                warnings.warn(f"{text}", AccelerationWarning, stacklevel=3)
        return replaced(self._target, [*named, *found], on_mismatch=self._on_mismatch, stacklevel=6)

    def __repr__(self) -> str:
        return "watching" if self.acceleration is None else repr(self.acceleration)


def _named(target: Any) -> list[Implementation]:
    """What is known by name in a module."""
    return recognise(target, source="accelerate.watch") if isinstance(target, ModuleType) else []


def _targets(target: Any) -> Iterator[Target]:
    """Functions and methods that are watched."""
    if isinstance(target, ModuleType):
        for name, value in list(vars(target).items()):
            if getattr(value, "__module__", None) != target.__name__:
                continue
            if inspect.isfunction(value):
                yield Target(target, name, value)
            elif isinstance(value, type):
                yield from (Target(value, method, function) for method, function in _methods(value))
    elif is_object(target) and not isinstance(target, type):
        for _, value in [*walk({"target": target})]:
            if is_object(value):
                yield from _methods_of(value)
    else:
        raise InvalidTypeError(
            f"accelerate.watch: the target must be a module or an object, but got {type(target).__name__}. Pass the"
            " module in which the layers are."
        )


def _methods(cls: type) -> Iterator[tuple[str, Function]]:
    for name, value in list(vars(cls).items()):
        if inspect.isfunction(value) and (not name.startswith("__") or name == "__call__"):
            yield name, value


def _methods_of(value: Any) -> Iterator[Target]:
    """Methods of one object, but special ones: those are looked up in the class."""
    names = {name for cls in type(value).__mro__ for name, _ in _methods(cls) if not name.startswith("__")}
    for name in sorted(names):
        yield Target(value, name, inspect.getattr_static(type(value), name))


class Accelerate(Protocol[P]):
    """`accelerate`, with what belongs to it."""

    watch: type[watch]
    __call__: Callable[P, Acceleration]


def with_watch(function: Callable[P, Acceleration]) -> Accelerate[P]:
    """Return the same function with `watch` as an attribute."""
    function.__dict__["watch"] = watch
    return cast("Accelerate[P]", function)
