"""The rungs: the same convolution, each time with one idea more. What is no backend yet is written out here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from fastconv.backends.numpy.windows import pad, tap_slices
from fastconv.backends.settings import set_num_threads, set_options
from fastconv.evidence.contest.engines.base import Engine, Job, Prepared, Refusal, channels_last
from fastconv.evidence.environment import blas_libraries
from fastconv.evidence.timing import seed_loops
from fastconv.functional import col2im, conv2d, conv2d_backward, im2col
from fastconv.validation.arrays import Array

RUNG = "rung"  # the one variant of each engine
WHOLE, IMAGE, CROP = "whole", "image", "crop"  # how much of the layer runs
_BLOCK = 2**19  # bytes of columns that stay in the cache

Compute = Callable[[Job], Any]


def loops(job: Job) -> Array:
    """Take one sum over the window of each output, in four loops: the frozen loops."""
    y: Array = seed_loops().conv_forward(pad(job.x, job.geometry, 0.0), job.weight, _bias(job), job.stride, 0)
    return y


def gradients_by_loops(job: Job) -> tuple[Array, Array, Array]:
    """Add to one window of dx, and to dweight, for each output."""
    x = pad(job.x, job.geometry, 0.0)
    dx, dweight, dbias = seed_loops().conv_backward(job.dy, x, job.weight, _bias(job), job.stride, 0)
    return _inner(dx, job), dweight, dbias


def by_planes(job: Job) -> Array:
    """Multiply a plane by one weight and add it to a plane of the output, for each filter, channel and tap."""
    x, y = pad(job.x, job.geometry, 0.0), np.empty(job.geometry.output_shape, job.dtype)
    bias, taps = _bias(job), list(tap_slices(job.geometry))
    for n, f in product(range(len(x)), range(len(bias))):
        y[n, f] = bias[f]
        for c in range(x.shape[1]):
            for tap, cells in taps:
                y[n, f] += job.weight[(f, c, *tap)] * x[(n, c, *cells)]  # (OH, OW)
    return y


def gradients_by_planes(job: Job) -> tuple[Array, Array, Array]:
    """Add dy times a weight to a plane of dx, and the products of dy and a plane of x to that weight's gradient."""
    x, taps = pad(job.x, job.geometry, 0.0), list(tap_slices(job.geometry))
    dx, dweight = np.zeros_like(x), np.zeros_like(job.weight)
    for n, f, c in product(range(len(x)), *map(range, job.weight.shape[:2])):
        dy = job.dy[n, f]
        for tap, cells in taps:
            dx[(n, c, *cells)] += job.weight[(f, c, *tap)] * dy
            dweight[(f, c, *tap)] += np.sum(x[(n, c, *cells)] * dy)
    return _inner(dx, job), dweight, job.dy.sum(axis=(2, 3)).sum(axis=0)


def through_columns(job: Job) -> Array:
    """Write all windows of the batch as columns, and leave the rest to one matrix product of BLAS."""
    cols = im2col(job.x, job.geometry.kernel, stride=job.stride, padding=job.padding, backend="numpy")  # (N, K, L)
    y: Array = np.matmul(_matrix(job), cols)  # (F, K) @ (N, K, L) -> (N, F, L)
    y += _bias(job)[:, np.newaxis]
    return y.reshape(job.geometry.output_shape)


def gradients_through_columns(job: Job) -> tuple[Array, Array, Array]:
    """Multiply dy by the columns for dweight; multiply it by the weights for columns that are added up to dx."""
    window: dict[str, Any] = {"stride": job.stride, "padding": job.padding, "backend": "numpy"}
    size, kernel = job.geometry.size, job.geometry.kernel
    cols, rows = im2col(job.x, kernel, **window), job.dy.reshape(*job.dy.shape[:2], -1)  # (N, K, L), (N, F, L)
    dweight = np.matmul(rows, cols.swapaxes(1, 2)).sum(axis=0)  # (N, F, L) @ (N, L, K)
    dx = col2im(np.matmul(_matrix(job).T, rows), size, kernel, **window)  # (K, F) @ (N, F, L)
    return dx, dweight.reshape(job.weight.shape), rows.sum(axis=2).sum(axis=0)


def in_blocks(job: Job) -> Array:
    """Write the columns of a few output rows over the last ones, and multiply while they are in the cache."""
    (sh, sw), (N, F, OH, OW) = job.stride, job.geometry.output_shape
    matrix, bias = _matrix(job), _bias(job)[:, np.newaxis]
    windows = sliding_window_view(pad(job.x, job.geometry, 0.0), job.geometry.kernel, axis=(2, 3))[:, :, ::sh, ::sw]
    windows = windows.transpose(0, 1, 4, 5, 2, 3)[..., :OH, :OW]  # (N, C, KH, KW, OH, OW): a view, nothing is copied
    height = max(1, _BLOCK // (matrix.shape[1] * OW * job.x.itemsize))
    cols, y = np.empty((*windows.shape[1:4], height, OW), job.dtype), np.empty((N, F, OH * OW), job.dtype)
    for n, first in product(range(N), range(0, OH, height)):
        rows = windows[n, ..., first : first + height, :]
        block = cols[..., : rows.shape[3], :]
        np.copyto(block, rows)
        into = y[n, :, first * OW : (first + height) * OW]
        np.matmul(matrix, block.reshape(matrix.shape[1], -1), out=into)  # (F, K) @ (K, rows * OW)
        into += bias
    return y.reshape(N, F, OH, OW)


def in_place(job: Job) -> Array:
    """Multiply the windows where they are: with the channels last, a row of a window is consecutive numbers.

    Neighbours overlap, and BLAS takes no rows that do; so every third window, say, goes into one product.
    """
    (KH, KW), (sh, sw), (N, F, OH, OW) = job.geometry.kernel, job.stride, job.geometry.output_shape
    apart = -(-KW // sw)  # windows whose rows of KW pixels do not overlap
    x, C = _channels_last_with_halo(job, (OW - 1) * sw + KW, apart * sw), job.x.shape[1]
    across = x.shape[2] // (apart * sw)  # so many of them in a row, the last ones reaching into the next row
    row, pixel, item = x.strides[1:]
    matrix, y = job.weight.transpose(2, 3, 1, 0).reshape(KH, KW * C, F), np.empty((N, OH, across * apart, F), job.dtype)
    sums, more = np.empty((2, OH * across, F), job.dtype)
    for n, first in product(range(N), range(apart)):
        sums[:] = _bias(job)
        for ky in range(KH):
            start = x[n, ky:, first * sw :]
            windows = as_strided(start, (OH, across, KW * C), (sh * row, apart * sw * pixel, item))
            np.matmul(windows.reshape(-1, KW * C), matrix[ky], out=more)  # at a stride of 1 a view, nothing is copied
            sums += more
        y[n, :, first::apart] = sums.reshape(OH, across, F)
    return y[:, :, :OW].transpose(0, 3, 1, 2)


def _channels_last_with_halo(job: Job, width: int, step: int) -> Array:
    """(N, H, W, C) with the padding around it, its rows at least so wide and in whole steps, and a row to spare."""
    N, C, H, W = job.x.shape
    (top, bottom), (left, _) = job.padding
    width = max(width, left + W)
    x = np.zeros((N, top + H + bottom + 1, width + -width % step, C), job.dtype)
    x[:, top : top + H, left : left + W] = job.x.transpose(0, 2, 3, 1)
    return x


def _inner(x: Array, job: Job) -> Array:
    """Planes without the padding around them."""
    (top, _), (left, _) = job.padding
    H, W = job.geometry.size
    return x[:, :, top : top + H, left : left + W]


def _bias(job: Job) -> Array:
    return np.zeros(len(job.weight), job.dtype) if job.bias is None else job.bias


def _matrix(job: Job) -> Array:
    """Weights as (F, K)."""
    return job.weight.reshape(len(job.weight), -1)


def _named(found: Array | tuple[Array, Array, Array]) -> dict[str, Array]:
    return dict(zip(("dx", "dweight", "dbias"), found)) if isinstance(found, tuple) else {"y": found}


# each in a process of its own


class Written(Engine):
    """A rung that is a function of this module, forward and perhaps backward."""

    packages = ("numpy",)
    passes: ClassVar[dict[str, Compute]]

    def versions(self) -> dict[str, str]:
        """Return those of NumPy and of its BLAS, where that can be known."""
        blas = blas_libraries()
        return {**super().versions(), **({"BLAS": ", ".join(blas)} if blas else {})}

    def prepare(self, job: Job) -> dict[str, Prepared]:
        """Return the function."""
        if job.step not in self.passes:
            raise Refusal(f"there is no {job.step} pass of it")
        return {RUNG: Prepared(partial(self.passes[job.step], job), _named)}


class Loops(Written):
    """The frozen loops."""

    passes: ClassVar = {"forward": loops, "backward": gradients_by_loops}


class Planes(Written):
    """NumPy on whole planes."""

    passes: ClassVar = {"forward": by_planes, "backward": gradients_by_planes}


class Columns(Written):
    """Columns of the batch, and BLAS."""

    passes: ClassVar = {"forward": through_columns, "backward": gradients_through_columns}


class Blocks(Written):
    """Columns of a block of rows, and BLAS."""

    passes: ClassVar = {"forward": in_blocks}


class View(Written):
    """No columns, and BLAS."""

    passes: ClassVar = {"forward": in_place}


class Exact(Engine):
    """The fast backend on channels-last arrays, with all multiplications."""

    packages = ("numba",)
    exact: ClassVar[bool] = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        set_num_threads(threads)
        set_options(exact=self.exact)

    def prepare(self, job: Job) -> dict[str, Prepared]:
        """Return the public function."""
        window: dict[str, Any] = {"stride": job.stride, "padding": job.padding, "backend": "fast"}
        x, dy = channels_last(job.x), channels_last(job.dy)
        if job.step == "forward":
            return {RUNG: Prepared(partial(conv2d, x, job.weight, job.bias, **window), _named)}
        return {RUNG: Prepared(partial(conv2d_backward, dy, x, job.weight, **window), _named)}


class Fewer(Exact):
    """The same, where fewer multiplications are allowed."""

    exact = False


class Rung(NamedTuple):
    """A rung of the ladder.

    Attributes
    ----------
    name : str
        What the tables call it.
    adds : str
        What it does that the one before does not.
    engine : type
        Its class.
    part : {"whole", "image", "crop"}
        How much of the layer runs; the time of the whole follows from that.
    parallel : bool
        Whether it has all threads, or one.
    """

    name: str
    adds: str
    engine: type[Engine]
    part: str = WHOLE
    parallel: bool = False

    @property
    def place(self) -> str:
        """Where its class is, for the process that runs it."""
        return f"{self.engine.__module__}:{self.engine.__name__}"


LOOPS = "loops"
THREADS = "threads"
RUNGS = (
    Rung(LOOPS, "the loops of the tutorials, one NumPy sum for each output", Loops, CROP),
    Rung("vectorised", "NumPy multiplies and adds whole planes, tap by tap", Planes, IMAGE),
    Rung("im2col + BLAS", "windows become columns, all sums one matrix product", Columns),
    Rung("blocked", "columns of a few rows at a time stay in the cache", Blocks),
    Rung("strided view", "channels last: windows are read in place, without columns", View),
    Rung("register tile", "a product made for this CPU instead of BLAS, on the same view", Exact),
    Rung(THREADS, "all threads, each with rows of its own", Exact, parallel=True),
    Rung("Winograd", "fewer multiplications, where the layer allows it", Fewer, parallel=True),
)
