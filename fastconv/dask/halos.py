"""From an operation over windows to its chunks: cut at steps of the windows, with exactly the halo that they reach.

Window ``o`` of an axis begins at cell ``o * stride - before``. A chunk that begins at a multiple of the stride, with
``before`` cells of the chunk before it, begins with a window of its own; so that no window is computed twice, and none
is left out. Real padding is left to the operation, of the chunks at the edges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import dask.array as da
import numpy as np

from fastconv.backends.geometry import Axis, window_extent
from fastconv.backends.settings import use_num_threads
from fastconv.dask.mapped import Mapped
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.validation.arrays import Array

_PIECE = 2**24  # bytes of a piece, as float32: results of some of them are held at a time, with more channels
_FLOAT = 4
Operation = Callable[..., Array]  # of a chunk, with padding=


class Halo(NamedTuple):
    """What the chunks of one axis need of each other.

    Attributes
    ----------
    chunks : tuple of int
        Cells of the input.
    outputs : tuple of int
        Windows of each chunk.
    before, after : int
        Cells of the chunk before, and of the one after.
    spare : int
        Cells at the end of a chunk that none of its windows reaches, but for the last chunk.
    padding : (int, int)
        At the edges of the image.
    """

    chunks: tuple[int, ...]
    outputs: tuple[int, ...]
    before: int
    after: int
    spare: int
    padding: tuple[int, int]

    @classmethod
    def of(cls, axis: Axis, chunks: Sequence[int]) -> Halo:
        """Return the halo of an axis; its chunks end at the multiples of the stride that are nearest to `chunks`."""
        extent = window_extent(axis.kernel, axis.dilation)
        reach = extent - axis.stride - axis.before  # cells of the next chunk that the last window reaches
        least = max(axis.before, reach, -reach + 1, extent, 1)
        ends = [0]
        for end in np.cumsum(chunks)[:-1].tolist():
            cut = round(end / axis.stride) * axis.stride
            if cut - ends[-1] >= least and axis.size - cut >= least and cut // axis.stride < axis.out:
                ends.append(cut)
        ends.append(axis.size)
        windows = [*(end // axis.stride for end in ends[:-1]), axis.out]
        steps = tuple(np.diff(ends).tolist()), tuple(np.diff(windows).tolist())
        return cls(*steps, axis.before, max(0, reach), max(0, -reach), (axis.before, axis.after))

    def at(self, place: int) -> tuple[tuple[int, int], int]:
        """Return the padding of the chunk at a place, and the cells at its end that are not its own."""
        first, last = place == 0, place == len(self.chunks) - 1
        before, after = self.padding
        return (before if first else 0, after if last else 0), 0 if last else self.spare


def as_dask(operation: str, x: Any, along: int) -> Any:
    """Return a Dask array: of one, or of anything with a shape and a dtype, such as a Zarr or a memory-mapped array.

    What has no chunks of its own is cut into images, and these along an axis, into pieces of a few rows.
    """
    if isinstance(x, da.Array):
        return x
    if isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
        x = np.asarray(x)  # operators of a subclass may be others
    if not hasattr(x, "shape") or not hasattr(x, "dtype"):
        raise InvalidTypeError(
            f"{operation}: x must be an array, of Dask or with a shape and a dtype, but got {shown(x)}."
        )
    if len(x.shape) <= along:
        raise InvalidValueError(f"{operation}: x must have more than {along} axes, but got shape {shown(x.shape)}.")
    chunks = getattr(x, "chunks", None)
    if chunks is None:
        chunks = [min(extent, 1) if axis == 0 < along else extent for axis, extent in enumerate(x.shape)]
        row = prod(chunks[:along] + chunks[along + 1 :]) * max(x.dtype.itemsize, _FLOAT)
        chunks[along] = max(1, min(chunks[along], _PIECE // max(row, 1)))
    return da.from_array(Mapped(x) if isinstance(x, np.memmap) else x, chunks=tuple(chunks))


def over_chunks(
    x: Any, axes: Sequence[Axis], channels_last: bool, channels: int | None, dtype: np.dtype[Any], operation: Operation
) -> Any:
    """Apply an operation over windows to a Dask array of four axes.

    Parameters
    ----------
    x : dask.array.Array
        Planes.
    axes : sequence of Axis
        Of the windows, height first.
    channels_last : bool
        Where the channels are, of which every chunk gets all.
    channels : int or None
        Channels of the result; None is as many.
    dtype : dtype
        Of the result.
    operation : callable
        ``operation(chunk, padding=((before, after), ...))``.

    Returns
    -------
    dask.array.Array
        The result, lazily.
    """
    first, at = (1, 3) if channels_last else (2, 1)
    halos = {place: Halo.of(axis, x.chunks[place]) for place, axis in enumerate(axes, first)}
    x = x.rechunk({at: -1, **{place: halo.chunks for place, halo in halos.items()}})
    chunks = [halos[place].outputs if place in halos else sizes for place, sizes in enumerate(x.chunks)]
    if channels is not None:
        chunks[at] = (channels,)
    return da.map_overlap(
        _Block(operation, tuple(halos.items())),
        x,
        depth={place: (halo.before, halo.after) for place, halo in halos.items()},
        boundary="none",
        trim=False,
        allow_rechunk=False,
        chunks=tuple(chunks),
        meta=np.empty((0,) * x.ndim, dtype),
    )


class _Block:
    """An operation on one chunk and its halo, on one thread."""

    def __init__(self, operation: Operation, halos: tuple[tuple[int, Halo], ...]) -> None:
        self._operation, self._halos = operation, halos

    def __call__(self, block: Array, block_info: Any = None) -> Array:
        """Return the windows of the chunk."""
        places = block_info[0]["chunk-location"]
        padding, cut = [], [slice(None)] * block.ndim
        for axis, halo in self._halos:
            pair, spare = halo.at(places[axis])
            padding.append(pair)
            cut[axis] = slice(0, block.shape[axis] - spare)
        with use_num_threads(1):
            return self._operation(block[tuple(cut)], padding=tuple(padding))
