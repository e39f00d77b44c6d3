"""Somebody else's loop code on the fast engine: `accelerate`."""

from fastconv.dropin.accelerate.acceleration import Acceleration
from fastconv.dropin.accelerate.api import accelerate as _accelerate
from fastconv.dropin.accelerate.mismatch import Mismatch
from fastconv.dropin.accelerate.watch import watch, with_watch
from fastconv.errors import AccelerationError, AccelerationWarning

accelerate = with_watch(_accelerate)

__all__ = ["Acceleration", "AccelerationError", "AccelerationWarning", "Mismatch", "accelerate", "watch"]
