"""One call to be compared: its arrays, its arguments and its geometry, and how to make a smaller one of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from fastconv import functional
from fastconv.backends.geometry import ConvGeometry, WindowGeometry
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.evidence.workloads import ImageWorkload, Workload, window_geometry
from fastconv.validation.arrays import Array, check_array, check_layout, check_rank, common_dtype, logical_shape

OPERATIONS = ("conv2d", "max_pool2d", "avg_pool2d")
_CONV_OPTIONS = ("stride", "padding", "dilation", "groups", "layout")  # of its gradients
_PLANES = ("x", "y", "dx")
_RANK = 2
_NOT_COMPARED = {
    "backend": "Name both of them with backends=(reference, candidate).",
    "return_indices": "The positions of the maxima are compared through the gradient.",
}


@dataclass(frozen=True, eq=False)
class OperationProblem:
    """A call of a public operation, checked.

    Parameters
    ----------
    name, description : str
        How the table calls it.
    operation : {"conv2d", "max_pool2d", "avg_pool2d"}
        The public function.
    x : ndarray
        Input, in the layout of the call.
    weight, bias : ndarray or None
        Filters and bias of a convolution.
    arguments : dict
        The other keyword arguments of the call.
    geometry : ConvGeometry or WindowGeometry
        Its sizes.
    image : bool
        Whether `x` holds pictures worth plotting.
    map_names : tuple of str
        What the output channels show, where that is known.
    """

    name: str
    operation: str
    x: Array
    weight: Array | None
    bias: Array | None
    arguments: dict[str, Any]
    geometry: ConvGeometry | WindowGeometry
    description: str = ""
    image: bool = False
    map_names: tuple[str, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the results."""
        return common_dtype(self.operation, *self.arrays().values())

    @property
    def channels_last(self) -> bool:
        """Whether channels are the last axis of `x`."""
        return self.x.ndim > 1 and self.arguments.get("layout") == "NHWC"

    @property
    def rows(self) -> int:
        """Output rows of a plane."""
        return self.geometry.out[0]

    @property
    def outputs(self) -> int:
        """Elements of the result."""
        return prod(self.geometry.output_shape)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the forward pass; a pooling has none."""
        return self.geometry.multiply_adds() if isinstance(self.geometry, ConvGeometry) else 0

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the result, in the layout of the call."""
        N, channels, *size = self.geometry.output_shape
        return (N, *size, channels) if self.channels_last else (N, channels, *size)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays of the call by name."""
        named = {"x": self.x, "weight": self.weight, "bias": self.bias}
        return {name: array for name, array in named.items() if array is not None}

    def in_float64(self, *, magnitudes: bool = False) -> OperationProblem:
        """Return the same call in float64, or that of the magnitudes of its arrays."""
        wide = {name: array.astype(np.float64) for name, array in self.arrays().items()}
        if magnitudes:
            wide = {name: np.abs(array) for name, array in wide.items()}
        return replace(self, x=wide["x"], weight=wide.get("weight"), bias=wide.get("bias"))

    def draw_gradient(self, seed: int) -> Array:
        """Draw a gradient of the result."""
        return np.random.default_rng([seed, 1]).standard_normal(self.output_shape).astype(self.dtype)

    def part(self, images: int, rows: int) -> OperationProblem:
        """Return the smaller call that computes the first `rows` output rows of the first `images` images.

        Padding larger than the kernel can make it a few rows more.
        """
        if images >= self.geometry.batch and rows >= self.rows:
            return self
        size = self.geometry.axes[0].size
        before, after = self.geometry.axes[0].before, self.geometry.axes[0].after
        if rows < self.rows:
            stop = self.geometry.axes[0].start(rows - 1) + self.geometry.axes[0].extent  # cells that the rows see
            size, after = max(1, min(stop, size)), max(0, stop - size)
        padding = ((before, after), *((axis.before, axis.after) for axis in self.geometry.axes[1:]))
        x = self.x[:images, :size] if self.channels_last else self.x[:images, :, :size]
        arguments = {**self.arguments, "padding": padding}
        return replace(self, x=x, arguments=arguments, geometry=_geometry(self.operation, x, self.weight, arguments))

    def place(self, name: str) -> tuple[Any, ...]:
        """Index of a result of this part, or of its ``x``, in that of the whole call."""
        if name not in _PLANES:
            return (...,)
        size = self.x.shape[1 if self.channels_last else 2] if name in ("x", "dx") else self.rows
        images = slice(self.geometry.batch)
        return (images, slice(size)) if self.channels_last else (images, slice(None), slice(size))

    def part_of_output(self, y: Array) -> Array:
        """Cut an array shaped like the output of the whole call down to the output of this part of it."""
        cut: Array = y[self.place("y")]
        return cut

    def zero_beyond(self, part: OperationProblem, dy: Array | None) -> tuple[OperationProblem, Array | None]:
        """Return a call, and the gradient of its result, whose results on the part are those of the part alone.

        It is this call with zeros in place of what the part does not see; or the part, where numbers are not finite:
        zero times infinity is none.
        """
        numbers = [*self.arrays().values(), *([] if dy is None else [dy])]
        if not all(np.isfinite(array).all() for array in numbers):
            return part, None if dy is None else part.part_of_output(dy)
        x, part_dy = np.zeros_like(self.x), None if dy is None else np.zeros_like(dy)
        x[part.place("x")] = part.x
        if dy is not None and part_dy is not None:
            part_dy[part.place("y")] = part.part_of_output(dy)
        return replace(self, x=x), part_dy


def from_workload(workload: Workload, dtype: np.dtype[Any], seed: int) -> OperationProblem:
    """Return the problem of a workload, its arrays drawn."""
    arrays, arguments = workload.inputs(dtype, seed), workload.arguments()
    problem = _problem(workload.name, workload.operation, arrays, arguments)
    problem = replace(problem, description=workload.description)
    return replace(problem, image=True, map_names=workload.names) if isinstance(workload, ImageWorkload) else problem


def from_call(
    operation: str, args: tuple[Any, ...], arguments: dict[str, Any], dtype: np.dtype[Any] | None
) -> OperationProblem:
    """Return the problem of ``operation(*args, **arguments)``."""
    try:
        bound = inspect.signature(getattr(functional, operation)).bind(*args, **arguments).arguments
    except TypeError as error:
        raise InvalidTypeError(
            f"compare: the arguments must be those of {operation}, but got {len(args)} positional and "
            f"{', '.join(arguments) or 'no'} keyword arguments ({error})."
        ) from None
    for name, advice in _NOT_COMPARED.items():
        if name in bound:
            raise InvalidTypeError(f"compare: {name} must not be given, but got {name}={shown(bound[name])}. {advice}")
    arrays: dict[str, Array] = {
        name: check_array(operation, name, bound.pop(name))
        for name in ("x", "weight", "bias")
        if name in bound and (name != "bias" or bound[name] is not None)
    }
    bound.pop("bias", None)
    if dtype is not None:
        arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    return _problem(operation, operation, arrays, dict(bound))


def _problem(name: str, operation: str, arrays: dict[str, Array], arguments: dict[str, Any]) -> OperationProblem:
    x, weight, bias = arrays["x"], arrays.get("weight"), arrays.get("bias")
    geometry = _geometry(operation, x, weight, arguments)
    if geometry.batch == 0:
        raise InvalidValueError(f"compare: x must hold at least one image, but got none (shape {x.shape}).")
    return OperationProblem(name, operation, x, weight, bias, arguments, geometry)


def _geometry(
    operation: str, x: Array, weight: Array | None, arguments: dict[str, Any]
) -> ConvGeometry | WindowGeometry:
    channels_last = check_layout(operation, arguments.get("layout", "NCHW"), _RANK)
    check_rank(operation, "x", x.shape, _RANK, channels_last=channels_last)
    shape = logical_shape(x.shape, channels_last=channels_last)
    weight_shape = None if weight is None else weight.shape
    return window_geometry(operation, shape, weight_shape, arguments, x.itemsize)


# its passes, on a named backend

Call = Callable[[], dict[str, Array]]


def bound_call(problem: OperationProblem, backend: str, dy: Array | None) -> Call:
    """Return what computes the result, or with `dy` every gradient."""
    if dy is None:
        return lambda: forward(problem, backend)
    indices = winners(problem, backend)
    return lambda: backward(problem, backend, dy, indices)


def forward(problem: OperationProblem, backend: str) -> dict[str, Array]:
    """Compute the result, under the name ``y``."""
    operation = getattr(functional, problem.operation)
    return {"y": operation(**problem.arrays(), **problem.arguments, backend=backend)}


def winners(problem: OperationProblem, backend: str) -> Array | None:
    """Positions of the maxima, which only the gradient of a max pooling needs."""
    if problem.operation != "max_pool2d":
        return None
    return functional.max_pool2d(problem.x, **problem.arguments, return_indices=True, backend=backend)[1]


def backward(problem: OperationProblem, backend: str, dy: Array, indices: Array | None) -> dict[str, Array]:
    """Compute every gradient, under the names ``dx``, ``dweight`` and ``dbias``."""
    if problem.weight is not None:
        options = {name: value for name, value in problem.arguments.items() if name in _CONV_OPTIONS}
        gradients = functional.conv2d_backward(dy, problem.x, problem.weight, **options, backend=backend)
        return {name: array for name, array in gradients._asdict().items() if array is not None}
    if indices is not None:
        layout = problem.arguments.get("layout", "NCHW")
        return {"dx": functional.max_pool2d_backward(dy, indices, problem.x.shape, layout=layout, backend=backend)}
    return {"dx": functional.avg_pool2d_backward(dy, problem.x.shape, **problem.arguments, backend=backend)}
