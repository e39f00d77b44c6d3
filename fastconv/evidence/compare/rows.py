"""What was found for one workload: frozen records, each with the figures that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastconv.evidence.accuracy import Difference
from fastconv.report.record import NOT_SAVED
from fastconv.validation.arrays import Array


@dataclass(frozen=True)
class PassResult:
    """Time and memory of one pass, forward or backward.

    Attributes
    ----------
    name : {"forward", "backward"}
        Which pass. Backward computes every gradient.
    seconds : float
        Median time of the candidate over the whole problem, in rounds before and after those of the frozen loops.
    compile_seconds : float
        What its first call took beyond that: compilation, where nothing had compiled it before.
    workspace : int
        Peak bytes that the candidate allocates beyond what it returns.
    reference_seconds : float
        Time of the reference.
    reference_estimated : bool
        Whether that is extrapolated from a part of the problem, smaller than what is compared (`Row.checked_rows`).
    reference_workspace : int
        Peak bytes that the reference allocates beyond what it returns.
    reference_workspace_partial : bool
        Whether that was measured on a part of the problem, so that the whole takes more.
    loop_seconds_per_output : float or None
        Time of the frozen loops for one output; None where they cannot do the work.
    outputs : int
        Outputs of the forward pass.
    flops : int
        Floating-point operations of the pass, a multiply-add counted as two; 0 for a pooling.
    """

    name: str
    seconds: float
    compile_seconds: float
    workspace: int
    reference_seconds: float
    reference_estimated: bool
    reference_workspace: int
    reference_workspace_partial: bool
    loop_seconds_per_output: float | None
    outputs: int
    flops: int

    DERIVED = ("loop_seconds", "times_faster", "gflops")

    @property
    def loop_seconds(self) -> float | None:
        """Time of the frozen loops for all outputs, extrapolated from a crop."""
        return None if self.loop_seconds_per_output is None else self.loop_seconds_per_output * self.outputs

    @property
    def times_faster(self) -> float | None:
        """Time of the frozen loops divided by that of the candidate."""
        return None if self.loop_seconds is None else self.loop_seconds / self.seconds

    @property
    def gflops(self) -> float | None:
        """GFLOP/s of the candidate, a multiply-add counted as two; None for a pooling."""
        return self.flops / self.seconds / 1e9 if self.flops else None


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """The first image of a problem with what was made of it, each (C, H, W).

    Attributes
    ----------
    image, reference, candidate : ndarray
        The image, and the whole maps.
    source : str
        Who computed the reference: numpy in float64, where the reference itself did a part only.
    names : tuple of str
        What the maps show, as far as that is known.
    """

    image: Array
    reference: Array
    candidate: Array
    source: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """The comparison of one workload.

    Attributes
    ----------
    name, operation, description : str
        Which workload.
    shapes : dict of str to tuple of int
        Shapes of ``x``, ``weight``, ``bias`` and ``y``, in the layout of the call.
    arguments : dict
        The other arguments of the call.
    dtype : str
        Dtype of the results.
    passes : tuple of PassResult
        Forward, and backward if asked for.
    differences : tuple of Difference
        Candidate against reference, over the part that the reference computed.
    whole_differences : tuple of Difference
        Where that is not everything: candidate against the numpy backend in float64, over everything.
    images, rows : int
        Images of the batch, and output rows of each.
    checked_images, checked_rows : int
        How many of them the reference computed.
    maps : FeatureMaps or None
        For real images, what to plot.
    """

    name: str
    operation: str
    description: str
    shapes: dict[str, tuple[int, ...]]
    arguments: dict[str, Any]
    dtype: str
    passes: tuple[PassResult, ...]
    differences: tuple[Difference, ...]
    whole_differences: tuple[Difference, ...]
    images: int
    rows: int
    checked_images: int
    checked_rows: int
    maps: FeatureMaps | None = field(default=None, repr=False, compare=False, metadata=NOT_SAVED)

    DERIVED = ("ok",)

    @property
    def partial(self) -> bool:
        """Whether the reference computed only a part."""
        return self.checked_images < self.images or self.checked_rows < self.rows

    @property
    def all_differences(self) -> tuple[Difference, ...]:
        """Those of the part and those of the whole."""
        return (*self.differences, *self.whole_differences)

    @property
    def by_algorithm(self) -> tuple[Difference, ...]:
        """Those of the results that are products of x, w and dy, over everything."""
        return tuple(each for each in self.whole_differences or self.differences if each.array != "dbias")

    @property
    def ok(self) -> bool:
        """Whether every difference is within its tolerance."""
        return all(difference.within for difference in self.all_differences)
