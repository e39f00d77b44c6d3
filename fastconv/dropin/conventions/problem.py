"""A problem: the arrays and sizes of one convolution or pooling, in the order of axes of fastconv (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.backends.geometry import conv_axis
from fastconv.errors import InvalidValueError
from fastconv.validation.arrays import Array

Pair = tuple[int, int]
Part = int | slice | None

SIZES = ("stride", "padding", "dilation")
OPERATIONS = ("conv2d", "max_pool2d", "avg_pool2d", "im2col")
MEMORIES = ("C", "F", "sliced", "read-only")
ARRAYS = ("x", "dy", "weight", "bias")


@dataclass(frozen=True, eq=False)
class Problem:
    """One convolution, pooling or im2col, with the gradient of its output.

    Parameters
    ----------
    operation : {"conv2d", "max_pool2d", "avg_pool2d", "im2col"}
        What is computed. The backward pass of im2col is col2im.
    x : ndarray, shape (N, C, H, W)
        Input.
    dy : ndarray, shape (N, F, OH, OW), of pools (N, C, OH, OW), of im2col (N, C*KH*KW, OH*OW), or None
        Gradient of the output; None where only the forward pass is meant.
    weight : ndarray, shape (F, C, KH, KW), or None
        Filters of a convolution.
    bias : ndarray, shape (F,), or None
        Bias of a convolution.
    kernel, stride, padding, dilation : (int, int)
        Per axis, height first; the padding is on both sides.
    memory : {"C", "F", "sliced", "read-only"}
        How the arrays are handed to the code in question, see `stored`. Those of the problem itself are plain.
    """

    operation: str
    x: Array
    dy: Array | None
    weight: Array | None
    bias: Array | None
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    memory: str = "C"

    @property
    def out(self) -> Pair:
        """Windows per axis, (OH, OW)."""
        return output_size(self.x.shape[2:], self.kernel, self.stride, self.padding, self.dilation)

    @property
    def extent(self) -> Pair:
        """Cells that a window spans per axis, those between the dilated ones too."""
        height, width = (d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation))
        return height, width

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output, as `dy` has it."""
        filters = 0 if self.weight is None else len(self.weight)
        images, channels, *_ = self.x.shape
        return _output_shape(self.operation, images, channels, filters, self.kernel, self.out)

    @property
    def options(self) -> dict[str, Any]:
        """Stride, padding and dilation, as the functions of fastconv take them."""
        return {name: getattr(self, name) for name in SIZES}

    @property
    def arrays(self) -> dict[str, Array]:
        """Those of `x`, `dy`, `weight` and `bias` that there are, by name."""
        return {name: array for name in ARRAYS if (array := getattr(self, name)) is not None}

    def windows(self) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
        """Give every position of the output, with the index of the cells under its window in the padded planes."""
        for position in np.ndindex(*self.out):
            axes = zip(position, self.stride, self.dilation, self.kernel)
            yield position, (..., *np.ix_(*(at * s + d * np.arange(k) for at, s, d, k in axes)))

    @property
    def gradient(self) -> Array:
        """`dy`, of a problem that has one."""
        return self._given("dy")

    @property
    def filters(self) -> tuple[Array, Array]:
        """Weight and bias of a convolution."""
        return self._given("weight"), self._given("bias")

    def _given(self, name: str) -> Array:
        array: Array | None = getattr(self, name)
        if array is None:
            raise InvalidValueError(f"Problem: {name} must be given, but got None ({self}).")
        return array

    def stored(self, array: Array) -> Array:
        """Return a copy of `array` in the memory of this problem, so that nobody can change the original."""
        return stored(array, self.memory)

    def only(self, *, images: Part = None, channels: Part = None, filters: Part = None) -> Problem:
        """Return the same problem with the first few images, channels and filters, or with slices of them."""
        n, c, f = (part if isinstance(part, slice) else slice(part) for part in (images, channels, filters))
        rows = f if self.operation == "conv2d" else c
        if self.operation == "im2col":
            start, stop, _ = (taps * self.kernel[0] * self.kernel[1] for taps in c.indices(self.x.shape[1]))
            rows = slice(start, stop)
        return replace(
            self,
            x=self.x[n, c],
            dy=None if self.dy is None else self.dy[n, rows],
            weight=None if self.weight is None else self.weight[f, c],
            bias=None if self.bias is None else self.bias[f],
        )

    def __str__(self) -> str:
        parts = [f"x {self.x.shape}"]
        if self.weight is not None:
            parts.append(f"w {self.weight.shape}")
        else:
            parts.append(f"{self.kernel[0]}x{self.kernel[1]} windows")
        for name, pair, usual in (("stride", self.stride, 0), ("pad", self.padding, 0), ("dilation", self.dilation, 1)):
            if pair != (usual, usual):
                parts.append(f"{name} {pair[0] if pair[0] == pair[1] else pair}")
        if self.x.dtype != np.float64:
            parts.append(str(self.x.dtype))
        if self.memory != "C":
            parts.append({"F": "Fortran order"}.get(self.memory, self.memory))
        return ", ".join(parts)


def output_size(size: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """Windows per axis."""
    axes = zip(size, kernel, stride, dilation, padding)
    height, width = (conv_axis(n, k, s, d, p, p).out for n, k, s, d, p in axes)
    return height, width


def _output_shape(operation: str, images: int, channels: int, filters: int, kernel: Pair, out: Pair) -> tuple[int, ...]:
    if operation == "im2col":
        return images, channels * kernel[0] * kernel[1], out[0] * out[1]
    return images, filters if operation == "conv2d" else channels, *out


def stored(array: Array, memory: str) -> Array:
    """Return a copy of an array with the same numbers, in some memory.

    Parameters
    ----------
    array : ndarray
        Any array.
    memory : {"C", "F", "sliced", "read-only"}
        C order, Fortran order, a slice of a larger array (every second cell), or C order without leave to write.

    Returns
    -------
    ndarray
        Equal to `array`, and sharing no memory with it.

    Examples
    --------
    >>> import numpy as np
    >>> stored(np.ones((2, 3)), "sliced").strides
    (96, 16)
    """
    if memory == "sliced":
        larger = np.zeros([2 * n for n in array.shape], array.dtype)
        view = larger[tuple(slice(None, None, 2) for _ in array.shape)]
        view[...] = array
        return view
    copy = np.array(array, order="F" if memory == "F" else "C")
    copy.flags.writeable = memory != "read-only"
    return copy


def draw(
    operation: str,
    *,
    images: int = 2,
    channels: int = 3,
    size: Pair = (5, 5),
    filters: int = 4,
    kernel: Pair = (3, 3),
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    values: str = "normal",
    dtype: DTypeLike = np.float64,
    memory: str = "C",
    backward: bool = True,
    seed: int = 0,
) -> Problem:
    """Draw the numbers of a problem.

    Parameters
    ----------
    operation : {"conv2d", "max_pool2d", "avg_pool2d", "im2col"}
        What is computed.
    images, channels, filters : int
        N, C and F; only a convolution has filters.
    size, kernel, stride, padding, dilation : (int, int)
        Per axis, height first.
    values : {"normal", "ties", "negative", "peaks"}
        Of `x`: normally distributed; zeros and ones; all below -0.1, some below -100 (for a maximum most below -10000);
        normally distributed, and one cell of each plane, of those in most windows, is the largest.
    dtype : dtype_like
        Of all arrays; an integer dtype is that of `x` alone, whose values then fill its range up to 255.
    memory : {"C", "F", "sliced", "read-only"}
        See `stored`.
    backward : bool
        Draw `dy` too.
    seed : int
        Seed of the numbers.

    Returns
    -------
    Problem
        With sizes as they follow from the arguments.

    Examples
    --------
    >>> print(draw("conv2d", size=(7, 5), kernel=(3, 2), stride=(2, 2), padding=(1, 1)))
    x (2, 3, 7, 5), w (4, 3, 3, 2), stride 2, pad 1
    """
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    computed = np.dtype(np.float64) if dtype.kind in "iu" else dtype

    def numbers(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(computed)

    scale = 1e5 if operation == "max_pool2d" else 100.0  # a maximum may start from -1000, and adds nothing
    x = _input(rng, values, scale, dtype, (images, channels, *size))
    out = output_size(size, kernel, stride, padding, dilation)
    convolves = operation == "conv2d"
    problem = Problem(
        operation,
        x,
        numbers(*_output_shape(operation, images, channels, filters, kernel, out)) if backward else None,
        numbers(filters, channels, *kernel) if convolves else None,
        numbers(filters) if convolves else None,
        kernel,
        stride,
        padding,
        dilation,
        memory,
    )
    if values == "peaks":
        row, column = _most_covered(problem)
        x[..., row, column] += 10
    return problem


def _most_covered(problem: Problem) -> Pair:
    """Row and column of a cell of the input that is in as many windows as any."""
    (height, width), (ph, pw) = problem.x.shape[2:], problem.padding
    covered = np.zeros((height + 2 * ph, width + 2 * pw))
    for _, cells in problem.windows():
        covered[cells] += 1
    inside = covered[ph : ph + height, pw : pw + width]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    return int(row), int(column)


def _input(rng: np.random.Generator, values: str, scale: float, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if dtype.kind in "iu":
        return rng.integers(0, 256, shape).astype(dtype)
    drawn: Array = rng.integers(0, 2, shape) if values == "ties" else rng.standard_normal(shape)
    return (-scale * np.abs(drawn) - 0.1 if values == "negative" else drawn).astype(dtype)
