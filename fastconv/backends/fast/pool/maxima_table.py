"""What the kernels of maxima look up: steps from window to window and from tap to tap, and their micro-kernels."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.backends.base import Array
from fastconv.backends.fast.pool.maxima_tile_kernel import MANY, MAXIMA, MaximaTile, maxima_tile_address
from fastconv.backends.fast.pool.windows import KEPT
from fastconv.backends.geometry import Axis

# bytes of what is kept of a maximum, by what it is
KEPT_BYTES = {"value": 0, **{name: kept.itemsize for name, kept in KEPT.items()}}


def maxima_table(
    axes: Sequence[Axis], x_steps: Sequence[int], y_steps: Sequence[int], form: str, channels: int, itemsize: int,
    keeps: str, scales: Sequence[int] = (1, 1, 1),
) -> Array:  # fmt: skip
    """Table of windows along three axes, for steps in bytes along them.

    In the form of lanes, vectors are of some `channels`, else of windows of a row. A cell of an axis is as many cells
    of memory as `scales` says.
    """
    (_, height, width), (_, x_row, x_step), (_, y_row, y_step) = axes, x_steps, y_steps
    nbytes, positions = KEPT_BYTES[keeps], keeps != "place"
    row = (width.size if positions else width.kernel) * scales[2]
    plane = (height.size if positions else height.kernel) * row
    taps = [
        (axis.dilation * step, number * (axis.dilation if positions else 1))
        for axis, step, number in zip(axes, x_steps, (plane, row, 1))
    ]
    along = (width.stride * x_step, y_step, width.stride * positions)
    side, down, most = along, (height.stride * x_row, y_row, height.stride * row * positions), width.out
    if form == "lanes":
        side, down, most = (itemsize, itemsize, 0), along, channels
    every = side[0] // itemsize if side[1] == itemsize and side[0] in (itemsize, 2 * itemsize) else 0

    def tile(size: int, vectors: int = 1) -> int:
        shape = MaximaTile(every, size, vectors, itemsize, nbytes)
        return maxima_tile_address(shape) if most * itemsize >= size * vectors else 0

    values = dict(zip(MAXIMA.names, (*side, *down, *(number for tap in taps for number in tap))))
    return MAXIMA.fill(
        **values, KEPT_BYTES=nbytes, POSITIONS=int(positions), WIDE=tile(64), HALF=tile(32),
        MANY=tile(64, MANY) if form == "lanes" else 0,
    )  # fmt: skip
