"""Whole networks: recorded once, replayed by native code."""

from fastconv.programs.program import Program, compile

__all__ = ["Program", "compile"]
