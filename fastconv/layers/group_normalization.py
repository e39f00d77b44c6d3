"""Group normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidValueError
from fastconv.functional.group_normalization import group_norm_moments
from fastconv.layers.arguments import ANY_LAYOUT, letters_of
from fastconv.layers.base import Shape
from fastconv.layers.normalization import OwnStatistics
from fastconv.validation.arrays import check_dtype
from fastconv.validation.sizes import check_any_shape, check_choice, check_flag, check_integer
from fastconv.validation.types import BackendName, Layout


class GroupNorm(OwnStatistics):
    """Normalisation of groups of channels of every image, then a factor and a term for every channel.

    ``(N, num_channels, ...) -> (N, num_channels, ...)``

    Parameters
    ----------
    num_groups : int
        Groups of neighbouring channels; divides `num_channels`.
    num_channels : int
        Channels.
    layout : str, optional
        Order of the axes, such as "NHWC"; by default channels come second, whatever the rank.
    eps, affine, dtype, backend
        As for `BatchNorm2d`.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_channels,), or None
        Factor and term of every channel.

    Raises
    ------
    ValueError
        If a size is not positive, or the groups do not divide the channels.

    Notes
    -----
    Wu and He 2018; see `fastconv.group_norm`.

    Examples
    --------
    >>> GroupNorm(2, 6)
    GroupNorm(2, 6, eps=1e-05, affine=True)
    """

    _operation = "group_norm"
    _statistics = staticmethod(group_norm_moments)

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        layout: Layout | None = None,
        dtype: DTypeLike = np.float32,
        backend: BackendName | None = None,
    ) -> None:
        super().__init__(eps, backend)
        name = "GroupNorm"
        self.num_groups = check_integer(name, "num_groups", num_groups, 1)
        self.num_channels = check_integer(name, "num_channels", num_channels, 1)
        if self.num_channels % self.num_groups:
            raise InvalidValueError(
                f"{name}: num_groups must divide num_channels, but got num_groups={self.num_groups} with "
                f"num_channels={self.num_channels}."
            )
        self.affine = check_flag(name, "affine", affine)
        self.layout = None if layout is None else check_choice(name, "layout", layout, ("NC", *ANY_LAYOUT))
        self._over, self._options = self.num_groups, {"layout": self.layout}
        self._make((self.num_channels,), check_dtype(name, dtype), weight=self.affine, bias=self.affine)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        shape = check_any_shape(type(self).__name__, "input_shape", input_shape)
        letters = "NC" if len(shape) == 2 and self.layout is None else letters_of(shape, self.layout)
        return self._with_channels(shape, letters, self.num_channels, "num_channels")

    def kept_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Mean and variance of every group of every image."""
        return input_shape[0] * self.num_groups * (max(itemsize, 4) + 8)

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        layout = "" if self.layout is None else f", layout={self.layout!r}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}{layout}"
