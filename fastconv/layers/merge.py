"""Layers whose branches all read the same input: their sum, or their outputs side by side."""

from __future__ import annotations

from abc import abstractmethod
from math import prod

import numpy as np

from fastconv.errors import InvalidValueError
from fastconv.functional.copies import concatenated
from fastconv.functional.relu import add
from fastconv.layers.base import Layer, Shape, Step, Value
from fastconv.layers.containers import Container
from fastconv.layers.linear import Identity
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_any_shape, check_axis, check_integer
from fastconv.validation.types import ArrayLike


class _Join(Identity):
    """The step of a trace at which branches meet: what a container does beside running them. It is never run itself."""

    returns_view = False
    additions = 0

    def flops(self, input_shape: Shape) -> int:
        """One per addition."""
        return self.additions * prod(input_shape)


class Sum(_Join):
    """Where a `Residual` adds."""

    def __init__(self, branches: int) -> None:
        super().__init__()
        self.additions = branches - 1


class Concatenation(_Join):
    """Where a `Concat` puts side by side."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis


class _Branches(Container):
    """Branches with names, and a step at the end that joins their outputs."""

    _part, _parts = "branch", "branches"
    _join: _Join

    def __init__(self, branches: tuple[Layer | dict[str, Layer], ...]) -> None:
        super().__init__(branches)
        if not self._layers:
            raise InvalidValueError(f"{type(self).__name__}: branches must be at least one, but got none.")

    @abstractmethod
    def _joined(self, shapes: list[Shape]) -> Shape:
        """Shape of what is made of outputs of those shapes; refuses those that do not fit."""

    def _outputs(self, input_shape: Shape) -> list[Shape]:
        """Shapes of all that is joined."""
        return [branch.output_shape(input_shape) for branch in self._layers.values()]

    def _arms(self, value: Value, steps: list[Step], name: str) -> list[tuple[Value, int]]:
        """Trace the branches: what each returns, and the number of steps after it."""
        return [
            (branch.trace(value, steps, f"{name}.{child}" if name else child), len(steps))
            for child, branch in self._layers.items()
        ]

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of what the branches make together; see `Layer.output_shape`."""
        return self._joined(self._outputs(check_any_shape(type(self).__name__, "input_shape", input_shape)))

    def trace(self, value: Value, steps: list[Step], name: str = "") -> Value:
        """See `Layer.trace`: the branches, and a step that reads all their outputs."""
        first = len(steps)
        arms, ends = zip(*self._arms(value, steps, name))
        key = 1 + max(value.key, *(step.output.key for step in steps), 0)
        try:
            shape = self._joined([arm.shape for arm in arms])
        except InvalidValueError as error:
            raise type(error)(f"layer {name}: {error}" if name else str(error)) from None
        steps.append(Step(name, self._join, arms, Value(key, shape), tuple(zip((first, *ends), ends))))
        return steps[-1].output


class Join(_Branches):
    """Outputs of branches that all read the same input, joined by a function of a subclass."""

    def __init__(self, branches: dict[str, Layer]) -> None:
        super().__init__((branches,))
        self._join = _Join()

    @abstractmethod
    def join(self, *outputs: Array) -> Array:
        """Compute the output from those of the branches."""

    def forward(self, x: ArrayLike) -> Array:
        """Join the outputs of the branches; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        return self.join(*(branch.forward(x) for branch in self._layers.values()))


class Residual(_Branches):
    """Sum of branches that all read the same input; one branch alone is added to the input itself.

    ``(N, ...) -> (N, ...)``

    Parameters
    ----------
    *branches : Layer, or one dict of str to Layer
        Their outputs have the same shape. A dict names them. One alone makes ``x + branch(x)``, a skip connection,
        which `Skip`, another name of this class, writes as it is drawn: ``Skip(block)``. Put an `Identity` among
        several for the same.

    Raises
    ------
    TypeError
        If something is not a layer.
    ValueError
        If there is no branch, or a layer appears twice; in `output_shape` and `forward`, if the shapes differ.

    Notes
    -----
    He, Zhang, Ren and Sun (2016), "Deep Residual Learning for Image Recognition", equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.layers import Conv2d, Linear, ReLU, Sequential, Skip
    >>> block = Residual(Sequential(Conv2d(4, 4, 3, padding=1, rng=0), ReLU()), Conv2d(4, 4, 1, rng=1))
    >>> block.output_shape((2, 4, 5, 7))
    (2, 4, 5, 7)
    >>> one = Skip(Linear(2, 2, rng=0))
    >>> one[0].weight = [[0, 1], [1, 0]]
    >>> one(np.array([[1.0, 10.0]], np.float32))
    array([[11., 11.]], dtype=float32)
    """

    def __init__(self, *branches: Layer | dict[str, Layer]) -> None:
        super().__init__(branches)
        self._join = Sum(max(2, len(self)))

    def forward(self, x: ArrayLike) -> Array:
        """Add the outputs of the branches; see `Layer.forward`."""
        x = check_array("Residual", "x", x)
        total: Array | None = x if len(self._layers) == 1 else None
        for branch in self._layers.values():
            y = branch.forward(x)
            if total is not None:
                self._joined([total.shape, y.shape])
                y = add(total, y)
            total = y
        assert total is not None
        self._keep(total.shape)
        return total

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Add the gradients of the branches, each of which gets `dy`; see `Layer.backward`."""
        (shape,) = self._kept()
        dy = self._check_dy(dy, shape)
        total: Array | None = dy if len(self._layers) == 1 and input_gradient else None
        for branch in self._layers.values():
            dx = branch.backward(dy, input_gradient=input_gradient)
            if dx is not None:
                total = dx if total is None else add(total, dx)
        return total

    def _outputs(self, input_shape: Shape) -> list[Shape]:
        return ([input_shape] if len(self._layers) == 1 else []) + super()._outputs(input_shape)

    def _arms(self, value: Value, steps: list[Step], name: str) -> list[tuple[Value, int]]:
        first = len(steps)
        arms = super()._arms(value, steps, name)
        return [(value, first), *arms] if len(arms) == 1 else arms

    def _joined(self, shapes: list[Shape]) -> Shape:
        if any(shape != shapes[0] for shape in shapes):
            hint = " A branch that changes the shape needs a shortcut that does so too." if len(self) == 1 else ""
            raise InvalidValueError(
                f"Residual: the branches must have outputs of the same shape, but got "
                f"{' and '.join(map(str, shapes))}.{hint}"
            )
        return shapes[0]


Skip = Residual


class Concat(_Branches):
    """Outputs of branches that all read the same input, one after the other along an axis.

    ``(N, C, ...) -> (N, C_0 + C_1 + ..., ...)``

    Parameters
    ----------
    *branches : Layer, or one dict of str to Layer
        Their outputs have the same shape but along `axis`. A dict names them.
    axis : int
        Where to put them side by side; by default the channels of NCHW. Those of NHWC are axis -1. Not the batch.

    Raises
    ------
    TypeError
        If something is not a layer.
    ValueError
        If there is no branch, a layer appears twice, or the axis is 0; in `output_shape` and `forward`, if the shapes
        do not fit.

    Notes
    -----
    Szegedy et al. (2015), "Going Deeper with Convolutions", figure 2.

    Examples
    --------
    >>> from fastconv.layers import Conv2d, Identity
    >>> Concat(Conv2d(3, 8, 3, padding=1), Conv2d(3, 4, 1), Identity()).output_shape((2, 3, 5, 6))
    (2, 15, 5, 6)
    """

    def __init__(self, *branches: Layer | dict[str, Layer], axis: int = 1) -> None:
        super().__init__(branches)
        self.axis = check_integer("Concat", "axis", axis, -(2**31))
        if self.axis == 0:
            raise InvalidValueError("Concat: axis must not be that of the batch, but got 0. Channels are axis 1 or -1.")
        self._join = Concatenation(self.axis)

    def forward(self, x: ArrayLike) -> Array:
        """Put the outputs of the branches side by side; see `Layer.forward`."""
        x = check_array("Concat", "x", x)
        outputs = [branch.forward(x) for branch in self._layers.values()]
        shapes = [y.shape for y in outputs]
        shape = self._joined(shapes)
        y = concatenated("Concat", outputs, self.axis)
        self._keep(shape, [part[self.axis] for part in shapes])
        return y

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Give every branch its part of `dy`, and add their gradients; see `Layer.backward`."""
        shape, sizes = self._kept()
        parts = np.split(self._check_dy(dy, shape), np.cumsum(sizes)[:-1], axis=self.axis)
        total: Array | None = None
        for branch, part in zip(self._layers.values(), parts):
            dx = branch.backward(part, input_gradient=input_gradient)
            if dx is not None:
                total = dx if total is None else add(total, dx)
        return concatenated("Concat", [total], self.axis) if total is not None and len(self) == 1 else total

    def _joined(self, shapes: list[Shape]) -> Shape:
        axis = check_axis("Concat", "axis", self.axis, shapes[0])
        if axis == 0:
            raise InvalidValueError(
                f"Concat: axis must not be that of the batch, but got {self.axis} for outputs of shape {shapes[0]}."
            )
        rest = [(*shape[:axis], *shape[axis + 1 :]) for shape in shapes]
        if any(one != rest[0] or len(shape) != len(shapes[0]) for one, shape in zip(rest, shapes)):
            raise InvalidValueError(
                f"Concat: the branches must have outputs of the same shape but along axis {self.axis}, but got "
                f"{' and '.join(map(str, shapes))}."
            )
        total = sum(shape[axis] for shape in shapes)
        return (*shapes[0][:axis], total, *shapes[0][axis + 1 :])

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return "" if self.axis == 1 else f"axis={self.axis}"
