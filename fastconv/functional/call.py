"""What every operation does around its backend: arrays checked on the way in, dtype and layout on the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypedDict, TypeVar

import numpy as np

from fastconv.backends import get_backend, resolve_backend
from fastconv.backends.base import Backend
from fastconv.backends.geometry import CHANNELS_FIRST, CHANNELS_LAST, WindowGeometry
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import (
    LAYOUTS,
    Array,
    check_array,
    check_layout,
    check_rank,
    check_shape,
    common_dtype,
    compute_dtype,
    layout_shape,
    logical_shape,
)
from fastconv.validation.memory import check_fits, out_of_memory
from fastconv.validation.operations import pool_geometry
from fastconv.validation.sizes import CheckedPadding, check_flag, check_padding, check_shape_argument, check_sizes
from fastconv.validation.types import BackendName, Layout, Shape

if TYPE_CHECKING:
    from typing_extensions import TypeVarTuple, Unpack

    Ts = TypeVarTuple("Ts")

DType = np.dtype[Any]
T = TypeVar("T")

ARRAYS = "its arrays"  # of an operation, in the error of one that does not fit into memory


class CallOptions(TypedDict, total=False):
    """Options of every operation on planes; for the type checker."""

    layout: Layout
    backend: BackendName | None


class ConvGradients(NamedTuple):
    """Gradients of a convolution or transposed convolution; None for those that were not asked for.

    Attributes
    ----------
    dx : ndarray or None
        Gradient of the input, shaped like it.
    dweight : ndarray or None
        Gradient of the weights, shaped like them.
    dbias : ndarray or None
        Gradient of the bias, one number per output channel.
    """

    dx: Array | None
    dweight: Array | None
    dbias: Array | None


def as_computed(x: Array, dtype: DType) -> Array:
    """Return `x` in the dtype and byte order of the computation of a result of `dtype`; itself where it has them."""
    if x.dtype is dtype and dtype.itemsize > 2:  # most calls, in a tenth of the time of what follows
        return x
    return x.astype(compute_dtype(dtype), copy=False)


def finish(y: Array, dtype: DType) -> Array:
    """Give a result its dtype; only float16 is rounded here, once."""
    if y.dtype != dtype:
        with np.errstate(all="ignore"):  # too large for float16 is infinity, as in every framework
            y = y.astype(dtype)
    return y


class Call:
    """One call of an operation: its name, its backend, and the dtype of its result once its arrays are checked."""

    dtype: DType
    batches: ClassVar[tuple[str, ...]] = ()  # names of the arrays that `check_planes` is for

    def __init__(self, operation: str, backend: BackendName | None = None) -> None:
        self.operation, self._backend = operation, backend

    @property
    def backend(self) -> str:
        """Name of the backend that computes this call."""
        return get_backend() if self._backend is None else self._backend

    def compute(self, method: Callable[[Backend, Unpack[Ts]], T], *arguments: Unpack[Ts]) -> T:
        """What the backend of this call makes of arguments, by a method that `Backend` names."""
        try:
            return getattr(resolve_backend(self._backend, self.operation), method.__name__)(*arguments)  # type: ignore[no-any-return]
        except MemoryError as error:
            raise out_of_memory(self.operation, ARRAYS, error) from None

    def arrays(self, optional: Mapping[str, object] | None = None, /, **values: object) -> dict[str, Array]:
        """Arrays that were passed, and optional ones that are not None; the dtype of the result is that of them all."""
        if optional:
            for name, value in optional.items():
                if value is not None:
                    values[name] = value  # noqa: PERF403 (a comprehension takes 0.2 µs more)
        operation, batches = self.operation, self.batches
        arrays = {}
        for name, value in values.items():
            arrays[name] = array = check_array(operation, name, value)
            if name in batches:
                self.check_planes(name, array.shape)
        self.dtype = common_dtype(operation, *arrays.values())
        return arrays

    def check_planes(self, name: str, shape: Shape) -> None:
        """Refuse what is not a batch of planes, as an array among `batches` must be."""

    def gradient_pair(self, other: str, dy: object, value: object) -> tuple[Array, Array]:
        """A gradient and an array of the same shape, named `other`, in the dtype of the computation."""
        gradient, array = self.arrays(**{"dy": dy, other: value}).values()
        check_shape(self.operation, "dy", gradient.shape, array.shape, f"that of {other}")
        return self.computed(gradient), self.computed(array)

    def computed(self, array: Array) -> Array:
        """Return an array in the dtype in which the result is computed."""
        return as_computed(array, self.dtype)

    def checked_bias(self, arrays: dict[str, Array], outputs: int, each: str) -> Array | None:
        """Bias among arrays that were passed, one number for each output."""
        if "bias" not in arrays:
            return None
        check_shape(self.operation, "bias", arrays["bias"].shape, (outputs,), f"one value per {each}")
        return self.computed(arrays["bias"])

    def finish(self, y: Array) -> Array:
        """Give a result its dtype."""
        return finish(y, self.dtype)

    def finish_gradients(
        self, wanted: frozenset[str], dx: Array | None, dweight: Array | None, dbias: Array | None
    ) -> ConvGradients:
        """Give the gradients that were asked for their dtype, and that of the input its layout."""
        return ConvGradients(
            self.finish(dx) if dx is not None and "x" in wanted else None,
            finish(dweight, self.dtype) if dweight is not None and "weight" in wanted else None,
            finish(dbias, self.dtype) if dbias is not None and "bias" in wanted else None,
        )


def compute(
    operation: str, backend: str | None, method: Callable[[Backend, Unpack[Ts]], T], *arguments: Unpack[Ts]
) -> T:
    """What a backend makes of arguments, where nothing else of a `Call` is needed."""
    return Call(operation, backend).compute(method, *arguments)


class PlanesCall(Call):
    """One call of an operation on batches of planes, which are its `x`, `y` and `dy`: their rank and layout too."""

    batches = ("x", "y", "dy")

    def __init__(self, operation: str, rank: int, layout: object, backend: BackendName | None = None) -> None:
        self.operation, self._backend, self.rank = operation, backend, rank
        self.channels_last = check_layout(operation, layout, rank)

    @classmethod
    def of(
        cls, operation: str, name: str, shape: Shape, layout: object, backend: BackendName | None = None
    ) -> PlanesCall:
        """A call of the rank that a shape has; by default, the channels come first."""
        rank = len(shape) - 2
        if rank not in LAYOUTS:
            raise InvalidValueError(
                f"{operation}: {name} must have 3, 4 or 5 axes (N, C, *spatial), but got {rank + 2} (shape {shape})."
            )
        call = cls(operation, rank, LAYOUTS[rank][0] if layout is None else layout, backend)
        call.check_planes(name, shape)
        return call

    @classmethod
    def of_gradient(
        cls, operation: str, dy: object, input_shape: object, layout: object
    ) -> tuple[PlanesCall, Array, Shape]:
        """A call of the rank that `dy` has, with `dy` and the shape of the input, whose batch is not compared yet."""
        gradient = check_array(operation, "dy", dy)
        letters = LAYOUTS[gradient.ndim - 2][0] if 3 <= gradient.ndim <= 5 else "NCHW"
        shape = check_shape_argument(operation, "input_shape", input_shape, letters)
        return cls.of(operation, "the input", shape, layout), gradient, shape

    def check_planes(self, name: str, shape: Shape) -> None:
        """Refuse what is not a batch of planes in the layout of this call."""
        check_rank(self.operation, name, shape, self.rank, channels_last=self.channels_last)

    def shape(self, shape: Shape) -> Shape:
        """(N, C, *spatial) of a shape in the layout of this call."""
        return logical_shape(shape, channels_last=self.channels_last)

    def channels_first(self, array: Array) -> Array:
        """(N, C, *spatial) view of an array."""
        return array.transpose(CHANNELS_FIRST[array.ndim]) if self.channels_last else array

    def view(self, array: Array) -> Array:
        """(N, C, *spatial) view of an array, in the dtype in which the result is computed."""
        return self.channels_first(self.computed(array))

    def in_layout(self, y: Array) -> Array:
        """View of an (N, C, *spatial) array in the layout of this call."""
        return y.transpose(CHANNELS_LAST[y.ndim]) if self.channels_last else y

    def finish(self, y: Array) -> Array:
        """Give a result its dtype and its layout."""
        y = finish(y, self.dtype)
        return self.in_layout(y) if self.channels_last else y

    def finish_maxima(self, maxima: tuple[Array, Array | None]) -> Array | tuple[Array, Array]:
        """Give maxima, and their indices where there are any, dtype and layout."""
        y, indices = maxima
        return self.finish(y) if indices is None else (self.finish(y), self.in_layout(indices))

    def expect_output(self, dy: Array, shape: Shape) -> None:
        """Refuse a `dy` that has not the (N, C, *out) shape of the output."""
        expected = layout_shape(shape, channels_last=self.channels_last)
        check_shape(self.operation, "dy", dy.shape, expected, "the shape of the output")

    def input_shape(self, value: object, dy: Array) -> Shape:
        """(N, C, *size) of the input of a forward call, whose batch and channels are those of `dy`."""
        letters = LAYOUTS[self.rank][self.channels_last]
        shape = check_shape_argument(self.operation, "input_shape", value, letters)
        self.check_planes("the input", shape)
        check_fits(self.operation, "the input", shape, self.dtype.itemsize)
        logical, expected = self.shape(shape), self.shape(dy.shape)
        if logical[:2] != expected[:2]:
            raise InvalidValueError(
                f"{self.operation}: input_shape must have the batch and channels of dy, N={expected[0]} and "
                f"C={expected[1]}, but got N={logical[0]} and C={logical[1]} (input_shape {shape}, dy shape "
                f"{dy.shape})."
            )
        return logical


@dataclass
class Windows:
    """What a user said about how windows lie, not yet checked."""

    stride: object
    padding: object
    dilation: object

    def checked(self, call: PlanesCall, usual_stride: Shape | None = None) -> tuple[Shape, CheckedPadding, Shape]:
        """Stride, padding and dilation, one integer or pair for each spatial axis where they have no name."""
        operation, rank = call.operation, call.rank
        if self.stride is None and usual_stride is not None:
            stride = usual_stride
        else:
            stride = check_sizes(operation, "stride", self.stride, rank, 1)
        padding = check_padding(operation, self.padding, rank)
        return stride, padding, check_sizes(operation, "dilation", self.dilation, rank, 1)


@dataclass
class PoolWindows(Windows):
    """What a user said about the windows of a pooling, not yet checked."""

    kernel_size: object
    ceil_mode: object

    def geometry(self, call: PlanesCall, shape: Shape) -> WindowGeometry:
        """Geometry of these windows over (N, C, *size)."""
        kernel = check_sizes(call.operation, "kernel_size", self.kernel_size, call.rank, 1)
        steps = self.checked(call, kernel)
        ceil_mode = check_flag(call.operation, "ceil_mode", self.ceil_mode)
        return pool_geometry(call.operation, shape, kernel, *steps, ceil_mode, call.dtype.itemsize)
