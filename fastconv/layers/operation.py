"""What layers share that compute one operation of `fastconv.functional`, and those over planes in a layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from fastconv import functional
from fastconv.layers.arguments import check_input_shape
from fastconv.layers.base import Layer, Shape
from fastconv.validation.arrays import LAYOUTS, Array, check_layout, layout_shape, logical_shape
from fastconv.validation.sizes import check_padding, check_sizes
from fastconv.validation.types import Layout, Padding, Size

ITEMSIZE = 0  # for geometries: a shape may be larger than this machine, and the operation checks its arrays


class OperationLayer(Layer):
    """A layer around one operation and its gradient, which it names.

    Attributes
    ----------
    _operation : str
        Name of a function of `fastconv.functional`, with ``{rank}`` in the place of the number of spatial axes.
    _gradient : str
        Name of the function that is its gradient.
    """

    rank: ClassVar[int]
    _operation: ClassVar[str]
    _gradient: ClassVar[str] = "{operation}_backward"
    _forward: ClassVar[Callable[..., Array]]  # with the places of maxima, where they are asked for
    _backward: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls) -> None:
        """Look the functions up, as soon as the name has all of its parts."""
        super().__init_subclass__()
        operation, rank = getattr(cls, "_operation", None), getattr(cls, "rank", None)
        if operation is not None and (rank is not None or "{rank}" not in operation):
            name = operation.format(rank=rank)
            cls._forward = staticmethod(getattr(functional, name))
            cls._backward = staticmethod(getattr(functional, cls._gradient.format(operation=name, rank=rank)))


class SpatialLayer(Layer):
    """A layer over (N, C, *spatial) arrays, the channels of which come second or last."""

    rank: ClassVar[int]
    layout: Layout

    def _set_layout(self, layout: Layout | None) -> None:
        """Keep the layout, which is checked; by default, channels come first."""
        first: Any = LAYOUTS[self.rank][0]
        self.layout = first if layout is None else layout
        check_layout(type(self).__name__, self.layout, self.rank)

    @property
    def _channels_last(self) -> bool:
        return self.layout != LAYOUTS[self.rank][0]

    def _logical(self, input_shape: Shape) -> Shape:
        """(N, C, *size) of the shape of an input, which is checked."""
        shape = check_input_shape(type(self).__name__, input_shape, self.layout)
        return logical_shape(shape, channels_last=self._channels_last)

    def _in_layout(self, shape: Shape) -> Shape:
        """Shape in the layout of this layer of an (N, C, *size) array."""
        return layout_shape(shape, channels_last=self._channels_last)

    def _layout_repr(self) -> str:
        """What `repr` shows of a layout that is not the usual one, after other arguments."""
        return f", layout={self.layout!r}" if self.layout != LAYOUTS[self.rank][0] else ""


class WindowsLayer(SpatialLayer):
    """A layer whose windows lie on planes."""

    def _set_windows(self, kernel_size: Size, stride: Size, padding: Padding, dilation: Size) -> None:
        """Keep how windows lie, one size for each spatial axis."""
        name, rank = type(self).__name__, self.rank
        self.kernel_size = check_sizes(name, "kernel_size", kernel_size, rank, 1)
        self.stride = check_sizes(name, "stride", stride, rank, 1)
        self.padding = check_padding(name, padding, rank)
        self.dilation = check_sizes(name, "dilation", dilation, rank, 1)
