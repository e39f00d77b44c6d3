"""Somebody else's loop code on the fast engine: `accelerate`."""

from fastconv.dropin.accelerate.acceleration import Acceleration
from fastconv.dropin.accelerate.api import accelerate
from fastconv.dropin.accelerate.mismatch import Mismatch
from fastconv.errors import AccelerationError, AccelerationWarning

__all__ = ["Acceleration", "AccelerationError", "AccelerationWarning", "Mismatch", "accelerate"]
