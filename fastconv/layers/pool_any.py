"""What the layers of max, average and Lp pooling over sliding windows have in common, whatever their rank."""

from __future__ import annotations

from math import prod
from typing import Any

from fastconv.backends.geometry import WindowGeometry
from fastconv.layers.arguments import check_input_shape
from fastconv.layers.planes import MaximaLayer, PlanesLayer
from fastconv.layers.steps import Shape
from fastconv.validation.arrays import LAYOUTS, Array, check_array, layout_shape, logical_shape
from fastconv.validation.operations import pool_geometry
from fastconv.validation.pooling import check_norm_type
from fastconv.validation.sizes import check_flag, check_padding, check_sizes

__all__ = ["AvgPool", "LPPool", "MaxPool"]

_ITEMSIZE = 0  # a shape may be larger than this machine; the operation checks its arrays


class _Pool(PlanesLayer):
    """Windows over every plane; the subclasses name the operation."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        ceil_mode: bool,
        layout: str | None,
        backend: str | None,
    ) -> None:
        super().__init__(layout, backend)
        name, rank = type(self).__name__, self.rank
        self.kernel_size = check_sizes(name, "kernel_size", kernel_size, rank, 1)
        self.stride = self.kernel_size if stride is None else check_sizes(name, "stride", stride, rank, 1)
        self.padding = check_padding(name, padding, rank)
        self.dilation = check_sizes(name, "dilation", dilation, rank, 1)
        self.ceil_mode = check_flag(name, "ceil_mode", ceil_mode)

    @property
    def _arguments(self) -> tuple[Any, ...]:
        return (self.kernel_size,)

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "ceil_mode": self.ceil_mode,
            "layout": self.layout,
        }

    def _geometry(self, input_shape: Shape) -> WindowGeometry:
        name = type(self).__name__
        return pool_geometry(
            name,
            logical_shape(check_input_shape(name, input_shape, self.layout), channels_last=self._channels_last),
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            _ITEMSIZE,
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        """(N, C, *out), in the layout; see `Layer.output_shape`."""
        return layout_shape(self._geometry(input_shape).output_shape, channels_last=self._channels_last)

    def flops(self, input_shape: Shape) -> int:
        """One operation for each element of a window."""
        return prod(self.output_shape(input_shape)) * prod(self.kernel_size)

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        extras = {
            "padding": (self.padding, ((0, 0),) * self.rank),
            "dilation": (self.dilation, (1,) * self.rank),
            "ceil_mode": (self.ceil_mode, False),
            "layout": (self.layout, LAYOUTS[self.rank][0]),
        }
        text = f"kernel_size={self.kernel_size}, stride={self.stride}"
        return text + "".join(f", {name}={value!r}" for name, (value, usual) in extras.items() if value != usual)


class MaxPool(_Pool, MaximaLayer):
    """Largest element of every window."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        *,
        layout: str | None = None,
        backend: str | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, layout, backend)


class AvgPool(_Pool):
    """Mean of every window."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        layout: str | None = None,
        backend: str | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, layout, backend)
        self.count_include_pad = check_flag(type(self).__name__, "count_include_pad", count_include_pad)

    @property
    def _options(self) -> dict[str, Any]:
        return {**super()._options, "count_include_pad": self.count_include_pad}

    def forward(self, x: Any) -> Array:
        """Return the means; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        operation = type(self)._forward
        y: Array = operation(x, self.kernel_size, **self._options, backend=self.backend)
        self._keep(x.shape)
        return y

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient, spread over the windows; see `Layer.backward`."""
        (input_shape,) = self._kept()
        dy = self._check_dy(dy, self.output_shape(input_shape))
        if not input_gradient:
            return None
        operation = type(self)._backward
        backend = self.backend or self._kept_backend()
        return operation(dy, input_shape, self.kernel_size, **self._options, backend=backend)

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return super().extra_repr() + ("" if self.count_include_pad else ", count_include_pad=False")


class LPPool(_Pool):
    """Norm of every window."""

    keeps_input = True

    def __init__(
        self,
        norm_type: float,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        *,
        layout: str | None = None,
        backend: str | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode, layout, backend)
        self.norm_type = check_norm_type(type(self).__name__, norm_type)

    def forward(self, x: Any) -> Array:
        """Return the norms; see `Layer.forward`."""
        x = check_array(type(self).__name__, "x", x)
        operation = type(self)._forward
        y: Array = operation(x, self.norm_type, self.kernel_size, **self._options, backend=self.backend)
        self._keep(x)
        return y

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array | None:
        """Return the gradient of the norms; see `Layer.backward`."""
        (x,) = self._kept()
        dy = self._check_dy(dy, self.output_shape(x.shape))
        if not input_gradient:
            return None
        operation = type(self)._backward
        backend = self.backend or self._kept_backend()
        return operation(dy, x, self.norm_type, self.kernel_size, **self._options, backend=backend)

    def flops(self, input_shape: Shape) -> int:
        """One power and one addition for each element of a window."""
        return 2 * super().flops(input_shape)

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        return f"norm_type={self.norm_type:g}, {super().extra_repr()}"
