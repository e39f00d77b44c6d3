"""Pictures in files of which a network says no numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastconv.data import Preprocessing
from fastconv.models.predicting import predict_files

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_named_and_change_nothing_else(tmp_path: Path, bad: float) -> None:
    files = [tmp_path / f"{gray}.png" for gray in (0, 100, 200)]
    for file in files:
        Image.new("L", (4, 4), int(file.stem)).save(file)
    scores = np.array([[0.25, 0.75], [0.5, bad], [1.0, 0.0]])
    found = predict_files(files, lambda x: scores, Preprocessing(), model="any", top=1)
    assert [(row.file, row.top[0].probability) for row in found.rows] == [(str(files[0]), 0.75), (str(files[2]), 1.0)]
    assert [one.reason for one in found.unread] == [f"{files[1]}: its scores are NaN or infinite."]
    assert not found.ok
