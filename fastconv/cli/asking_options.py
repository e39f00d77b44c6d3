"""Options of the commands that ask a trained network: which it is, and what is done to pictures before."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fastconv.cli.choices import choice
from fastconv.cli.layer import LAYOUTS
from fastconv.data import PRESETS

_in_pictures = partial(typer.Option, rich_help_panel="What is done to pictures")

Model = Annotated[
    str,
    typer.Argument(help="An .onnx file; what train saved, or a checkpoint; or a name or Python file and --weights."),
]
Weights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Weights of a network by its name: .npz, .safetensors, .pt.")
]
Labels = Annotated[Path | None, typer.Option(metavar="FILE", help="Names of the classes, one in each line.")]
Classes = Annotated[int | None, typer.Option(min=1, help="Scores of a network by its name.")]

Preset = Annotated[str | None, choice([*PRESETS], "What is usual for them.", _in_pictures)]
Size = Annotated[
    str | None, _in_pictures(metavar="S|HxW", help="Resize to this; with --crop, one number is the shorter side.")
]
Crop = Annotated[str | None, _in_pictures(metavar="S|HxW", help="Then cut out the centre.")]
Scale = Annotated[str | None, _in_pictures(metavar="NUMBER", help="Multiply bytes; 1/255 by default.")]
Mean = Annotated[str | None, _in_pictures(metavar="M|R,G,B", help="Then subtract.")]
Std = Annotated[str | None, _in_pictures(metavar="D|R,G,B", help="Then divide.")]
Layout = Annotated[str | None, choice(LAYOUTS, "Order of the axes of a batch.", _in_pictures)]
