"""The orders in which columns are kept: which axes there are, and which of them lie in one."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.problem import Pair
from fastconv.validation.arrays import Array


class Sizes(NamedTuple):
    """The sizes that columns are made of."""

    images: int
    channels: int
    kernel: Pair
    out: Pair


@dataclass(frozen=True)
class Layout:
    """An order of columns.

    Parameters
    ----------
    axes : tuple of str
        What runs along each axis, the slowest first: n images, c channels, k places in a window, l windows.
    apart : bool
        Whether places and windows have two axes, for their rows and columns.

    Examples
    --------
    >>> columns, sizes = np.arange(24).reshape(1, 6, 4), Sizes(1, 3, (1, 2), (2, 2))
    >>> Layout(("nl", "ck")).to(columns, sizes).shape, Layout(("n", "c", "k", "l"), apart=True).shape(sizes)
    ((4, 6), (1, 3, 1, 2, 2, 2))
    """

    axes: tuple[str, ...]
    apart: bool = False

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """Shape of the columns."""
        of_axis = {"n": (sizes.images,), "c": (sizes.channels,), "k": sizes.kernel, "l": sizes.out}
        groups = ([size for axis in group for size in of_axis[axis]] for group in self.axes)
        return tuple(size for group in groups for size in (group if self.apart else [prod(group)]))

    def to(self, columns: Array, sizes: Sizes) -> Array:
        """(N, C*KH*KW, OH*OW) in this order."""
        split = columns.reshape(sizes.images, sizes.channels, prod(sizes.kernel), prod(sizes.out))
        return split.transpose(["nckl".index(axis) for axis in "".join(self.axes)]).reshape(self.shape(sizes))

    def columns_of(self, x: Array, sizes: Sizes, stride: Pair, padding: Pair) -> Array:
        """Windows of images (N, C, H, W) in this order, with zeros around.

        The padded images are stored in the order of the axes of the result, so that the one large copy reads and writes
        along memory: 4 to 19 times as fast as columns in the order of `fastconv.im2col` that are transposed.
        """
        (n, c, height, width), (ph, pw) = x.shape, padding
        shape = n, c, height + 2 * ph, width + 2 * pw
        order = [at for axis in "".join(self.axes) for at in {"n": [0], "c": [1], "l": [2, 3], "k": []}[axis]]
        planes = np.zeros([shape[at] for at in order], x.dtype).transpose(np.argsort(order))
        planes[:, :, ph : ph + height, pw : pw + width] = x
        of_image, of_channel, *steps = planes.strides
        by_window = [step * s for step, s in zip(steps, stride)]
        strides = {"n": [of_image], "c": [of_channel], "k": steps, "l": by_window}
        axes = {"n": [n], "c": [c], "k": sizes.kernel, "l": sizes.out}
        windows = np.lib.stride_tricks.as_strided(
            planes,
            [size for axis in "".join(self.axes) for size in axes[axis]],
            [step for axis in "".join(self.axes) for step in strides[axis]],
        )
        return np.ascontiguousarray(windows).reshape(self.shape(sizes))

    def of(self, columns: Any, sizes: Sizes) -> Array:
        """Columns in this order as (N, C*KH*KW, OH*OW); those of another shape are left to the original."""
        if not isinstance(columns, np.ndarray) or columns.shape != self.shape(sizes):
            raise Declined
        of_axis = {"n": sizes.images, "c": sizes.channels, "k": prod(sizes.kernel), "l": prod(sizes.out)}
        order = "".join(self.axes)
        split = columns.reshape([of_axis[axis] for axis in order]).transpose([order.index(axis) for axis in "nckl"])
        return split.reshape(sizes.images, sizes.channels * of_axis["k"], of_axis["l"])

    def loosely_of(self, columns: Any, sizes: Sizes) -> Any:
        """As `of`, with another number of windows; what has no such shape is left for the judge."""
        known = sizes.images * sizes.channels * prod(sizes.kernel)
        windows = np.size(columns) // known if isinstance(columns, np.ndarray) else 0
        try:
            return self.of(columns, sizes if self.apart else sizes._replace(out=(1, windows)))
        except Declined:
            return columns


BOOK = Layout(("nl", "ck"))
COURSE = Layout(("ck", "ln"))
SIX = Layout(("c", "k", "n", "l"), apart=True)
LAYOUTS = (
    *(Layout(axes) for row in ("ck", "kc") for at in ("nl", "ln") for axes in ((row, at), (at, row))),
    *(Layout(axes) for row in ("ck", "kc") for axes in (("n", row, "l"), ("n", "l", row))),
    *(Layout(tuple(axes), apart=True) for axes in ("cknl", "nckl", "nlck", "nlkc", "nclk", "lnck", "klcn")),
)
