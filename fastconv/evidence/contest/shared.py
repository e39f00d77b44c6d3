"""One workload as files that every worker reads, and the check of what they make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends.geometry import ConvGeometry
from fastconv.errors import InvalidValueError
from fastconv.evidence.accuracy import Difference, differences, exact_results, magnitudes
from fastconv.evidence.contest.engines.base import Job
from fastconv.evidence.problem import OperationProblem, from_workload
from fastconv.evidence.workloads import Workload
from fastconv.report import plain_data, read_record
from fastconv.validation.arrays import Array

RESULTS = {"forward": ("y",), "backward": ("dx", "dweight", "dbias")}
_ORACLE = "numpy in float64"


class SharedProblem(NamedTuple):
    """A problem with its right results.

    Attributes
    ----------
    problem : OperationProblem
        The call.
    folder : Path
        Where its arrays are.
    expected, sums : dict of str to ndarray
        Every result in float64, and the ``sum |x·w|`` that its rounding errors are proportional to.
    """

    problem: OperationProblem
    folder: Path
    expected: dict[str, Array]
    sums: dict[str, Array]

    @property
    def dtype(self) -> str:
        """Dtype of all arrays."""
        return str(self.problem.dtype)

    def check(self, step: str, files: dict[str, str]) -> tuple[Difference, ...]:
        """See `check_results`."""
        return check_results(self, step, files)


def write_problem(workload: Workload, dtype: np.dtype[Any], seed: int, folder: Path) -> SharedProblem:
    """Draw the arrays of a workload, write them to a folder, and compute the right results."""
    problem = from_workload(workload, dtype, seed)
    dy = problem.draw_gradient(seed)
    for name, array in {**problem.arrays(), "dy": dy}.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "geometry.json").write_text(json.dumps(plain_data(problem.geometry)), encoding="ascii")
    return SharedProblem(problem, folder, exact_results(problem, dy), magnitudes(problem, dy))


def read_job(folder: Path, step: str) -> Job:
    """Read what `write_problem` wrote."""
    x, weight, dy = (np.load(folder / f"{name}.npy") for name in ("x", "weight", "dy"))
    bias = np.load(folder / "bias.npy") if (folder / "bias.npy").exists() else None
    geometry = read_record(ConvGeometry, json.loads((folder / "geometry.json").read_text(encoding="ascii")))
    return Job(step, x, weight, bias, dy, geometry)


def check_results(shared: SharedProblem, step: str, files: dict[str, str]) -> tuple[Difference, ...]:
    """Return how far the results in some files are from the right ones; the files are deleted."""
    if set(files) != set(RESULTS[step]):
        raise InvalidValueError(
            f"contest: the results of {step} must be {', '.join(RESULTS[step])}, but got {', '.join(files) or 'none'}."
        )
    found = {name: np.load(path) for name, path in files.items()}
    for path in files.values():
        Path(path).unlink()
    expected = {name: shared.expected[name] for name in RESULTS[step]}
    return differences(found, expected, shared.sums, shared.problem.dtype, _ORACLE)
