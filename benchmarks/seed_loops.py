"""The frozen yardstick: the plain loops that fastconv is measured against.

The loops are those of a CS231n-style NumPy assignment, as they are commonly written: the input is padded with
``np.pad``, explicit Python loops run over image, filter, output row and output column, and each output is one NumPy
sum over its window. They are ported to Python 3 (``range``, ``//``) and otherwise left alone. Average pooling, which
the original lacks, is written in the same manner.

They are never optimised. Every "times faster than naive" in the project divides by them, so a change here would
change every published number; a test pins the SHA-256 of their source. Stride and padding may be pairs
``(height, width)``; they are unpacked before the loops.

The time per output is ``seconds / outputs``, where a convolution has ``N * F * OH * OW`` outputs and a pooling
``N * C * OH * OW``; a backward pass is divided by the same number of outputs as its forward pass. `time_per_output`,
below the loops, measures it on a crop of a layer, because the whole of a large one would take minutes.

This module needs NumPy alone and imports nothing of fastconv.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Pair = int | tuple[int, int]


def _pair(value: Pair) -> tuple[int, int]:
    """Return ``(height, width)`` of a size that is one integer or already a pair."""
    return (value, value) if isinstance(value, int) else value


# The frozen loops. Do not optimise, do not tidy.


def conv_forward(x: Array, w: Array, b: Array, stride: Pair, pad: Pair) -> Array:
    """Convolve with one window sum per output.

    (N, C, H, W) ⋆ (F, C, HH, WW) -> (N, F, H_new, W_new)

    Parameters
    ----------
    x : ndarray, (N, C, H, W)
        Images.
    w : ndarray, (F, C, HH, WW)
        Filters; they are not flipped.
    b : ndarray, (F,)
        Biases.
    stride, pad : int or (int, int)
        Step of the window and zeros on every side, both or (height, width).

    Returns
    -------
    ndarray, (N, F, H_new, W_new), float64
        The convolution. It is float64 whatever the inputs are, as in the original.

    Examples
    --------
    >>> x = np.arange(12.0).reshape(1, 1, 3, 4)
    >>> conv_forward(x, np.ones((1, 1, 2, 3)), np.zeros(1), stride=1, pad=0)[0, 0]
    array([[18., 24.],
           [42., 48.]])
    """
    (sh, sw), (ph, pw) = _pair(stride), _pair(pad)
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape  # noqa: RUF059
    x_padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), mode="constant")
    H_new = 1 + (H + 2 * ph - HH) // sh
    W_new = 1 + (W + 2 * pw - WW) // sw
    out = np.zeros((N, F, H_new, W_new))

    for i in range(N):
        for f in range(F):
            for j in range(H_new):
                for k in range(W_new):
                    out[i, f, j, k] = np.sum(x_padded[i, :, j * sh : HH + j * sh, k * sw : WW + k * sw] * w[f]) + b[f]

    return out


def conv_backward(dout: Array, x: Array, w: Array, b: Array, stride: Pair, pad: Pair) -> tuple[Array, Array, Array]:
    """Compute the gradients of `conv_forward`, one window update per output.

    (N, F, H_new, W_new), (N, C, H, W), (F, C, HH, WW) -> (N, C, H, W), (F, C, HH, WW), (F,)

    Parameters
    ----------
    dout : ndarray, (N, F, H_new, W_new)
        Gradient with respect to the output.
    x, w, b, stride, pad
        What `conv_forward` was called with.

    Returns
    -------
    dx, dw, db : ndarray
        Gradients with respect to `x`, `w` and `b`, in their dtypes.
    """
    (sh, sw), (ph, pw) = _pair(stride), _pair(pad)
    F, C, HH, WW = w.shape
    N, C, H, W = x.shape  # noqa: RUF059
    H_new = 1 + (H + 2 * ph - HH) // sh
    W_new = 1 + (W + 2 * pw - WW) // sw

    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)

    x_padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), "constant")
    dx_padded = np.pad(dx, ((0, 0), (0, 0), (ph, ph), (pw, pw)), "constant")

    for i in range(N):
        for f in range(F):
            for j in range(H_new):
                for k in range(W_new):
                    window = x_padded[i, :, j * sh : HH + j * sh, k * sw : WW + k * sw]
                    db[f] += dout[i, f, j, k]
                    dw[f] += window * dout[i, f, j, k]
                    dx_padded[i, :, j * sh : HH + j * sh, k * sw : WW + k * sw] += w[f] * dout[i, f, j, k]

    dx = dx_padded[:, :, ph : ph + H, pw : pw + W]

    return dx, dw, db


def conv_forward_grouped(x: Array, w: Array, b: Array, stride: Pair, pad: Pair, groups: int) -> Array:
    """Convolve each group of channels by `conv_forward`, one call per group.

    (N, C, H, W) ⋆ (F, C//groups, HH, WW) -> (N, F, H_new, W_new)

    The original loops know no groups: this is how their user gets them.

    Parameters
    ----------
    x, w, b, stride, pad
        As for `conv_forward`, but `w` has ``C // groups`` channels.
    groups : int
        Number of groups; it divides C and F.

    Returns
    -------
    ndarray, (N, F, H_new, W_new), float64
        The convolutions of the groups, one after the other.
    """
    C, F = x.shape[1] // groups, w.shape[0] // groups
    outs = []
    for g in range(groups):
        c, f = slice(g * C, (g + 1) * C), slice(g * F, (g + 1) * F)
        outs.append(conv_forward(x[:, c], w[f], b[f], stride, pad))
    return np.concatenate(outs, axis=1)


def conv_backward_grouped(
    dout: Array, x: Array, w: Array, b: Array, stride: Pair, pad: Pair, groups: int
) -> tuple[Array, Array, Array]:
    """Compute the gradients of `conv_forward_grouped` by `conv_backward`, one call per group.

    Parameters
    ----------
    dout : ndarray, (N, F, H_new, W_new)
        Gradient with respect to the output.
    x, w, b, stride, pad, groups
        What `conv_forward_grouped` was called with.

    Returns
    -------
    dx, dw, db : ndarray
        Gradients with respect to `x`, `w` and `b`, in their dtypes.
    """
    C, F = x.shape[1] // groups, w.shape[0] // groups
    dxs, dws, dbs = [], [], []
    for g in range(groups):
        c, f = slice(g * C, (g + 1) * C), slice(g * F, (g + 1) * F)
        dx, dw, db = conv_backward(dout[:, f], x[:, c], w[f], b[f], stride, pad)
        dxs.append(dx)
        dws.append(dw)
        dbs.append(db)
    return np.concatenate(dxs, axis=1), np.concatenate(dws), np.concatenate(dbs)


def max_pool_forward(x: Array, pool_height: int, pool_width: int, stride: Pair) -> Array:
    """Take the maximum of each window.

    (N, C, H, W) -> (N, C, H_new, W_new)

    Parameters
    ----------
    x : ndarray, (N, C, H, W)
        Images. The loops do not pad: pad them before, with minus infinity, where a layer asks for it.
    pool_height, pool_width : int
        Size of the window.
    stride : int or (int, int)
        Step of the window, both or (height, width).

    Returns
    -------
    ndarray, (N, C, H_new, W_new), float64
        The maxima.

    Examples
    --------
    >>> max_pool_forward(np.arange(12.0).reshape(1, 1, 3, 4), 2, 3, stride=1)[0, 0]
    array([[ 6.,  7.],
           [10., 11.]])
    """
    HH, WW = pool_height, pool_width
    sh, sw = _pair(stride)
    N, C, H, W = x.shape
    H_new = 1 + (H - HH) // sh
    W_new = 1 + (W - WW) // sw
    out = np.zeros((N, C, H_new, W_new))
    for i in range(N):
        for j in range(C):
            for k in range(H_new):
                for l in range(W_new):  # noqa: E741
                    window = x[i, j, k * sh : HH + k * sh, l * sw : WW + l * sw]
                    out[i, j, k, l] = np.max(window)

    return out


def max_pool_backward(dout: Array, x: Array, pool_height: int, pool_width: int, stride: Pair) -> Array:
    """Send each gradient to the maximum of its window, as the original does: wrong on overlaps and ties.

    (N, C, H_new, W_new), (N, C, H, W) -> (N, C, H, W)

    Parameters
    ----------
    dout : ndarray, (N, C, H_new, W_new)
        Gradient with respect to the output.
    x, pool_height, pool_width, stride
        What `max_pool_forward` was called with.

    Returns
    -------
    ndarray, (N, C, H, W)
        Gradient with respect to `x`, in its dtype.

    Notes
    -----
    Kept for its time, not for its numbers. Two faults of the original are left in:

    - it assigns where it should add, so where windows overlap (stride smaller than the window) only the last window
      that covers a cell counts;
    - where several cells of a window are equal to its maximum, each of them receives the whole gradient, not the
      first alone.
    """
    HH, WW = pool_height, pool_width
    sh, sw = _pair(stride)
    N, C, H, W = x.shape
    H_new = 1 + (H - HH) // sh
    W_new = 1 + (W - WW) // sw
    dx = np.zeros_like(x)
    for i in range(N):
        for j in range(C):
            for k in range(H_new):
                for l in range(W_new):  # noqa: E741
                    window = x[i, j, k * sh : HH + k * sh, l * sw : WW + l * sw]
                    m = np.max(window)
                    dx[i, j, k * sh : HH + k * sh, l * sw : WW + l * sw] = (window == m) * dout[i, j, k, l]

    return dx


def avg_pool_forward(x: Array, pool_height: int, pool_width: int, stride: Pair) -> Array:
    """Take the mean of each window, in the manner of `max_pool_forward`.

    (N, C, H, W) -> (N, C, H_new, W_new)

    Parameters
    ----------
    x : ndarray, (N, C, H, W)
        Images. The loops do not pad: pad them before, with zeros, where a layer asks for it.
    pool_height, pool_width : int
        Size of the window.
    stride : int or (int, int)
        Step of the window, both or (height, width).

    Returns
    -------
    ndarray, (N, C, H_new, W_new), float64
        The means.
    """
    HH, WW = pool_height, pool_width
    sh, sw = _pair(stride)
    N, C, H, W = x.shape
    H_new = 1 + (H - HH) // sh
    W_new = 1 + (W - WW) // sw
    out = np.zeros((N, C, H_new, W_new))
    for i in range(N):
        for j in range(C):
            for k in range(H_new):
                for l in range(W_new):  # noqa: E741
                    window = x[i, j, k * sh : HH + k * sh, l * sw : WW + l * sw]
                    out[i, j, k, l] = np.mean(window)

    return out


def avg_pool_backward(dout: Array, x: Array, pool_height: int, pool_width: int, stride: Pair) -> Array:
    """Spread each gradient evenly over its window; overlapping windows add.

    (N, C, H_new, W_new), (N, C, H, W) -> (N, C, H, W)

    Parameters
    ----------
    dout : ndarray, (N, C, H_new, W_new)
        Gradient with respect to the output.
    x, pool_height, pool_width, stride
        What `avg_pool_forward` was called with.

    Returns
    -------
    ndarray, (N, C, H, W)
        Gradient with respect to `x`, in its dtype.
    """
    HH, WW = pool_height, pool_width
    sh, sw = _pair(stride)
    N, C, H, W = x.shape
    H_new = 1 + (H - HH) // sh
    W_new = 1 + (W - WW) // sw
    dx = np.zeros_like(x)
    for i in range(N):
        for j in range(C):
            for k in range(H_new):
                for l in range(W_new):  # noqa: E741
                    dx[i, j, k * sh : HH + k * sh, l * sw : WW + l * sw] += dout[i, j, k, l] / (HH * WW)

    return dx


# The frozen loops end here. What follows times them.


OPERATIONS = (
    "conv2d",
    "conv2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
)

Padding = Pair | tuple[tuple[int, int], tuple[int, int]]


class SeedTiming(NamedTuple):
    """How long the loops take for one output of a layer, and what that makes for the whole of it.

    Attributes
    ----------
    seconds_per_output : float
        Time of the crop divided by its outputs, in seconds.
    outputs_timed : int
        Outputs in the crop.
    outputs_total : int
        Outputs in the full layer.
    estimated_seconds : float
        ``seconds_per_output * outputs_total``: measured when the crop is the full layer, else extrapolated.
    """

    seconds_per_output: float
    outputs_timed: int
    outputs_total: int
    estimated_seconds: float


class _Problem(NamedTuple):
    """A convolution or pooling without padding, described from its output. A pooling has one group per channel."""

    images: int
    groups: int
    filters: int  # of one group
    rows: int
    columns: int
    channels: int  # of one group
    kernel: tuple[int, int]
    stride: tuple[int, int]

    @property
    def outputs(self) -> int:
        return self.images * self.groups * self.filters * self.rows * self.columns

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        return self.images, self.groups * self.filters, self.rows, self.columns

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        (KH, KW), (sh, sw) = self.kernel, self.stride
        return self.images, self.groups * self.channels, (self.rows - 1) * sh + KH, (self.columns - 1) * sw + KW


def time_per_output(
    operation: str,
    *,
    input_shape: tuple[int, int, int, int],
    weight_shape: tuple[int, int, int, int] | None = None,
    kernel_size: Pair | None = None,
    stride: Pair,
    pad: Padding,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
    max_outputs: int = 4096,
    repeats: int = 1,
    seed: int = 0,
) -> SeedTiming:
    """Time the loops on a crop of a layer.

    Parameters
    ----------
    operation : {"conv2d", "conv2d_backward", "max_pool2d", "max_pool2d_backward", "avg_pool2d", "avg_pool2d_backward"}
        What to time.
    input_shape : (N, C, H, W)
        Shape of the layer's input.
    weight_shape : (F, C // groups, KH, KW), optional
        Shape of the filters of a convolution.
    kernel_size : int or (int, int), optional
        Window of a pooling.
    stride : int or (int, int)
        Step of the window.
    pad : int, (int, int) or ((int, int), (int, int))
        Padding on every side, per axis, or before and after per axis.
    groups : int
        Groups of a convolution; the loops run once for each.
    dtype : dtype
        Type of the inputs.
    max_outputs : int
        The crop has at most so many outputs.
    repeats : int
        How often to run the crop; the fastest run counts.
    seed : int
        Seed of the inputs, which are standard normal.

    Returns
    -------
    SeedTiming
        Seconds per output, the outputs timed and in total, and the estimate for the full layer.

    Raises
    ------
    ValueError
        If the operation is unknown, its shapes are missing, its output is empty, or nothing is to be timed.

    Notes
    -----
    The crop drops images first, then groups (of a pooling: channels), then output rows, then filters, then output
    columns, each down to one at the least. Kernel, channels of a group and stride stay whole, so every output costs
    what it costs in the full layer. The crop is a piece of the padded input and is run without further padding. One
    output is computed before the clock starts, so that first calls are not in the time.

    Examples
    --------
    >>> layer = {"input_shape": (2, 3, 8, 10), "kernel_size": 2, "stride": 2, "pad": 0}
    >>> timing = time_per_output("max_pool2d", **layer, max_outputs=50)
    >>> timing.outputs_timed, timing.outputs_total
    (40, 120)
    """
    if operation not in OPERATIONS:
        raise ValueError(f"time_per_output: operation must be one of {', '.join(OPERATIONS)}, but got {operation!r}.")
    if max_outputs < 1 or repeats < 1:
        raise ValueError(
            f"time_per_output: max_outputs and repeats must be at least 1, but got {max_outputs} and {repeats}."
        )
    full = _problem(operation, input_shape, weight_shape, kernel_size, _pair(stride), pad, groups)
    crop = _crop(full._replace(images=max(1, full.images)), max_outputs)
    rng = np.random.default_rng(seed)
    _runner(operation, _crop(crop, 1), dtype, rng)()
    seconds = _fastest(_runner(operation, crop, dtype, rng), repeats) / crop.outputs
    return SeedTiming(seconds, crop.outputs, full.outputs, seconds * full.outputs)


def _problem(
    operation: str,
    input_shape: tuple[int, int, int, int],
    weight_shape: tuple[int, int, int, int] | None,
    kernel_size: Pair | None,
    stride: tuple[int, int],
    pad: Padding,
    groups: int,
) -> _Problem:
    """Describe a layer from its output."""
    N, C, H, W = input_shape
    if operation.startswith("conv2d"):
        if weight_shape is None:
            raise ValueError(f"time_per_output: {operation} must have a weight_shape (F, C // groups, KH, KW).")
        F, channels, *kernel = weight_shape
        filters = F // groups
    else:
        if kernel_size is None:
            raise ValueError(f"time_per_output: {operation} must have a kernel_size.")
        kernel, groups, filters, channels = list(_pair(kernel_size)), C, 1, 1
    (ph, pw), (sh, sw), (KH, KW) = _total_padding(pad), stride, kernel
    rows, columns = 1 + (H + ph - KH) // sh, 1 + (W + pw - KW) // sw
    if rows < 1 or columns < 1:
        raise ValueError(
            f"time_per_output: the output of {operation} must not be empty, but it is {rows}x{columns} "
            f"(input {input_shape}, kernel {KH}x{KW}, stride {stride}, padding {pad})."
        )
    return _Problem(N, groups, filters, rows, columns, channels, (KH, KW), stride)


def _total_padding(pad: Padding) -> tuple[int, int]:
    """Return the padding of both sides together, per axis."""
    ph, pw = (pad, pad) if isinstance(pad, int) else pad
    return (2 * ph if isinstance(ph, int) else sum(ph)), (2 * pw if isinstance(pw, int) else sum(pw))


def _crop(problem: _Problem, max_outputs: int) -> _Problem:
    """Shrink a problem to at most `max_outputs` outputs, each of which costs the same."""
    for name in ("images", "groups", "rows", "filters", "columns"):
        size = getattr(problem, name)
        problem = problem._replace(**{name: max(1, min(size, max_outputs * size // problem.outputs))})
    return problem


def _runner(operation: str, problem: _Problem, dtype: DTypeLike, rng: np.random.Generator) -> Callable[[], object]:
    """Draw the inputs of a problem and return the loops bound to them."""

    def draw(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(dtype)

    x, dout, stride = draw(*problem.input_shape), draw(*problem.output_shape), problem.stride
    if not operation.startswith("conv2d"):
        return _pool_runner(operation, x, dout, problem.kernel, stride)
    F, groups = problem.groups * problem.filters, problem.groups
    w, b = draw(F, problem.channels, *problem.kernel), draw(F)
    if operation == "conv2d":
        return lambda: (
            conv_forward(x, w, b, stride, 0) if groups == 1 else conv_forward_grouped(x, w, b, stride, 0, groups)
        )
    return lambda: (
        conv_backward(dout, x, w, b, stride, 0)
        if groups == 1
        else conv_backward_grouped(dout, x, w, b, stride, 0, groups)
    )


def _pool_runner(
    operation: str, x: Array, dout: Array, kernel: tuple[int, int], stride: tuple[int, int]
) -> Callable[[], object]:
    """Return the loops of a pooling bound to its inputs."""
    if operation.endswith("_backward"):
        backward = max_pool_backward if operation.startswith("max") else avg_pool_backward
        return lambda: backward(dout, x, *kernel, stride)
    forward = max_pool_forward if operation.startswith("max") else avg_pool_forward
    return lambda: forward(x, *kernel, stride)


def _fastest(run: Callable[[], object], repeats: int) -> float:
    """Return the shortest time of `repeats` runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)
