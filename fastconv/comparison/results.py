"""What a comparison found: frozen records that print as a table and save as JSON."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from fastconv.comparison.files import write_whole
from fastconv.comparison.text import plain_text
from fastconv.validation.arrays import Array

__all__ = ["Comparison", "Difference", "Environment", "FeatureMaps", "PassResult", "Row", "plain_data"]

_FORMAT = "fastconv-compare/1"


@dataclass(frozen=True)
class Difference:
    """How far one result of the candidate is from that of the reference.

    Attributes
    ----------
    array : {"y", "dx", "dweight", "dbias"}
        Which result.
    reference : str
        The backend that computed the other one.
    max_abs : float
        Largest absolute difference.
    max_relative : float
        That, divided by the largest magnitude in the result of the reference (not element by element, which would
        say nothing next to zero).
    of_tolerance : float
        Largest absolute difference in units of what is allowed for its element, ``64 * eps * sum |x·w|``. A maximum is
        one of its inputs, so that there nothing is allowed and this is 0 or infinite.
    """

    array: str
    reference: str
    max_abs: float
    max_relative: float
    of_tolerance: float

    @property
    def within(self) -> bool:
        """Whether every element is within its tolerance."""
        return self.of_tolerance <= 1


@dataclass(frozen=True)
class PassResult:
    """Time and memory of one pass, forward or backward.

    Attributes
    ----------
    name : {"forward", "backward"}
        Which pass. Backward computes every gradient.
    seconds : float
        Median time of the candidate over the whole problem, in rounds before and after the run of the reference.
    compile_seconds : float
        What its first call took beyond that: compilation, where nothing had compiled it before.
    workspace : int
        Peak bytes that the candidate allocates beyond what it returns.
    reference_seconds : float
        Time of the reference.
    reference_estimated : bool
        Whether that is extrapolated from a part of the problem (see `Row.checked_rows`).
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
    """The first image of a problem with what both backends made of it, each (C, H, W)."""

    image: Array
    reference: Array
    candidate: Array


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
    maps: FeatureMaps | None = field(default=None, repr=False, compare=False)

    @property
    def partial(self) -> bool:
        """Whether the reference computed only a part."""
        return self.checked_images < self.images or self.checked_rows < self.rows

    @property
    def ok(self) -> bool:
        """Whether every difference is within its tolerance."""
        return all(difference.within for difference in (*self.differences, *self.whole_differences))

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data, with its derived figures."""
        plain = asdict(_without_maps(self))
        del plain["maps"]
        for passed, entry in zip(self.passes, plain["passes"]):
            entry |= {
                "loop_seconds": passed.loop_seconds,
                "times_faster": passed.times_faster,
                "gflops": passed.gflops,
            }
        for kind in ("differences", "whole_differences"):
            for difference, entry in zip(getattr(self, kind), plain[kind]):
                entry["within"] = difference.within
        return {**plain, "ok": self.ok}


@dataclass(frozen=True)
class Environment:
    """Where the numbers come from.

    Attributes
    ----------
    versions : dict of str to str
        Of fastconv, Python, NumPy and Numba.
    platform, cpu : str
        Operating system and processor.
    cores, threads : int
        Cores that the process may use, and threads that the fast backend uses.
    load : float or None
        Average number of busy processes in the minute before, where the system knows it.
    date : str
        When the comparison began, in UTC.
    """

    versions: dict[str, str]
    platform: str
    cpu: str
    cores: int
    threads: int
    load: float | None
    date: str


@dataclass(frozen=True)
class Comparison:
    """Two backends side by side; prints as a table.

    Attributes
    ----------
    rows : tuple of Row
        One for each workload.
    environment : Environment
        Where the numbers come from.
    backends : (str, str)
        Reference and candidate.
    """

    rows: tuple[Row, ...]
    environment: Environment
    backends: tuple[str, str] = ("naive", "fast")

    @property
    def ok(self) -> bool:
        """Whether every difference of every workload is within its tolerance."""
        return all(row.ok for row in self.rows)

    @property
    def compile_seconds(self) -> float:
        """What the first calls took beyond the later ones, all together."""
        return sum(passed.compile_seconds for row in self.rows for passed in row.passes)

    def __str__(self) -> str:
        return plain_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data.

        Returns
        -------
        dict
            Dicts, lists, strings and numbers; what is not finite (a difference from NaN) is None.
        """
        plain = {
            "format": _FORMAT,
            "ok": self.ok,
            "backends": list(self.backends),
            "compile_seconds": self.compile_seconds,
            "environment": asdict(self.environment),
            "rows": [row.to_dict() for row in self.rows],
        }
        finite: dict[str, Any] = plain_data(plain)
        return finite

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON to a file, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file; an older one is replaced.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        data = self.to_json().encode()
        write_whole(path, lambda stream: stream.write(data))


def _without_maps(row: Row) -> Row:
    """Return the row without its arrays, which `asdict` would copy."""
    return Row(**{**row.__dict__, "maps": None})


def plain_data(value: Any) -> Any:
    """Return dicts, lists, strings and numbers; None for what is not finite, which JSON has no word for."""
    if isinstance(value, dict):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    return (
        plain_data(value.tolist()) if hasattr(value, "tolist") else str(value)
    )  # a NumPy scalar or array; anything else
