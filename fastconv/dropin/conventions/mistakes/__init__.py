"""The usual mistakes in convolution and pooling: what each would compute, in words, and the idea of the fix."""

from fastconv.dropin.conventions.mistakes.mistake import MISTAKES, Mistake, Suspicion
from fastconv.dropin.conventions.mistakes.suspicions import suspicions

__all__ = ["MISTAKES", "Mistake", "Suspicion", "suspicions"]
