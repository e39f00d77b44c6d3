"""What `accelerate` returns: what was replaced, what was not and why, and the way back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from textwrap import wrap
from typing import Any

from fastconv.dropin.accelerate.mismatch import Mismatch
from fastconv.dropin.accelerate.places import ONE_AT_A_TIME, CallCounts, Place
from fastconv.dropin.accelerate.region import Region
from fastconv.errors import AccelerationWarning, InvalidTypeError, InvalidValueError

Function = Callable[..., Any]
_WIDTH = 120  # columns of a report


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the functions of a target.

    Parameters
    ----------
    title : str
        Name of what was accelerated.
    originals, fast : dict of str to callable
        The functions that were replaced, and what replaces them.
    regions : dict of str to Region
        The functions that are replaced for some calls alone, and for which.
    calls : dict of str to CallCounts
        How many calls of those that were replaced went where.
    found : dict of str to str
        What functions were found to compute, in words, where no name says it.
    refused : dict of str to Mismatch
        The functions that were left as they are, and why.
    slower : dict of str to str
        The functions that were left as they are because their equivalents take longer: both times.
    near_misses : dict of str to str
        Functions and classes that look like convolution or pooling and were not recognised, with what is missing.
    places : list of (Place, callable)
        What was bound where.
    elsewhere : tuple of str
        Names in other modules that still are the originals.
    given : callable, optional
        The one function that was given, to call.
    note : str
        What else is worth telling of the target.
    """

    title: str
    originals: dict[str, Function]
    fast: dict[str, Function]
    regions: dict[str, Region]
    calls: dict[str, CallCounts]
    found: dict[str, str]
    refused: dict[str, Mismatch]
    slower: dict[str, str]
    near_misses: dict[str, str]
    places: list[tuple[Place, Function]]
    elsewhere: tuple[str, ...]
    given: Function | None = None
    note: str = ""


class Acceleration(Mapping[str, Function]):
    """Functions that were replaced by fast equivalents: a mapping of their names to the originals.

    Parameters
    ----------
    outcome : Outcome
        What was replaced, and what was not.

    Attributes
    ----------
    fast : dict of str to callable
        The replacements.
    refused : dict of str to Mismatch
        Why the others were left as they are.
    elsewhere : tuple of str
        Names in other modules that still are the originals, because they were imported from there before.
    partly : dict of str to str
        Where the original was wrong or raised, so that calls that are like it go on to it.
    calls : dict of str to CallCounts
        How many calls were fast, and how many went to the original.
    found : dict of str to str
        What functions were found to compute.
    slower : dict of str to str
        Both times of the functions that were left as they are because their equivalents take longer.
    near_misses : dict of str to str
        What looks like convolution or pooling and was not recognised: what is missing, and what to try.

    Notes
    -----
    A replacement is process-wide: every thread sees it.
    """

    def __init__(self, outcome: Outcome) -> None:
        self._outcome, self._active = outcome, True
        self.fast, self.refused, self.slower = outcome.fast, outcome.refused, outcome.slower
        self.calls, self.found, self.near_misses = outcome.calls, outcome.found, outcome.near_misses
        self.partly = {name: str(region) for name, region in outcome.regions.items()}
        self.elsewhere = outcome.elsewhere
        if outcome.given is not None:
            update_wrapper(self, outcome.given, updated=())

    def __getitem__(self, name: str) -> Function:
        return self._outcome.originals[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outcome.originals)

    def __len__(self) -> int:
        return len(self._outcome.originals)

    def __bool__(self) -> bool:
        return bool(self._outcome.originals)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the one function that was given or replaced."""
        given = self._outcome.given
        if given is not None:
            return (next(iter(self.fast.values()), given) if self._active else given)(*args, **kwargs)
        if len(self.fast) != 1 or "." in next(iter(self.fast)):
            hint = " A class is changed in place: call accelerate(…) below it, not as its decorator."
            raise InvalidTypeError(
                f"accelerate: what is called must be one function, but got {len(self.fast)} ({', '.join(self.fast)})."
                + (hint if any("." in name for name in self.fast) else "")
            )
        ((name, function),) = self.fast.items()
        return (function if self._active else self[name])(*args, **kwargs)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle a function that was given by its name, as functions are."""
        given = self._outcome.given
        return super().__reduce__() if given is None else given.__qualname__

    @property
    def active(self) -> bool:
        """Whether the replacements are in force: until `undo`."""
        return self._active

    def undo(self) -> None:
        """Put the originals back; a second call does nothing.

        A name that somebody has bound to something else since is left as it is, with an `AccelerationWarning`.
        """
        with ONE_AT_A_TIME.now:
            active, self._active = self._active, False
            for place, function in self._outcome.places if active else ():
                if place.holds(function):
                    place.restore()
                else:
                    warnings.warn(
                        f"accelerate: {place} was left as it is: it was bound to something else since it was"
                        " accelerated.",
                        AccelerationWarning,
                        stacklevel=2,
                    )

    def __enter__(self) -> Acceleration:
        if not self._active:
            raise InvalidValueError(
                f"accelerate: what is entered must be in force, but got {self._outcome.title}, which was undone."
                " Accelerate it again."
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def __repr__(self) -> str:
        names = (*self.fast, *self.slower, *self.refused)
        undone = "" if self._active else " (undone)"
        lines = [f"accelerated {self._outcome.title}: {len(self.fast)} of {len(names)}{undone}"]
        width = max(map(len, names), default=0)
        lines += [line for name in names for line in _row(f"{name:<{width}}  ", self._said_of(name))]
        if self.elsewhere:
            lines += _row("still the original, unless everywhere=True: ", ", ".join(self.elsewhere))
        if self.near_misses:
            lines += _row("not recognised, see near_misses: ", ", ".join(self.near_misses))
        return "\n".join([*lines, f"  {self._outcome.note}"] if self._outcome.note else lines)

    def _said_of(self, name: str) -> str:
        """What became of a function."""
        if name in self.refused:
            return f"left as it is: {self.refused[name].text}"
        if name in self.slower:
            return f"{self.slower[name]}: left as it is"
        calls = self.calls[name]
        said = str(calls) if calls.fast or calls.original else "fast"
        said += f": {self.found[name]}" if name in self.found else ""
        region = self._outcome.regions.get(name)
        return said if region is None else f"{said}, except {region.limits}: {region.trial} {region.said}"


def _row(name: str, text: str) -> list[str]:
    """One line, or two where the text is long; what does not fit into these is left out."""
    return wrap(
        text, _WIDTH, initial_indent=f"  {name}", subsequent_indent=" " * (len(name) + 2), max_lines=2, placeholder=" …"
    )
