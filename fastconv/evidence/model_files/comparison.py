"""A model file on two backends: how far its outputs are apart, and how fast each is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fastconv.backends import use_backend
from fastconv.evidence.environment import Environment, current_environment
from fastconv.evidence.model_files.example import example
from fastconv.evidence.timing import once, rounds
from fastconv.onnx import OnnxModel, load
from fastconv.report import Record, Report, Table, format_seconds, format_times
from fastconv.report.words import format_shape
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_integer

_NAME = "compare"
_ROUNDINGS = 16.0  # eps for each node, in relation to the norm of an output
_EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class OutputDifference:
    """One output on both backends.

    Attributes
    ----------
    name : str
        Of the output.
    shape : tuple of int
        Its shape.
    max_abs : float
        The largest difference of a number.
    relative : float
        Norm of the differences, divided by that of the output.
    of_tolerance : float
        The same as a share of 16 eps for each node.
    """

    name: str
    shape: tuple[int, ...]
    max_abs: float
    relative: float
    of_tolerance: float

    @property
    def within(self) -> bool:
        """Whether it is within its tolerance."""
        return self.of_tolerance <= 1


@dataclass(frozen=True, repr=False)
class ModelComparison(Record):
    """A model file on two backends; prints as tables.

    Attributes
    ----------
    model : str
        Name of the file.
    inputs : dict of str to tuple of int
        Shapes of what it was given.
    nodes : int
        Operations that ran.
    backends : (str, str)
        Reference and candidate.
    reference_seconds, seconds, first_seconds : float
        Of the only run of the reference; of the candidate the median, and of its first run.
    rows : tuple of OutputDifference
        One for each output.
    environment : Environment
        Where the numbers come from.
    """

    FORMAT = "fastconv-compare-model/1"
    DERIVED = ("ok",)

    model: str
    inputs: dict[str, tuple[int, ...]]
    nodes: int
    backends: tuple[str, str]
    reference_seconds: float
    seconds: float
    first_seconds: float
    rows: tuple[OutputDifference, ...]
    environment: Environment

    @property
    def ok(self) -> bool:
        """Whether every output is within its tolerance."""
        return all(row.within for row in self.rows)

    def report(self) -> Report:
        """Return the times, and the difference of every output."""
        reference, candidate = self.backends
        taken = ", ".join(f"{name} {format_shape(shape)}" for name, shape in self.inputs.items())
        cells = (
            format_seconds(self.reference_seconds),
            format_seconds(self.seconds),
            format_times(self.reference_seconds / self.seconds),
            format_seconds(self.first_seconds),
        )
        times = Table(self.model, ("input", reference, candidate, "faster", "first run"), ((taken, *cells),), 1)
        outputs = Table(
            f"Largest difference between {reference} and {candidate}",
            ("output", "shape", "absolute", "of the norm", "of tolerance", ""),
            tuple(_cells(row) for row in self.rows),
            2,
        )
        notes = (
            "of the norm: the norm of all differences, divided by that of the output.",
            f"of tolerance: as a share of {_ROUNDINGS:g} eps for each of {self.nodes} nodes.",
            self.environment.origin("float32"),
        )
        beyond = tuple(
            f"{self.model}: {row.name} must be within its tolerance, but got {row.of_tolerance:.3g} times that."
            for row in self.rows
            if not row.within
        )
        return Report((times, outputs), notes, beyond)


def _cells(row: OutputDifference) -> tuple[str, ...]:
    verdict = "ok" if row.within else "BEYOND"
    return (
        row.name,
        format_shape(row.shape),
        f"{row.max_abs:.1e}",
        f"{row.relative:.1e}",
        f"{row.of_tolerance:.1%}",
        verdict,
    )


def compare_model_file(
    path: str | os.PathLike[str],
    *,
    backends: tuple[str, str] = ("numpy", "fast"),
    batch: int = 1,
    repeats: int = 5,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> ModelComparison:
    """Run a model of ONNX on two backends, on the same random numbers.

    Parameters
    ----------
    path : path-like
        The file.
    backends : (str, str)
        Reference, which runs once, and candidate, which is timed. The loops of ``"naive"`` take their time.
    batch : int
        Images, where the file does not fix it.
    repeats : int
        Rounds that the candidate is timed; the median counts.
    seed : int
        Of the numbers.
    progress : callable, optional
        Called as ``progress(text, fraction)``.

    Returns
    -------
    ModelComparison
        Its ``ok`` is the verdict.

    Raises
    ------
    ValueError
        If the file is none that can run, or leaves sizes of its input open.
    ImportError
        If the extra ``onnx`` is missing.
    """
    report = progress or (lambda text, fraction: None)
    reference, candidate = backends
    report("reading the model", 0.0)
    model = load(path)
    inputs = example(_NAME, model.inputs, check_integer(_NAME, "batch", batch, 1), seed)
    call = partial(_run, model, inputs)
    with use_backend(candidate):
        report(candidate, 0.2)
        first_seconds, found = once(call)
        seconds = float(np.median(rounds(call, check_integer(_NAME, "repeats", repeats, 1))))
    with use_backend(reference):
        report(reference, 0.6)
        reference_seconds, expected = once(call)
    nodes = len(model.graph.nodes)
    return ModelComparison(
        Path(path).name,
        {name: array.shape for name, array in inputs.items()},
        nodes,
        (reference, candidate),
        reference_seconds,
        seconds,
        first_seconds,
        tuple(_difference(name, found[name], right, nodes) for name, right in expected.items()),
        current_environment(),
    )


def _run(model: OnnxModel, inputs: dict[str, Array]) -> dict[str, Array]:
    return dict(zip((value.name for value in model.outputs), model.run(inputs)))


def _difference(name: str, found: Array, expected: Array, nodes: int) -> OutputDifference:
    apart = np.abs(found.astype(np.float64) - expected) if found.shape == expected.shape else np.array([np.inf])
    norm = float(np.linalg.norm(expected.astype(np.float64))) or 1.0
    relative = float(np.linalg.norm(apart)) / norm
    share = relative / (_ROUNDINGS * max(1, nodes) * _EPS)
    return OutputDifference(
        name, expected.shape, float(apart.max(initial=0.0)), relative, share if np.isfinite(share) else np.inf
    )
