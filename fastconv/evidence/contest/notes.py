"""What stands under the tables of a contest, whatever it is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


def absences(absent: Mapping[str, str]) -> Iterator[str]:
    """Say who did not take part, and why."""
    yield from (f"{name} did not take part: {reason}." for name, reason in absent.items())


def refusals(heats: Iterable[tuple[Mapping[str, str], str]]) -> Iterator[str]:
    """Say what somebody did not run, a line for each engine and reason, with what that is about."""
    about: dict[str, list[str]] = {}
    for refused, title in heats:
        for name, reason in refused.items():
            about.setdefault(f"{name}: {reason}", []).append(title)
    yield from (f"{reason} ({', '.join(dict.fromkeys(where))})." for reason, where in about.items())


def breaks(spinning: Mapping[str, float]) -> Iterator[str]:
    """Say what everybody did while others were timed."""
    if spinning:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in spinning.items())
        yield f"Processor time of each engine while others had their turn, as a share of one core: {shares}."
