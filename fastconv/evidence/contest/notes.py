"""What stands under the tables of a contest, whatever it is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fastconv.evidence.contest.engines.base import IMAGE_BY_IMAGE
from fastconv.evidence.contest.heats import Entry


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


def without_batch(entries: Iterable[Entry]) -> Iterator[str]:
    """Say who computed several images one after the other."""
    names = dict.fromkeys(entry.engine for entry in entries if entry.variant == IMAGE_BY_IMAGE)
    yield from (f"{name} has no axis for the batch: it computes {IMAGE_BY_IMAGE}." for name in names)


def breaks(spinning: Mapping[str, float]) -> Iterator[str]:
    """Say what everybody did while others were timed."""
    if spinning:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in spinning.items())
        yield f"Processor time of each engine while others had their turn, as a share of one core: {shares}."
