"""What `fastconv.check` returns, and timing, under the name that programs import them by; in `fastconv.dropin`."""

from fastconv.dropin.check import CaseResult, CheckReport, CodeProcessError, Examination, Example, check
from fastconv.dropin.race import Lap, Race, RaceRow, Sizes, race

GuestError = CodeProcessError  # as it was called before

__all__ = [
    "CaseResult",
    "CheckReport",
    "Examination",
    "Example",
    "GuestError",
    "CodeProcessError",
    "Lap",
    "Race",
    "RaceRow",
    "Sizes",
    "check",
    "race",
]
