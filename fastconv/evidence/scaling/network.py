"""What messages between ranks cost, and what of it a training step does not hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2


@dataclass(frozen=True)
class Network:
    """What connects the ranks.

    Attributes
    ----------
    latency : float
        Seconds from one rank to another, of a message without bytes.
    bandwidth : float
        Bytes per second in and out of a rank, at once.
    """

    latency: float
    bandwidth: float

    def seconds(self, size: int, ranks: int) -> float:
        """Time of a sum of so many bytes over all ranks.

        A reduction and scattering by halves, and a gathering by doubles: ``2 log2(N)`` messages, and of the bytes
        ``2 (N - 1) / N`` in and out of each rank (Rabenseifner 2004; Thakur, Rabenseifner and Gropp 2005, section 4.5).
        The additions are left out.
        """
        if ranks == 1:
            return 0.0
        return 2 * ceil(log2(ranks)) * self.latency + 2 * (ranks - 1) / ranks * size / self.bandwidth


@dataclass(frozen=True)
class Step:
    """A training step of one rank, as it is when messages take no time.

    Attributes
    ----------
    images : int
        Of this rank.
    seconds : float
        Of the step.
    messages : tuple of (int, float)
        Bytes of each sum that goes on beside the computation, and when it starts, in seconds after the first.
    awaited : float
        When the step waits for all of them, likewise.
    last : int
        Bytes of the sum at the end, which nothing hides.
    """

    images: int
    seconds: float
    messages: tuple[tuple[int, float], ...]
    awaited: float
    last: int

    @property
    def bytes(self) -> int:
        """Of the sums beside the computation, together."""
        return sum(size for size, _ in self.messages)

    def predicted(self, network: Network, ranks: int) -> float:
        """Seconds of the step where messages take time: one goes on at a time, beside the computation."""
        free = 0.0
        for size, start in self.messages:
            free = max(free, start) + network.seconds(size, ranks)
        return self.seconds + max(0.0, free - self.awaited) + network.seconds(self.last, ranks)


def between(steps: Sequence[Step], images: float) -> Step:
    """Return a step of so many images, on the line between two that were measured, or through the last two."""
    known = sorted(steps, key=lambda step: step.images)
    if len(known) == 1:
        return known[0]
    at = next((i for i in range(1, len(known)) if known[i].images >= images), len(known) - 1)
    few, many = known[at - 1], known[at]
    share = max(0.0, (images - few.images) / (many.images - few.images))

    def line(before: float, after: float) -> float:
        return before + share * (after - before)

    starts = [line(one, other) for (_, one), (_, other) in zip(few.messages, many.messages)]
    messages = tuple((size, start) for (size, _), start in zip(few.messages, starts))
    seconds, awaited = line(few.seconds, many.seconds), line(few.awaited, many.awaited)
    return Step(round(images), seconds, messages, awaited, few.last)
