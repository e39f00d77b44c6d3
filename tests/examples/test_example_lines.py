"""The example with the two line filters on the sample photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from programs import load_example
from strategies import ENGINES

import fastconv as fc

Images = NDArray[np.float32]

NEEDS = ("sklearn", "matplotlib")


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    for package in NEEDS:
        pytest.importorskip(package, reason="the photographs are inside scikit-learn, and matplotlib draws the maps")
    return load_example("line_filters")


@pytest.fixture(scope="module")
def photographs(example: dict[str, Any]) -> Images:
    loaded: Images = example["load_sample_photographs"]().images.astype(np.float32)
    return loaded


@pytest.fixture(scope="module")
def expected(photographs: Images) -> Images:
    """Maps of the vertical and the horizontal line, by SciPy."""
    pytest.importorskip("scipy", reason="SciPy correlates")
    line = np.zeros((7, 7), np.float32)
    line[:, 3] = 1
    grey = photographs.sum(axis=1)  # the lines are the same in all channels
    return np.stack([halved(grey, line), halved(grey, line.T)], axis=1)


def halved(planes: Images, filter_: Images) -> Images:
    """Every second position of SciPy's correlation, zeros around: before and after, the odd one after."""
    from scipy import signal

    sizes = planes.shape[1:]
    total = [(-(-size // 2) - 1) * 2 + kernel - size for size, kernel in zip(sizes, filter_.shape)]
    padded = np.pad(planes, [(0, 0), *((each // 2, each - each // 2) for each in total)])
    return np.stack([signal.correlate(plane, filter_, "valid", method="direct")[::2, ::2] for plane in padded])


@pytest.mark.parametrize("backend", ENGINES)
def test_the_maps_are_those_of_scipy(
    example: dict[str, Any], photographs: Images, expected: Images, backend: str
) -> None:
    with fc.use_backend(backend):
        maps, pooled = example["feature_maps"](photographs)
    assert photographs.shape == (2, 3, 427, 640)
    assert maps.shape == (2, 2, 214, 320)
    assert pooled.shape == (2, 2, 107, 160)
    # sums of whole numbers, small enough for float32: nothing is rounded
    np.testing.assert_array_equal(maps, expected)
    np.testing.assert_array_equal(pooled, maps.reshape(2, 2, 107, 2, 160, 2).max((3, 5)))


@pytest.mark.parametrize("name", ["maps.png", "maps.svg"])
def test_the_picture_is_written(
    example: dict[str, Any], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    example["main"]([str(file)])
    assert capsys.readouterr().out.endswith(f"{file}\n")
    if file.suffix == ".svg":
        assert "</svg>" in file.read_text(encoding="utf-8")
        return
    from matplotlib.image import imread

    pixels = imread(file)
    assert pixels.shape[0] * 2 < pixels.shape[1]
    assert len(np.unique(pixels[..., :3])) > 100  # not an empty page
