"""The picture of a comparison: whole maps under their names, and labels that can be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.evidence.compare import reference
from fastconv.evidence.compare.comparison import Comparison, _figure
from fastconv.evidence.workloads import ImageWorkload, Options
from fastconv.report.figure import SMALL

NAMES = ("vertical edges", "horizontal edges")


def compared(**arguments: Any) -> Comparison:
    filters = np.array([[[[-1, 0, 1]] * 3], [[[-1] * 3, [0] * 3, [1] * 3]]], np.float32)
    images = np.random.default_rng(0).random((2, 1, 6, 9), np.float32)
    workload = ImageWorkload(
        "small",
        "conv2d",
        images.shape,
        (3, 3),
        filters.shape,
        options=Options(padding=1),
        images=images,
        filters=filters,
        names=NAMES,
    )
    return fc.compare(workload, backward=False, repeats=1, **arguments)


def test_maps_are_whole_where_the_reference_did_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "_SECONDS", 1e-9)
    (row,) = compared().rows
    assert row.checked_rows < row.rows
    assert row.maps is not None
    assert row.maps.source == "numpy in float64"
    assert row.maps.reference.shape == row.maps.candidate.shape == (2, 6, 9)
    np.testing.assert_allclose(row.maps.candidate, row.maps.reference, rtol=0, atol=1e-5)


def test_maps_have_the_names_of_what_they_show() -> None:
    pytest.importorskip("matplotlib")
    figure = _figure(compared(full=True))
    titles = [axes.get_title() for axes in figure.get_axes()[1:]]
    assert titles[:3] == ["small: input", "vertical edges, naive", "vertical edges, fast"]
    assert titles[4:7] == ["small: input", "horizontal edges, naive", "horizontal edges, fast"]


@pytest.mark.parametrize("rows", [1, 40])
def test_no_label_is_small_or_upon_another(rows: int) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    found = compared()
    figure = _figure(Comparison(found.rows * rows, found.environment))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    bars = figure.get_axes()[0]
    labels = [*bars.get_yticklabels(), *bars.texts]
    assert all(label.get_fontsize() >= SMALL for label in labels)
    boxes = [label.get_window_extent(canvas.get_renderer()) for label in labels]
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])
