"""Softmax layers."""

from __future__ import annotations

from typing import Any

from fastconv.errors import InvalidValueError, shown
from fastconv.layers.base import Shape
from fastconv.layers.elementwise import Elementwise
from fastconv.validation.sizes import check_any_shape, check_axis, check_integer


class _AlongAxis(Elementwise):
    """A function of all numbers along one axis."""

    arguments = ("dim",)
    operations = 5

    def __init__(self, dim: int | None = None, *, axis: int | None = None) -> None:
        super().__init__()
        name = type(self).__name__
        if dim is not None and axis is not None:
            raise InvalidValueError(
                f"{name}: dim and axis must not both be given, but got dim={shown(dim)} and axis={shown(axis)}."
            )
        given = axis if dim is None else dim
        self.dim = 1 if given is None else check_integer(name, "dim", given, -(2**63))

    @property
    def _options(self) -> dict[str, Any]:
        return {"axis": self.dim}

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input, which must have the axis; see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        check_axis(type(self).__name__, "dim", self.dim, shape)
        return shape


class Softmax(_AlongAxis):
    """Scores become probabilities, ``exp(x) / sum(exp(x))``; see `fastconv.softmax`.

    A network that is trained with `fastconv.losses.softmax_cross_entropy` ends without it: the loss takes scores.

    Parameters
    ----------
    dim : int
        Axis of the classes; by default 1, which is right for (N, C) and for (N, C, H, W).
    axis : int
        Another name of `dim`.

    Raises
    ------
    ValueError
        If both names are used.
    TypeError
        If the axis is not an integer.

    Examples
    --------
    >>> Softmax()([[1000.0, 1000.0]])
    array([[0.5, 0.5]])
    """

    _operation = "softmax"


class LogSoftmax(_AlongAxis):
    """Logarithms of `Softmax`; see `fastconv.log_softmax`.

    Arguments as for `Softmax`.

    Examples
    --------
    >>> LogSoftmax(dim=-1)([[0.0, -1000.0]])
    array([[    0., -1000.]])
    """

    _operation = "log_softmax"
