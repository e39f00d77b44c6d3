"""Compile everything ahead of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from fastconv.backends.fast.pieces import EDGE_VECTORS, largest_sum, largest_tile
from fastconv.kernels.avg_pool import avg_pool_address
from fastconv.kernels.box_avg import box_avg_address
from fastconv.kernels.box_max import box_max_address
from fastconv.kernels.box_spread import box_spread_address
from fastconv.kernels.columns import columns_address
from fastconv.kernels.conv import conv_address
from fastconv.kernels.dots import dots_address
from fastconv.kernels.jit import Built, build_log
from fastconv.kernels.launch import threading_layer
from fastconv.kernels.linear import product_address
from fastconv.kernels.max_pool import max_pool_address
from fastconv.kernels.moments import moments_address
from fastconv.kernels.normalize import normalize_address
from fastconv.kernels.pack import pack_address
from fastconv.kernels.picks import picks_address
from fastconv.kernels.pointwise import pointwise_address
from fastconv.kernels.powers import powers_address
from fastconv.kernels.scatter import scatter_address
from fastconv.kernels.slide import TAPS, WINDOWS, Slide, slide_address
from fastconv.kernels.sliding import sliding_conv_address, sliding_gradient_address
from fastconv.kernels.sums import splits_sum_address, sums_address
from fastconv.kernels.target import AVX512, host
from fastconv.kernels.tile import LANEWISE, PACKED, STRIDED, Tile, tile_address
from fastconv.kernels.weight import weight_address

__all__ = ["warmup"]


def _jobs() -> Iterator[Callable[[], object]]:
    yield threading_layer
    yield sums_address
    yield sliding_conv_address
    yield sliding_gradient_address
    for itemsize in (4, 8):
        for driver in (
            conv_address,
            weight_address,
            scatter_address,
            pack_address,
            splits_sum_address,
            dots_address,
            product_address,
        ):
            yield partial(driver, itemsize)
        yield from _pooling_jobs(itemsize)
        for form in ("relu", "relu_backward", "add", "add_relu"):
            yield partial(pointwise_address, form, itemsize)
        for columns in (False, True):
            for form in ("", "_backward"):
                yield partial(moments_address, ("columns" if columns else "rows") + form, itemsize)
                yield partial(normalize_address, itemsize, columns=columns, backward=bool(form))
        for scatter in (False, True):
            yield partial(columns_address, itemsize, scatter=scatter)
    for tile in _tiles():
        yield partial(tile_address, tile)
    for slide in _slides():
        yield partial(slide_address, slide)


def _pooling_jobs(itemsize: int) -> Iterator[Callable[[], object]]:
    for form in ("lanes", "plane"):
        for driver in (max_pool_address, box_max_address):
            for with_index in (False, True):
                yield partial(driver, form, itemsize, with_index=with_index)
        yield partial(avg_pool_address, form, itemsize)
        yield partial(avg_pool_address, f"{form}_backward", itemsize)
        yield partial(box_avg_address, form, itemsize)
        for fill in (False, True):
            yield partial(box_spread_address, form, itemsize, fill=fill)
    for form in ("add", "put", "take"):
        yield partial(picks_address, form, itemsize)
    for form in ("power", "root", "share", "slope"):
        yield partial(powers_address, form, itemsize, 2)


def _tiles() -> Iterator[Tile]:
    """Tiles two vectors wide, which serve 17 filters and more, and one vector wide for the rest."""
    for itemsize in (4, 8):
        lanes = host().lanes(itemsize)
        for mode in (PACKED, STRIDED, LANEWISE):
            for rows in range(1, host().tile_rows(2) + 1):
                yield Tile(mode, rows, 2, lanes, itemsize, 0)


def _slides() -> Iterator[Slide]:
    """Pieces of depthwise convolution 3×3 at stride 1, of whole vectors."""
    if host() != AVX512:
        return
    (vectors, pixels), sums = largest_tile(3), largest_sum(3)
    for itemsize in (4, 8):
        lanes = host().lanes(itemsize)
        for size in range(1, pixels + 1):
            yield Slide(WINDOWS, size, vectors, lanes, itemsize, 0, 3, 1)
        yield Slide(WINDOWS, 1, EDGE_VECTORS, lanes, itemsize, 0, 2, 1)
        for runs in range(2, sums.runs + 1):
            for size in range(1, sums.pixels + 1):
                yield Slide(TAPS, size, sums.vectors, lanes, itemsize, 0, 3, 1, runs)
            yield Slide(TAPS, 1, sums.vectors, lanes, itemsize, 0, 2, 1, runs)


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
