"""Somebody else's loop code on the fast engine: `accelerate`."""

from fastconv.acceleration.api import accelerate
from fastconv.acceleration.results import Acceleration
from fastconv.acceleration.verification import Mismatch
from fastconv.errors import AccelerationError, AccelerationWarning

__all__ = ["Acceleration", "AccelerationError", "AccelerationWarning", "Mismatch", "accelerate"]
