"""How other people write convolution and pooling: recognise their code, call it, judge it.

Every way of writing is a `Convention`, in a module of its own. `recognise` finds implementations, `CASES` are the
inputs on which they are judged, and `judge` compares what comes out with the naive backend.
"""

from fastconv.conventions.cases import CASES, Case
from fastconv.conventions.convention import Convention
from fastconv.conventions.implementation import Implementation, Target
from fastconv.conventions.judge import CANNOT, OK, RAISED, WRONG, Verdict, judge, run, worst
from fastconv.conventions.known import CONVENTIONS
from fastconv.conventions.problem import Problem, draw
from fastconv.conventions.recognise import recognise
from fastconv.conventions.results import Results, expected

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
