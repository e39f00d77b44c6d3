"""Whole networks: recorded once, replayed by native code."""

from fastconv.programs.program import Program, compile
from fastconv.programs.step import TrainingStep

__all__ = ["Program", "TrainingStep", "compile"]
