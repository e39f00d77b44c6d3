"""Compile everything ahead of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from fastconv.kernels.avg_pool import avg_pool_address
from fastconv.kernels.columns import columns_address
from fastconv.kernels.conv import conv_address
from fastconv.kernels.jit import Built, build_log
from fastconv.kernels.launch import threading_layer
from fastconv.kernels.max_pool import max_pool_address
from fastconv.kernels.pack import pack_address
from fastconv.kernels.scatter import scatter_address
from fastconv.kernels.sums import splits_sum_address, sums_address
from fastconv.kernels.target import host
from fastconv.kernels.tile import LANEWISE, PACKED, STRIDED, Tile, tile_address
from fastconv.kernels.weight import weight_address

__all__ = ["warmup"]


def _jobs() -> Iterator[Callable[[], object]]:
    yield threading_layer
    yield sums_address
    for itemsize in (4, 8):
        for driver in (conv_address, weight_address, scatter_address, pack_address, splits_sum_address):
            yield partial(driver, itemsize)
        for form in ("lanes", "plane", "backward"):
            yield partial(max_pool_address, form, itemsize)
        for form in ("lanes", "plane", "lanes_backward", "plane_backward"):
            yield partial(avg_pool_address, form, itemsize)
        for form in ("lanes", "plane"):
            yield partial(max_pool_address, form, itemsize, with_index=True)
        for scatter in (False, True):
            yield partial(columns_address, itemsize, scatter=scatter)
    for tile in _tiles():
        yield partial(tile_address, tile)


def _tiles() -> Iterator[Tile]:
    """Tiles two vectors wide, which serve 17 filters and more, and one vector wide for the rest."""
    for itemsize in (4, 8):
        lanes = host().lanes(itemsize)
        for mode in (PACKED, STRIDED, LANEWISE):
            for rows in range(1, host().tile_rows(2) + 1):
                yield Tile(mode, rows, 2, lanes, itemsize, 0)


def warmup(progress: Callable[[str, float], None] | None = None) -> list[tuple[str, float, bool]]:
    """Compile the kernels, or load them from the cache on disk.

    Parameters
    ----------
    progress : callable, optional
        Called after every kernel with its name and the share of the work that is done, from 0 to 1.

    Returns
    -------
    list of (name, seconds, cached)
        Every kernel built by this process, in order; `cached` is whether it came from the disk.
    """
    jobs = list(_jobs())
    for done, job in enumerate(jobs, start=1):
        job()
        if progress is not None:
            progress(build_log[-1].name if build_log else "", done / len(jobs))
    return [Built(*entry) for entry in build_log]
