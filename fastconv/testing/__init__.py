"""Tolerances, comparisons and gradient checks: what the tests of fastconv use, public for yours.

`assert_close`, `adjoint_check` and `gradient_check` raise by themselves, so that a result that nobody looks at cannot
hide a fault.
"""

from fastconv.testing.closeness import assert_close, magnitude, tolerance
from fastconv.testing.gradients import GradientCheck, adjoint_check, gradient_check

__all__ = ["GradientCheck", "adjoint_check", "assert_close", "gradient_check", "magnitude", "tolerance"]
