"""Other people's convolution and pooling, examined: each file in a process of its own, with a time limit."""

from fastconv.dropin.check.api import check
from fastconv.dropin.check.case_results import CaseResult, Examination, Example
from fastconv.dropin.check.check_report import CheckReport
from fastconv.dropin.check.code_process import CodeProcessError

__all__ = ["CaseResult", "CheckReport", "Examination", "Example", "CodeProcessError", "check"]
