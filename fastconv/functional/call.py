"""What every operation on planes does around its backend, and the arguments that describe windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.backends import resolve_backend
from fastconv.backends.base import Backend
from fastconv.backends.geometry import WindowGeometry
from fastconv.errors import InvalidValueError
from fastconv.functional.views import as_computed, channels_first, finish
from fastconv.validation.arrays import (
    LAYOUTS,
    Array,
    check_array,
    check_index_array,
    check_layout,
    check_rank,
    check_shape,
    layout_shape,
    logical_shape,
)
from fastconv.validation.memory import check_fits
from fastconv.validation.operations import pool_geometry
from fastconv.validation.sizes import check_flag, check_padding, check_shape_argument, check_sizes

__all__ = ["Call", "WindowArguments"]

Shape = tuple[int, ...]
DType = np.dtype[Any]


class Call:
    """One call of an operation on planes: its name and rank, its layout, its backend."""

    def __init__(self, operation: str, rank: int, layout: object, backend: str | None) -> None:
        self.operation, self.rank, self._backend = operation, rank, backend
        self.channels_last = check_layout(operation, layout, rank)

    def backend(self) -> Backend:
        """Backend that computes this call."""
        return resolve_backend(self._backend, self.operation)

    def array(self, name: str, value: object) -> Array:
        """Batch of planes that was passed, in its layout."""
        array = check_array(self.operation, name, value)
        check_rank(self.operation, name, array.shape, self.rank, channels_last=self.channels_last)
        return array

    def indices(self, value: object) -> Array:
        """Indices that were passed, of any rank, as int64."""
        return check_index_array(self.operation, "indices", value)

    def shape(self, array: Array) -> Shape:
        """(N, C, *spatial) of an array."""
        return logical_shape(array.shape, channels_last=self.channels_last)

    def view(self, array: Array, dtype: DType) -> Array:
        """(N, C, *spatial) view of an array, in the dtype in which a result of `dtype` is computed."""
        return channels_first(as_computed(array, dtype), channels_last=self.channels_last)

    def finish(self, array: Array, dtype: DType) -> Array:
        """Give a result its dtype and its layout."""
        return finish(array, dtype, channels_last=self.channels_last)

    def finish_maxima(self, maxima: tuple[Array, Array | None], dtype: DType) -> Array | tuple[Array, Array]:
        """Give maxima, and their indices where there are any, dtype and layout."""
        y, indices = maxima
        if indices is None:
            return self.finish(y, dtype)
        return self.finish(y, dtype), self.finish(indices, indices.dtype)

    def expect_output(self, dy: Array, shape: Shape) -> None:
        """Refuse a `dy` that has not the (N, C, *out) shape of the output."""
        expected = layout_shape(shape, channels_last=self.channels_last)
        check_shape(self.operation, "dy", dy.shape, expected, "the shape of the output")

    def input_shape(self, value: object, dy: Array, itemsize: int) -> Shape:
        """(N, C, *size) of the input of a forward call, whose batch and channels are those of `dy`."""
        letters = LAYOUTS[self.rank][self.channels_last]
        shape = check_shape_argument(self.operation, "input_shape", value, letters)
        check_rank(self.operation, "the input", shape, self.rank, channels_last=self.channels_last)
        check_fits(self.operation, "the input", shape, itemsize)
        logical, expected = logical_shape(shape, channels_last=self.channels_last), self.shape(dy)[:2]
        if logical[:2] != expected:
            raise InvalidValueError(
                f"{self.operation}: input_shape must have the batch and channels of dy, N={expected[0]} and "
                f"C={expected[1]}, but got N={logical[0]} and C={logical[1]} (input_shape {shape}, dy shape "
                f"{dy.shape})."
            )
        return logical


@dataclass(frozen=True)
class WindowArguments:
    """What a user said about the windows of a pooling, not yet checked."""

    kernel_size: object
    stride: object
    padding: object
    dilation: object
    ceil_mode: object

    def geometry(self, call: Call, shape: Shape, itemsize: int) -> WindowGeometry:
        """Geometry of these windows over (N, C, *size)."""
        operation, rank = call.operation, call.rank
        kernel = check_sizes(operation, "kernel_size", self.kernel_size, rank, 1)
        return pool_geometry(
            operation,
            shape,
            kernel,
            kernel if self.stride is None else check_sizes(operation, "stride", self.stride, rank, 1),
            check_padding(operation, self.padding, rank),
            check_sizes(operation, "dilation", self.dilation, rank, 1),
            check_flag(operation, "ceil_mode", self.ceil_mode),
            itemsize,
        )
