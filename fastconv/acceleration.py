"""What `fastconv.accelerate` returns, under the name that programs import it by; it is in `fastconv.dropin`."""

from fastconv.dropin.accelerate import Acceleration, AccelerationError, AccelerationWarning, Mismatch, accelerate

__all__ = ["Acceleration", "AccelerationError", "AccelerationWarning", "Mismatch", "accelerate"]
