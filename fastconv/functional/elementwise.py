"""What activation functions share: functions of one number at a time.

Every activation function takes an array of any shape, memory order and real dtype and returns a fresh one: float32 and
float64 are kept, float16 is computed in float32 and rounded once, integers become float64. Infinities and NaN give what
they give in PyTorch, without a warning. A backward function takes the output `y` of the forward one where the output
says enough, so that a network need not keep the input too, and `x` elsewhere. The backend is the current one.
"""

from __future__ import annotations

from fastconv.backends.base import Backend
from fastconv.functional.call import Call
from fastconv.validation.arrays import Array


def forward(name: str, x: object, *numbers: float, kind: str = "") -> Array:
    """Check `x`, and apply the function `name` of the backends, or the `kind` of it, with these numbers."""
    call = Call(name)
    (array,) = call.arrays(x=x).values()
    return call.finish(call.compute(Backend.activation, kind or name, call.computed(array), *numbers))


def gradient(name: str, dy: object, value: object, which: str, *numbers: float, kind: str = "") -> Array:
    """Check `dy` and the input or output, `which`, and apply the gradient of a function as in `forward`."""
    call = Call(f"{name}_backward")
    dy, value = call.gradient_pair(which, dy, value)
    return call.finish(call.compute(Backend.activation_backward, kind or name, dy, value, *numbers))
