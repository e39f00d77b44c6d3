"""Draw the picture of the README: a photograph with its feature maps, and speed-ups.

    fastconv compare --json compare.json
    python docs/picture.py compare.json

It is written into ``docs/_static/compare.png``. Needs the extras ``cli``, ``data`` and ``plot``.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import fastconv as fc
from fastconv.evidence.workloads import image_workloads
from fastconv.report.figure import draw_bars, new_figure

FILE = Path(__file__).parent / "_static" / "compare.png"
SHOWN = {
    "conv3x3_64_56": "3×3, 64 channels, 56×56",
    "conv3x3_512_7": "3×3, 512 channels, 7×7",
    "conv1x1_256_64_56": "1×1, 256 to 64 channels",
    "conv7x7s2_3_64_224": "7×7, stride 2, 224×224",
    "depthwise3x3_128_28": "3×3, depthwise",
    "photos_lines7x7": "the lines on the left",
    "photos_maxpool2x2": "max pooling 2×2",
    "photos_avgpool2x2": "average pooling 2×2",
}
COLOURS = 128  # of the stored picture: it stays below 100 kB


def draw(compared: dict[str, Any]) -> Any:
    """Return the figure: maps on the left, bars on the right."""
    figure = new_figure("picture", 11, 4)
    left, right = figure.subfigures(1, 2, width_ratios=(5, 6))
    _draw_maps(left)
    _draw_speeds(right.subplots(), compared)
    return figure


def _draw_maps(figure: Any) -> None:
    """Draw the photograph, what two filters find in it, and one of these pooled."""
    lines = image_workloads()[0]
    photograph = lines.images[0]
    maps = fc.conv2d(photograph[np.newaxis], lines.filters, stride=2, padding="same")
    (vertical, horizontal), (_, pooled) = maps[0], fc.max_pool2d(maps, 2)[0]
    pictures = {
        "a photograph": photograph.transpose(1, 2, 0),
        "vertical lines": vertical,
        "horizontal lines": horizontal,
        "horizontal lines, pooled": pooled,
    }
    for axes, (title, picture) in zip(figure.subplots(2, 2).flat, pictures.items()):
        axes.imshow(picture, cmap="gray")
        axes.set_title(f"{title}, {picture.shape[0]}×{picture.shape[1]}", fontsize=9)
        axes.set_axis_off()


def _draw_speeds(axes: Any, compared: dict[str, Any]) -> None:
    """Draw the bars of the chosen layers."""
    rows = {row["name"]: row for row in compared["rows"]}
    series = {
        name: [rows[layer]["passes"][index]["times_faster"] for layer in SHOWN]
        for index, name in enumerate(("forward", "backward"))
    }
    draw_bars(axes, [*SHOWN.values()], series, lambda value: f"{value:,.0f}×")
    axes.invert_yaxis()
    axes.set_xlabel("times faster than plain loops, with the same numbers")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    here = compared["environment"]
    axes.set_title(f"{here['cpu']}, {here['threads']} threads", fontsize=9, loc="right")


def main(path: str) -> None:
    """Draw what a comparison saved."""
    from PIL import Image

    figure = draw(json.loads(Path(path).read_text(encoding="utf-8")))
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=96)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(COLOURS).save(FILE, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
