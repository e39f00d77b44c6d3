"""Other people's convolution and pooling, examined: each file in a process of its own, with a time limit."""

from fastconv.dropin.check.api import check
from fastconv.dropin.check.results import CaseResult, CheckReport, Examination, Example
from fastconv.dropin.check.worker import GuestError

__all__ = ["CaseResult", "CheckReport", "Examination", "Example", "GuestError", "check"]
