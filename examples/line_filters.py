"""Lines in photographs
====================

A vertical and a horizontal line as filters, over the two sample photographs: the feature maps as a picture.

The first example of many a text on convolution: two 7x7 filters that are zero but for one line, stride 2, padding
"same", and max pooling 2x2. Needs the extras ``data`` (the photographs ship inside scikit-learn) and ``plot``.

On a command line::

    python examples/line_filters.py maps.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

import fastconv as fc
from fastconv.data import load_sample_photographs


def line_filters(channels: int, size: int = 7) -> np.ndarray:
    """Return two filters (2, channels, size, size): ones in the middle column, and ones in the middle row."""
    filters = np.zeros((2, channels, size, size), np.float32)
    filters[0, :, :, size // 2] = 1
    filters[1, :, size // 2, :] = 1
    return filters


def feature_maps(photographs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps (N, 2, ceil(H / 2), ceil(W / 2)) of photographs (N, C, H, W), and their maxima 2x2."""
    maps = fc.conv2d(photographs, line_filters(photographs.shape[1]), stride=2, padding="same")
    return maps, fc.max_pool2d(maps, 2)


def draw(photographs: np.ndarray, maps: np.ndarray, pooled: np.ndarray) -> Figure:
    """One row for each photograph: itself, the two maps, and the second one pooled."""
    figure = Figure(figsize=(11, 2.1 * len(photographs)), layout="constrained")
    titles = ("photograph", "vertical line", "horizontal line", "horizontal line, pooled 2x2")
    grid = figure.subplots(len(photographs), len(titles), squeeze=False)
    for row, photograph, (vertical, horizontal), (_, small) in zip(grid, photographs, maps, pooled):
        pictures = (photograph.transpose(1, 2, 0).astype(np.uint8), vertical, horizontal, small)
        for axes, title, picture in zip(row, titles, pictures):
            axes.imshow(picture, cmap="gray")
            axes.set_title(f"{title}, {picture.shape[0]}×{picture.shape[1]}", fontsize=8)
            axes.set_axis_off()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", default="feature_maps.png", help="file to write: png, svg, pdf")
    arguments = parser.parse_args(argv)
    photographs = load_sample_photographs().images.astype(np.float32)
    maps, pooled = feature_maps(photographs)
    draw(photographs, maps, pooled).savefig(arguments.picture, dpi=90)
    print(f"photographs {photographs.shape}, maps {maps.shape}, pooled {pooled.shape}: {arguments.picture}")


if __name__ == "__main__":
    main()
