"""Naive against fast: how far apart two backends are, in numbers, time and memory."""

from fastconv.evidence.accuracy import Difference
from fastconv.evidence.compare.api import compare
from fastconv.evidence.compare.comparison import Comparison
from fastconv.evidence.compare.rows import PassResult, Row
from fastconv.evidence.environment import Environment

__all__ = ["Comparison", "Difference", "Environment", "PassResult", "Row", "compare"]
