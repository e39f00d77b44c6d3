"""A model file as a case: what every worker reads, and the right result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fastconv.evidence.contest.engines.networks.base import FileJob
from fastconv.evidence.contest.networks.cases import Case
from fastconv.evidence.contest.networks.shared import SharedNetwork, allowed_of
from fastconv.evidence.model_files.model_file import ModelFile, work_of
from fastconv.evidence.timing import settle

_PLAN = "model.json"


def write_model_file(case: Case, file: ModelFile, seed: int, folder: Path) -> SharedNetwork:
    """Draw the input of a model, write it to a folder, and compute the right result on the numpy backend."""
    work = work_of(file, case.batch, seed)
    np.save(folder / "x.npy", work.x)
    (folder / _PLAN).write_text(json.dumps({"path": str(file.path)}), encoding="utf-8")
    settle()
    return SharedNetwork(
        case,
        folder,
        work.y,
        allowed_of(work.nodes),
        float(np.linalg.norm(work.y)) or 1.0,
        work.nodes,
        work.parameters,
        2 * work.multiply_adds,
        "the numpy backend of fastconv",
    )


def read_model_file(folder: Path, step: str) -> FileJob | None:
    """Read what `write_model_file` wrote; None if it is a network that is in the folder."""
    plan = folder / _PLAN
    if not plan.exists():
        return None
    return FileJob(step, json.loads(plan.read_text(encoding="utf-8"))["path"], np.load(folder / "x.npy"))
