"""Other people's convolution and pooling, examined and timed: each file in a process of its own, with a time limit."""

from fastconv.checking.api import check
from fastconv.checking.guest import GuestError
from fastconv.checking.race_results import Lap, Race, RaceRow
from fastconv.checking.race_sizes import Sizes
from fastconv.checking.racing import race
from fastconv.checking.results import CaseResult, CheckReport, Examination, Example

__all__ = [
    "CaseResult",
    "CheckReport",
    "Examination",
    "Example",
    "GuestError",
    "Lap",
    "Race",
    "RaceRow",
    "Sizes",
    "check",
    "race",
]
