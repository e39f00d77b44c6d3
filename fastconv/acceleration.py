"""The public names of `fastconv.dropin.accelerate`, which are documented here."""

from fastconv.dropin.accelerate import Acceleration, AccelerationError, AccelerationWarning, Mismatch, accelerate

__all__ = ["Acceleration", "AccelerationError", "AccelerationWarning", "Mismatch", "accelerate"]
