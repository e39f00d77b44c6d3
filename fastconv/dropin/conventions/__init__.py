"""How other people write convolution and pooling: recognise their code, call it, judge it.

Every way of writing is a `Convention`, in a module of its own. `recognise` finds implementations, `CASES` are the
inputs on which they are judged, and `judge` compares what comes out with the naive backend.
"""

from fastconv.dropin.conventions.cases import CASES, Case
from fastconv.dropin.conventions.convention import Convention, Implementation, Target
from fastconv.dropin.conventions.expected import Results, expected
from fastconv.dropin.conventions.judge import CANNOT, OK, RAISED, WRONG, Verdict, judge, run, worst
from fastconv.dropin.conventions.problem import Problem, draw
from fastconv.dropin.conventions.recognise import CONVENTIONS, recognise

__all__ = [
    "CANNOT",
    "CASES",
    "CONVENTIONS",
    "OK",
    "RAISED",
    "WRONG",
    "Case",
    "Convention",
    "Implementation",
    "Problem",
    "Results",
    "Target",
    "Verdict",
    "draw",
    "expected",
    "judge",
    "recognise",
    "run",
    "worst",
]
