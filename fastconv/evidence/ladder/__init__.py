"""The ladder: one convolution from plain loops to the engine, rung by rung, measured on this machine."""

from fastconv.evidence.ladder.climb import run_ladder
from fastconv.evidence.ladder.ladder import Ladder, plot_ladder

__all__ = ["Ladder", "plot_ladder", "run_ladder"]
