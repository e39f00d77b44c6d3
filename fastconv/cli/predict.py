"""``fastconv predict``."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fastconv.backends import resolve_backend, use_backend
from fastconv.backends.settings import use_num_threads
from fastconv.cli import asking_options as asking
from fastconv.cli.choices import Backend
from fastconv.cli.console import progress_bar
from fastconv.cli.output import DebugInPanel, NumbersInPanel, Outputs, Result, Threads, in_output
from fastconv.cli.predict_model import Preparation, open_model, read_labels


def predict(
    model: asking.Model,
    images: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.", metavar="IMAGE")],
    weights: asking.Weights = None,
    labels: asking.Labels = None,
    classes: asking.Classes = None,
    top: Annotated[int, typer.Option(min=1, help="Classes of each picture.")] = 5,
    preset: asking.Preset = None,
    size: asking.Size = None,
    crop: asking.Crop = None,
    scale: asking.Scale = None,
    mean: asking.Mean = None,
    std: asking.Std = None,
    layout: asking.Layout = None,
    backend: Backend = None,
    threads: Threads = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 32,
    json: NumbersInPanel = None,
    plot: Annotated[Path | None, in_output(metavar="FILE", help="Draw pictures and bars: png, svg, pdf.")] = None,
    debug: DebugInPanel = False,
) -> None:
    """Say which classes pictures belong to, the likeliest ones with their probabilities.

    What `fastconv train --save` wrote needs no option. Exits with 1 if a picture cannot be read; the others are done.
    """
    outputs = Outputs("predict", json, plot=plot)
    outputs.check()
    if backend is not None:
        resolve_backend(backend, "predict")
    from fastconv.models.predicting import image_files, predict_files  # not for --help
    from fastconv.models.predictions import plot_predictions

    files = image_files(images)
    with (
        contextlib.nullcontext() if backend is None else use_backend(backend),
        contextlib.nullcontext() if threads is None else use_num_threads(threads),
        progress_bar() as advance,
    ):
        advance("reading the network", 0.0)
        names = () if labels is None else read_labels(labels)
        asked = open_model(model, weights, Preparation(preset, size, crop, scale, mean, std, layout), names, classes)
        found = predict_files(
            files,
            asked.run,
            asked.preprocessing,
            model=Path(model).name,
            class_names=asked.class_names,
            top=top,
            batch_size=batch,
            progress=advance,
        )
    outputs.deliver(Result.of(found, partial(plot_predictions, found) if found.rows else None), ok=found.ok)
