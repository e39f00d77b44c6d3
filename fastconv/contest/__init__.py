"""fastconv against other engines: each in its own process, in interleaved rounds, checked before it is timed."""

from fastconv.contest.api import run_contest
from fastconv.contest.results import Contest, Entry, Heat, Startup

__all__ = ["Contest", "Entry", "Heat", "Startup", "run_contest"]
