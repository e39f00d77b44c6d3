"""fastconv against other engines: each in its own process, in interleaved rounds, checked before it is timed."""

from fastconv.evidence.contest.api import run_contest
from fastconv.evidence.contest.contest import Contest
from fastconv.evidence.contest.heats import Entry, Heat, Startup

__all__ = ["Contest", "Entry", "Heat", "Startup", "run_contest"]
