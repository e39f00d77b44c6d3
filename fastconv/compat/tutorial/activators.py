"""The activators of the original: ``forward`` of a weighted input, ``backward`` of an output; of arrays as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

__all__ = ["Activator", "IdentityActivator", "ReluActivator", "SigmoidActivator", "TanhActivator", "takes_arrays"]

Function = TypeVar("Function", bound=Callable[..., Any])


class Activator(Protocol):
    """What a layer asks of an activation: two functions of a number."""

    def forward(self, weighted_input: Any) -> Any:
        """Return the output for a weighted input."""

    def backward(self, output: Any) -> Any:
        """Return the derivative, as a function of the output."""


def takes_arrays(function: Function) -> Function:
    """Mark a function of numbers that gives the same for a whole array at once, so that nobody loops over elements.

    Parameters
    ----------
    function : callable
        Such as the ``forward`` of an activator. Without the mark it is called once for every element.

    Returns
    -------
    callable
        The same function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.compat.tutorial import element_wise_op
    >>> @takes_arrays
    ... def halve(values):
    ...     return values / 2
    >>> array = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> element_wise_op(array, halve)
    >>> array
    array([[0.5, 1. ],
           [1.5, 2. ]])
    """
    function.takes_arrays = True  # type: ignore[attr-defined]
    return function


class ReluActivator:
    """``max(0, x)``. As there, NaN becomes 0.

    Examples
    --------
    >>> import numpy as np
    >>> ReluActivator().forward(np.array([-1.5, 0.0, 2.5])), ReluActivator().backward(2.5)
    (array([0. , 0. , 2.5]), 1)
    """

    @takes_arrays
    def forward(self, weighted_input: Any) -> Any:
        """Return the positive part."""
        if np.ndim(weighted_input) == 0:
            return max(0, weighted_input)
        y = np.fmax(weighted_input, 0)  # a seventh of the time of np.where
        y += 0  # -0.0 becomes 0.0
        return y

    @takes_arrays
    def backward(self, output: Any) -> Any:
        """Return 1 where the output is positive, 0 elsewhere."""
        return (output > 0).astype(int) if np.ndim(output) else int(output > 0)


class IdentityActivator:
    """No activation.

    Examples
    --------
    >>> IdentityActivator().forward(-3), IdentityActivator().backward(-3)
    (-3, 1)
    """

    @takes_arrays
    def forward(self, weighted_input: Any) -> Any:
        """Return the weighted input."""
        return weighted_input

    @takes_arrays
    def backward(self, output: Any) -> Any:
        """Return 1."""
        return 1


class SigmoidActivator:
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> print(SigmoidActivator().forward(0), SigmoidActivator().backward(0.5))
    0.5 0.25
    """

    @takes_arrays
    def forward(self, weighted_input: Any) -> Any:
        """Return the logistic function."""
        with np.errstate(over="ignore"):  # exp of a large number is infinite, and the result the 0 that it should be
            return 1.0 / (1.0 + np.exp(-weighted_input))

    @takes_arrays
    def backward(self, output: Any) -> Any:
        """Return ``output * (1 - output)``."""
        return output * (1 - output)


class TanhActivator:
    """The hyperbolic tangent.

    Examples
    --------
    >>> print(TanhActivator().forward(0), TanhActivator().backward(0.5))
    0.0 0.75
    """

    @takes_arrays
    def forward(self, weighted_input: Any) -> Any:
        """Return the hyperbolic tangent."""
        return np.tanh(weighted_input)

    @takes_arrays
    def backward(self, output: Any) -> Any:
        """Return ``1 - output ** 2``."""
        return 1 - output * output
