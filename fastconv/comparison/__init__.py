"""Naive against fast: how far apart two backends are, in numbers, time and memory."""

from fastconv.comparison.api import compare
from fastconv.comparison.results import Comparison, Difference, Environment, PassResult, Row

__all__ = ["Comparison", "Difference", "Environment", "PassResult", "Row", "compare"]
