"""One workload as files that every worker reads, and the check of what they make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastconv.backends.geometry import ConvGeometry
from fastconv.errors import InvalidValueError
from fastconv.evidence.accuracy import Bounds, Difference, differences, exact_results, magnitudes, promised
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
    expected : dict of str to ndarray
        Every result in float64.
    bounds : dict of str to ErrorBound
        What fastconv promises of each.
    """

    problem: OperationProblem
    folder: Path
    expected: dict[str, Array]
    bounds: Bounds

    @property
    def dtype(self) -> str:
        """Dtype of all arrays."""
        return str(self.problem.dtype)

    def check(self, step: str, files: dict[str, str], *, ours: bool) -> tuple[Difference, ...]:
        """See `check_results`."""
        return check_results(self, step, files, ours=ours)


def write_problem(workload: Workload, dtype: np.dtype[Any], seed: int, folder: Path) -> SharedProblem:
    """Draw the arrays of a workload, write them to a folder, and compute the right results."""
    problem = from_workload(workload, dtype, seed)
    dy = problem.draw_gradient(seed)
    for name, array in {**problem.arrays(), "dy": dy}.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "geometry.json").write_text(json.dumps(plain_data(problem.geometry)), encoding="ascii")
    bounds = promised(problem, dy, magnitudes(problem, dy), "fast")
    return SharedProblem(problem, folder, exact_results(problem, dy), bounds)


def read_job(folder: Path, step: str) -> Job:
    """Read what `write_problem` wrote."""
    x, weight, dy = (np.load(folder / f"{name}.npy") for name in ("x", "weight", "dy"))
    bias = np.load(folder / "bias.npy") if (folder / "bias.npy").exists() else None
    geometry = read_record(ConvGeometry, json.loads((folder / "geometry.json").read_text(encoding="ascii")))
    return Job(step, x, weight, bias, dy, geometry)


def check_results(shared: SharedProblem, step: str, files: dict[str, str], *, ours: bool) -> tuple[Difference, ...]:
    """Return how far the results in some files are from the right ones; the files are deleted.

    Those of fastconv are judged by what it promises, others by what direct algorithms do.
    """
    if set(files) != set(RESULTS[step]):
        raise InvalidValueError(
            f"contest: the results of {step} must be {', '.join(RESULTS[step])}, but got {', '.join(files) or 'none'}."
        )
    found = {name: np.load(path) for name, path in files.items()}
    for path in files.values():
        Path(path).unlink()
    expected = {name: shared.expected[name] for name in RESULTS[step]}
    bounds = shared.bounds if ours else {name: bound.direct() for name, bound in shared.bounds.items()}
    return differences(found, expected, bounds, _ORACLE)
