"""The public names of `fastconv.dropin.conventions`, which are documented here."""

from fastconv.dropin.conventions import CASES, CONVENTIONS, Case, Convention, Problem, Verdict, draw, judge, recognise

__all__ = ["CASES", "CONVENTIONS", "Case", "Convention", "Problem", "Verdict", "draw", "judge", "recognise"]
