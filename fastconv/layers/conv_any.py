"""What the layers of convolution and of transposed convolution have in common, whatever their rank."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from fastconv.backends.geometry import ConvGeometry
from fastconv.errors import InvalidValueError
from fastconv.functional import ConvGradients
from fastconv.layers.steps import Shape
from fastconv.layers.weighted import WeightedLayer
from fastconv.validation.arrays import LAYOUTS, Array, check_layout
from fastconv.validation.sizes import check_integer, check_padding, check_sizes

__all__ = ["ConvolutionLayer"]


class ConvolutionLayer(WeightedLayer):
    """Channels, window and layout; the subclasses name the operation and draw the weights."""

    rank: ClassVar[int]
    _forward: ClassVar[Callable[..., Array]]
    _backward: ClassVar[Callable[..., ConvGradients]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        layout: str | None,
        backend: str | None,
    ) -> None:
        super().__init__(backend)
        name, rank = type(self).__name__, self.rank
        self.in_channels = check_integer(name, "in_channels", in_channels, 1)
        self.out_channels = check_integer(name, "out_channels", out_channels, 1)
        self.kernel_size = check_sizes(name, "kernel_size", kernel_size, rank, 1)
        self.stride = check_sizes(name, "stride", stride, rank, 1)
        self.padding = check_padding(name, padding, rank)
        self.dilation = check_sizes(name, "dilation", dilation, rank, 1)
        self.groups = check_integer(name, "groups", groups, 1)
        self.layout = LAYOUTS[rank][0] if layout is None else layout
        check_layout(name, self.layout, rank)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise InvalidValueError(
                f"{name}: groups must divide in_channels and out_channels, but got groups={self.groups} with "
                f"in_channels={self.in_channels} and out_channels={self.out_channels}."
            )

    @property
    def _channels_last(self) -> bool:
        return self.layout != LAYOUTS[self.rank][0]

    @property
    def _options(self) -> dict[str, Any]:
        """What the operation takes besides its arrays."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "layout": self.layout,
        }

    def _gradients(self, dy: Any, x: Array, input_gradient: bool) -> Array | None:
        """Add the gradients of weight and bias, return that of `x`."""
        operation = type(self)._backward
        gradients = operation(
            dy,
            x,
            self.weight.data,
            **self._options,
            needs=self._needs(input_gradient),
            backend=self.backend or self._kept_backend(),
        )
        return self._accumulate(gradients)

    @abstractmethod
    def _geometry(self, input_shape: Shape) -> ConvGeometry:
        """Geometry of the convolution over an input of that shape."""

    def convolutions(self, input_shape: Shape) -> tuple[ConvGeometry, ...]:
        """Return the geometry of this one, or of the one that it turns round."""
        return (self._geometry(input_shape),)

    def multiply_adds(self, input_shape: Shape) -> int:
        """Windows times the taps of all channels in them."""
        return self._geometry(input_shape).multiply_adds()

    def _unusual(self) -> dict[str, tuple[Any, Any]]:
        """Arguments that `repr` shows where they differ from what is usual."""
        return {
            "stride": (self.stride, (1,) * self.rank),
            "padding": (self.padding, ((0, 0),) * self.rank),
            "dilation": (self.dilation, (1,) * self.rank),
            "groups": (self.groups, 1),
            "bias": (self.bias is not None, True),
            "layout": (self.layout, LAYOUTS[self.rank][0]),
        }

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        return text + "".join(
            f", {name}={value!r}" for name, (value, usual) in self._unusual().items() if value != usual
        )
