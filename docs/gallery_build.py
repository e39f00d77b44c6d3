"""What sphinx-gallery is told of the programs in ``examples/``: their arguments, and where their pictures are."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst

# Short runs, for a site that is built in a minute. The others take no arguments.
ARGUMENTS = {
    "accelerate_loops": ("--images", "2"),
    "cs231n_solver": ("--epochs", "2", "--train", "500"),
    "onnx_digits": ("digits.png", "--epochs", "4", "--model", str(Path(tempfile.gettempdir()) / "digits.onnx")),
    "tanh_network": ("--plot", "cost.png"),
}


def arguments(_: dict[str, Any], script: dict[str, Any]) -> list[str]:
    """Return the arguments of a program."""
    return [*ARGUMENTS.get(Path(script["src_file"]).stem, ())]


def pictures(_: Any, script: dict[str, Any], gallery: dict[str, Any]) -> str:
    """Take the pictures that a program has written beside itself."""
    taken = []
    for written, place in zip(sorted(Path(script["src_file"]).parent.glob("*.png")), script["image_path_iterator"]):
        shutil.move(written, place)
        taken.append(place)
    return str(figure_rst(taken, gallery["src_dir"]))
