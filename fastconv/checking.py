"""The public names of `fastconv.dropin.check` and `fastconv.dropin.race`, which are documented here."""

from fastconv.dropin.check import CaseResult, CheckReport, Examination, Example, WorkerError, check
from fastconv.dropin.race import Lap, Race, RaceRow, Sizes, race

GuestError = WorkerError  # as it was called before

__all__ = [
    "CaseResult",
    "CheckReport",
    "Examination",
    "Example",
    "GuestError",
    "WorkerError",
    "Lap",
    "Race",
    "RaceRow",
    "Sizes",
    "check",
    "race",
]
