"""Instance normalisation."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidValueError
from fastconv.functional.instance_normalization import instance_norm_moments
from fastconv.functional.normalization import Statistics
from fastconv.layers.base import Shape
from fastconv.layers.batch_normalization import Running
from fastconv.validation.arrays import Array
from fastconv.validation.types import BackendName, Layout


class _InstanceNorm(Running):
    """Instance normalisation of any rank."""

    _operation = "instance_norm"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        layout: Layout | None = None,
        dtype: DTypeLike = np.float32,
        backend: BackendName | None = None,
    ) -> None:
        options: dict[str, Any] = {"layout": layout, "dtype": dtype, "backend": backend}
        super().__init__(num_features, eps, momentum, affine, track_running_stats, **options)

    def check_batch(self, input_shape: Shape) -> None:
        """Refuse an input with one value per channel of an image; see `Layer.check_batch`."""
        if prod(input_shape[1:]) == self.num_features:
            raise InvalidValueError(
                f"{type(self).__name__}: the input must have more than 1 value per channel and image, but got shape "
                f"{tuple(input_shape)}."
            )

    def _statistics(self, x: Array, options: dict[str, Any]) -> Statistics:
        self.check_batch(x.shape)
        numbers = prod(x.shape[1:]) // self.num_features
        statistics = instance_norm_moments(x, **options)
        if self.training and self.running_mean is not None and len(x):
            self._track(statistics, numbers, self.momentum or 0.0)
        return statistics

    def kept_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Mean and variance of every channel of every image, or the running ones."""
        images = input_shape[0] if self.uses_batch else 1
        return images * self.num_features * (max(itemsize, 4) + 8)


class InstanceNorm1d(_InstanceNorm):
    """Normalisation of every line of every channel, see `InstanceNorm2d`.

    ``(N, num_features, W) -> (N, num_features, W)``

    Arguments as for `InstanceNorm2d`, with one axis; `layout` is "NCW" or "NWC".

    Examples
    --------
    >>> import numpy as np
    >>> InstanceNorm1d(1, eps=0.0)(np.array([[[1.0, 3.0]], [[4.0, 4.5]]], np.float32))
    array([[[-1.,  1.]],
           [[-1.,  1.]]], dtype=float32)
    """

    rank = 1


class InstanceNorm2d(_InstanceNorm):
    """Normalisation of every plane of every channel.

    ``(N, num_features, H, W) -> (N, num_features, H, W)``

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, layout, dtype, backend
        As for `BatchNorm2d`, but without weight, bias and running statistics by default, as in PyTorch. Running
        statistics are the means of those of the images; with ``momentum=None`` they never move.

    Raises
    ------
    ValueError
        If a size is not positive, a number out of range; in `forward`, if planes have but one cell.
    TypeError
        If an argument has the wrong type.

    Examples
    --------
    >>> InstanceNorm2d(3, affine=True)
    InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=False)
    """

    rank = 2


class InstanceNorm3d(_InstanceNorm):
    """Normalisation of every volume of every channel, see `InstanceNorm2d`.

    ``(N, num_features, D, H, W) -> (N, num_features, D, H, W)``

    Arguments as for `InstanceNorm2d`, with three axes, depth first; `layout` is "NCDHW" or "NDHWC".

    Examples
    --------
    >>> InstanceNorm3d(2).output_shape((1, 2, 3, 4, 5))
    (1, 2, 3, 4, 5)
    """

    rank = 3
