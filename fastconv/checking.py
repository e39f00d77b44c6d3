"""The public names of `fastconv.dropin.check` and `fastconv.dropin.race`, which are documented here."""

from fastconv.dropin.check import CaseResult, CheckReport, Examination, Example, GuestError, check
from fastconv.dropin.race import Lap, Race, RaceRow, Sizes, race

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
