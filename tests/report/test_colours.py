"""Charts can be read by everybody: their colours differ for each kind of colour vision, from white and each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from fastconv.report.colours import PALETTE, colours_of

# Machado, Oliveira and Fernandes (2009), "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# table 1, severity 1.0: of linear red, green and blue
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# IEC 61966-2-1 and CIE 15: from linear sRGB to XYZ as a share of the white D65, and what is linear in Lab
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ.sum(axis=1)
LEAST = 20.0  # in Lab, where about 2 is just seen side by side
ENGINES = ("torch", "torch compiled", "onnxruntime", "jax", "openvino", "ncnn")
CHARTS = {
    "passes": ("forward", "backward"),
    "backends": ("naive", "numpy", "fast"),
    "engines": ENGINES,
    "run": ("each step", "train", "validation"),
    "all": PALETTE,
}


def linear(colour: str) -> Any:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def seen(colour: str, vision: str) -> Any:
    """(L, a, b) of a colour as somebody sees it."""
    share = TO_XYZ @ np.clip(VISIONS[vision] @ linear(colour), 0, 1) / WHITE
    x, y, z = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(colours: list[str], vision: str) -> float:
    """The least distance of two colours, or of one to the paper."""
    places = [seen(colour, vision) for colour in ("#ffffff", *colours)]
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(places, 2))


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("chart", CHARTS)
def test_colours_of_a_chart_differ_for_everybody(chart: str, vision: str) -> None:
    colours = list(colours_of(CHARTS[chart]).values())
    assert nearest(colours, vision) >= LEAST


def test_the_usual_colours_would_not_do() -> None:
    """Those that matplotlib begins with: orange and green, green and red."""
    usual = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"]
    assert nearest(usual, "normal") > LEAST
    assert nearest(usual, "protanopia") < LEAST / 2
    assert nearest(usual, "deuteranopia") < LEAST / 2


def test_lab_by_hand() -> None:
    assert seen("#ffffff", "deuteranopia").round(1).tolist() == [100.0, 0.0, 0.0]
    np.testing.assert_allclose(seen("#ff0000", "normal"), [53.2, 80.1, 67.2], atol=0.1)


def drawn(figure: Any) -> Iterator[dict[str, str]]:
    """Colours by their words, of each axes of a figure."""
    from matplotlib.colors import to_hex

    for axes in figure.axes:
        handles, words = axes.get_legend_handles_labels()
        shown = [each.patches[0].get_facecolor() if hasattr(each, "patches") else each.get_color() for each in handles]
        yield dict(zip(words, map(to_hex, shown)))


def test_charts_take_their_colours_from_there() -> None:
    pytest.importorskip("matplotlib")
    from fastconv.report.figure import bars_figure
    from fastconv.training import EpochRecord, History
    from fastconv.training.plot import _figure

    bars = bars_figure("test", ["a"], {"": {name: [2.0] for name in ENGINES}}, str, "headline")
    assert [*drawn(bars)] == [colours_of(ENGINES)]
    loss, accuracy = drawn(_figure(History([EpochRecord(1, 2.0, 0.5, 1.0, 0.5, 0.1, 3.0, 4.0)], [2.0]), None))
    assert loss == colours_of(("each step", "train", "validation"))
    assert accuracy == colours_of(("train", "validation"))


def test_names_keep_their_colours_and_others_take_what_is_free() -> None:
    found = colours_of(["a", "numpy", *map(str, range(20))])
    assert found["numpy"] == colours_of(["numpy"])["numpy"] == PALETTE[1]
    assert found["a"] == PALETTE[0]
    assert PALETTE[1] not in [colour for name, colour in found.items() if name != "numpy"]
