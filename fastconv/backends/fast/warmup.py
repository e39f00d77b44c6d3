"""Compile everything ahead of time."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

from fastconv.backends.fast.depthwise.depthwise_tile_kernel import ROLLING, TAPS, DepthwiseTile, depthwise_tile_address
from fastconv.backends.fast.depthwise.tiles import LARGEST_ROLLING, largest_sum
from fastconv.backends.fast.machine.disk_cache import must_keep
from fastconv.backends.fast.machine.jit import INTERPRETED, Built, build_log
from fastconv.backends.fast.machine.kernel import KERNELS
from fastconv.backends.fast.machine.launch import FORMS, launcher
from fastconv.backends.fast.machine.origin import FROZEN
from fastconv.backends.fast.machine.target import AVX512, host
from fastconv.backends.fast.machine.tile import LANEWISE, PACKED, ROWS, STRIDED, Tile, tile_address
from fastconv.backends.fast.pool.maxima_table import KEPT_BYTES
from fastconv.backends.fast.pool.maxima_tile_kernel import MANY, MaximaTile, maxima_tile_address
from fastconv.backends.fast.winograd import transform_kernel as transforms
from fastconv.backends.fast.winograd.tiles import VECTORS
from fastconv.backends.fast.winograd.transform_kernel import Transform, transform_address
from fastconv.backends.settings import thread_limit
from fastconv.errors import KernelCacheError

_MOST_PROCESSES = 8


def _jobs() -> Iterator[Callable[[], object]]:
    for form in FORMS:
        yield partial(launcher, form)
    for kernel in KERNELS:
        for variant in kernel.variants():
            yield partial(kernel.address, *variant)
    for tile in _tiles():
        yield partial(tile_address, tile)
    for depthwise in _depthwise_tiles():
        yield partial(depthwise_tile_address, depthwise)
    for transform in _transforms():
        yield partial(transform_address, transform)
    for itemsize, kept in product((4, 8), KEPT_BYTES.values()):
        for every, nbytes, vectors in ((1, 64, MANY), (1, 64, 1), (1, 32, 1), (2, 64, 1), (2, 32, 1)):
            yield partial(maxima_tile_address, MaximaTile(every, nbytes, vectors, itemsize, kept))


def _tiles() -> Iterator[Tile]:
    """Tiles two vectors wide, which serve 17 filters and more, and one vector wide for the rest."""
    for itemsize in (4, 8):
        lanes = host().lanes(itemsize)
        for mode in (PACKED, STRIDED, LANEWISE):
            for rows in range(1, host().tile_rows(2) + 1):
                yield Tile(mode, rows, 2, lanes, itemsize, 0)
    for vectors in range(1, VECTORS + 1):  # of Winograd's algorithm, where a row of tiles is done again
        yield Tile(ROWS, 1, vectors, host().lanes(4), 4, 0)


def _depthwise_tiles() -> Iterator[DepthwiseTile]:
    """Pieces of depthwise convolution 3×3 at stride 1, of whole vectors, with padding of 1."""
    if host() != AVX512:
        return
    (vectors, pixels), sums = LARGEST_ROLLING[3, 3], largest_sum(3)
    for itemsize in (4, 8):
        lanes = host().lanes(itemsize)
        for size, (before, after) in product((pixels - 1, pixels), ((0, 0), (1, 0), (0, 1))):
            yield DepthwiseTile(ROLLING, size, vectors, lanes, itemsize, 0, 3, 1, 3, before=before, after=after)
        for runs in range(2, sums.runs + 1):
            for size in range(1, sums.pixels + 1):
                yield DepthwiseTile(TAPS, size, sums.vectors, lanes, itemsize, 0, 3, 1, runs)
            yield DepthwiseTile(TAPS, 1, sums.vectors, lanes, itemsize, 0, 2, 1, runs)


def _transforms() -> Iterator[Transform]:
    """Transforms of 3×3 layers whose channels fill vectors: tiles of 4×4 outputs, and parts of them at the edges.

    Where y has 4 rows and pixels or more; a smaller one has transforms of its own.
    """
    lanes = host().lanes(4)
    of_parts = ((transforms.INPUT, 1), (transforms.OUTPUT, VECTORS), (transforms.GRADIENT, VECTORS))
    for (kind, vectors), rows, columns in product(of_parts, range(1, 5), range(1, 5)):
        yield Transform(kind, rows, columns, 4, 4, 3, 3, lanes, vectors, 0)
    for kind in (transforms.WEIGHTS, transforms.TAPS):
        yield Transform(kind, 4, 4, 4, 4, 3, 3, lanes, 1, 0)


def warmup(progress: Callable[[str, float], None] | None = None) -> list[tuple[str, float, bool]]:
    """Compile the kernels, in a process for each core, or load them from the cache on disk.

    Parameters
    ----------
    progress : callable, optional
        Called after every kernel with its name and the share of the work that is done, from 0 to 1.

    Returns
    -------
    list of (name, seconds, cached)
        Every kernel built by this process, in order; `cached` is whether it came from the disk.

    Raises
    ------
    KernelCacheError
        If a kernel has to be compiled and cannot be kept, so that the next process would not find it; or if nothing
        is compiled at all.
    """
    if INTERPRETED:
        raise KernelCacheError(
            "warmup: kernels must be compiled, but got NUMBA_DISABLE_JIT=1, with which they run as Python functions. "
            "Unset that variable."
        )
    with must_keep():
        _build_all(progress)
    return [Built(*entry) for entry in build_log]


def _build_all(progress: Callable[[str, float], None] | None) -> None:
    jobs, count = list(_jobs()), _processes()
    with contextlib.ExitStack() as stack:
        claims: Path | None = None
        helpers: list[subprocess.Popen[bytes]] = []
        for i, job in enumerate(jobs):
            if claims is None or _claim(claims, i):
                job()
            if count > 1 and claims is None and build_log and not build_log[-1].cached:
                claims = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fastconv-warmup-")))
                with contextlib.suppress(OSError):  # where no process can be started, this one does all
                    helpers.extend(_helper(stack, claims, i + 1) for _ in range(1, count))
            if progress is not None:
                progress(build_log[-1].name if build_log else "", (i + 1) / len(jobs))
        for helper in helpers:
            helper.wait()
    for job in jobs:  # from the disk by now, but for what a helper failed to compile
        job()


def _processes() -> int:
    """Processes that share the compiling, where something has to be compiled: one for each core."""
    alone = FROZEN or not sys.executable  # a frozen application would start itself once more
    return 1 if alone else min(thread_limit(), _MOST_PROCESSES)


def _helper(stack: contextlib.ExitStack, claims: Path, first: int) -> subprocess.Popen[bytes]:
    """Start a process that has a part in compiling into the cache on disk; it ends with the stack."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        f"from fastconv.backends.fast.warmup import build_claimed; build_claimed({str(claims)!r}, {first})"
    )
    quiet = subprocess.DEVNULL
    helper = subprocess.Popen([sys.executable, "-c", code], stdin=quiet, stdout=quiet, stderr=quiet)
    stack.callback(helper.wait)
    stack.callback(helper.kill)
    return helper


def build_claimed(claims: str, first: int) -> None:
    """Build kernels from number `first` on, but for those that other processes claim."""
    for i, job in enumerate(_jobs()):
        if i >= first and _claim(Path(claims), i):
            job()


def _claim(claims: Path, i: int) -> bool:
    """Whether this process is the first that wants a kernel: it makes the file, of which there can be one."""
    try:
        (claims / str(i)).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
