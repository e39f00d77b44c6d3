"""Conventions and cases, under the name that programs import them by; they are in `fastconv.dropin.conventions`."""

from fastconv.dropin.conventions import CASES, CONVENTIONS, Case, Convention, Problem, Verdict, draw, judge, recognise

__all__ = ["CASES", "CONVENTIONS", "Case", "Convention", "Problem", "Verdict", "draw", "judge", "recognise"]
