"""Normalisation with running statistics: what batch and instance normalisation share."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from fastconv.errors import InvalidValueError
from fastconv.layers.arguments import check_dtype, check_input_shape
from fastconv.layers.normalization import Normalization
from fastconv.layers.steps import Shape
from fastconv.validation.arrays import LAYOUTS, Array, check_layout
from fastconv.validation.sizes import check_flag, check_integer, check_number

__all__ = ["Running", "Statistics"]

Statistics = tuple[Array, Array]


class Running(Normalization):
    """Normalisation of channels, with running statistics."""

    rank: ClassVar[int]
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Array | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        layout: str | None,
        dtype: DTypeLike,
        backend: str | None,
    ) -> None:
        super().__init__(eps, backend)
        name = type(self).__name__
        self.num_features = check_integer(name, "num_features", num_features, 1)
        self.momentum = None if momentum is None else check_number(name, "momentum", momentum, least=0, most=1)
        self.affine = check_flag(name, "affine", affine)
        self.track_running_stats = check_flag(name, "track_running_stats", track_running_stats)
        self.layout = LAYOUTS[self.rank][0] if layout is None else layout
        check_layout(name, self.layout, self.rank)
        kind = check_dtype(name, dtype)
        self._make((self.num_features,), kind, weight=self.affine, bias=self.affine)
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if self.track_running_stats:
            self.running_mean = np.zeros(self.num_features, kind)
            self.running_var = np.ones(self.num_features, kind)
            self.num_batches_tracked = np.zeros((), np.int64)

    def reset_running_stats(self) -> None:
        """Start again: mean 0, variance 1, no batch seen."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean[...], self.running_var[...], self.num_batches_tracked[...] = 0, 1, 0

    @property
    def uses_batch(self) -> bool:
        """Whether the next forward pass takes the statistics of its own input."""
        return self.training or self.running_mean is None

    def _running(self) -> Statistics:
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, self.running_var

    def _track(self, mean: Array, variance: Array, numbers: int, factor: float) -> None:
        """Move the running statistics towards those of a batch; the variance is made unbiased."""
        unbiased = variance * variance.dtype.type(numbers / (numbers - 1))
        for running, value in zip(self._running(), (mean, unbiased)):
            with np.errstate(over="ignore", invalid="ignore"):
                running[...] = running * value.dtype.type(1 - factor) + value * value.dtype.type(factor)

    def _layout_of(self, shape: Shape) -> str:
        return "NC" if len(shape) == 2 else self.layout

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the input; see `Layer.output_shape`."""
        return self._checked(input_shape, self.layout)

    def _checked(self, shape: Shape, letters: str) -> Shape:
        name = type(self).__name__
        checked = check_input_shape(name, shape, letters)
        if checked[letters.index("C")] != self.num_features:
            raise InvalidValueError(
                f"{name}: the input must have {self.num_features} channels (num_features), but got "
                f"{checked[letters.index('C')]} (shape {checked}, {letters})."
            )
        return checked

    def extra_repr(self) -> str:
        """See `Layer.extra_repr`."""
        usual = LAYOUTS[self.rank][0]
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
            + ("" if self.layout == usual else f", layout={self.layout!r}")
        )
