"""``fastconv evaluate``."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fastconv.backends import resolve_backend, use_backend
from fastconv.backends.settings import use_num_threads
from fastconv.cli import asking_options as asking
from fastconv.cli.choices import Backend, choice
from fastconv.cli.console import progress_bar
from fastconv.cli.output import DebugInPanel, Html, NumbersInPanel, Outputs, Result, Threads, in_output
from fastconv.cli.predict_model import Preparation, open_model, read_labels
from fastconv.cli.train_parts import part_of
from fastconv.data import DATASETS, Dataset, load

_QUICK = 256
_PARTS = ("test", "train")
_in_data = partial(typer.Option, rich_help_panel="Data")


def evaluate(
    model: asking.Model,
    dataset: Annotated[
        str, typer.Argument(help=f"{', '.join(DATASETS)}, or the path of a dataset.", metavar="DATASET")
    ] = "digits",
    weights: asking.Weights = None,
    labels: asking.Labels = None,
    classes: asking.Classes = None,
    part: Annotated[str, choice(_PARTS, "Of the dataset.", _in_data)] = "test",
    seed: Annotated[int, _in_data(min=0, help="Of train: draws the test part where a dataset has none.")] = 0,
    data_folder: Annotated[Path | None, _in_data(metavar="FOLDER", help="Where mnist or cifar10 lies.")] = None,
    download: Annotated[bool, _in_data("--download", help="Fetch mnist or cifar10 if missing.")] = False,
    preset: asking.Preset = None,
    size: asking.Size = None,
    crop: asking.Crop = None,
    scale: asking.Scale = None,
    mean: asking.Mean = None,
    std: asking.Std = None,
    layout: asking.Layout = None,
    backend: Backend = None,
    threads: Threads = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 128,
    quick: Annotated[bool, typer.Option("--quick", help=f"Take {_QUICK} of the images at most.")] = False,
    json: NumbersInPanel = None,
    plot: Annotated[Path | None, in_output(metavar="FILE", help="Confusion matrix: png, svg, pdf.")] = None,
    html: Html = None,
    debug: DebugInPanel = False,
) -> None:
    """Say how a trained network does on labelled images: accuracy, each class, and what is taken for what.

    What `fastconv train --save` wrote needs no option; its test part is held out as train did it, by the same seed.
    """
    outputs = Outputs("evaluate", json, plot=plot, html=html)
    outputs.check()
    if backend is not None:
        resolve_backend(backend, "evaluate")
    from fastconv.models.evaluating import evaluate_dataset  # not for --help
    from fastconv.models.evaluations import plot_confusion

    with (
        contextlib.nullcontext() if backend is None else use_backend(backend),
        contextlib.nullcontext() if threads is None else use_num_threads(threads),
        progress_bar() as advance,
    ):
        advance("reading the images", 0.0)
        images = _part(dataset, data_folder, download, seed, part)
        if quick and len(images) > _QUICK:
            whole, images = images, part_of(images, _QUICK, seed)
            typer.echo(f"--quick: {len(images)} of {len(whole):,} images", err=True)
        advance("reading the network", 0.0)
        names = () if labels is None else read_labels(labels)
        asked = open_model(model, weights, Preparation(preset, size, crop, scale, mean, std, layout), names, classes)
        found = evaluate_dataset(
            images,
            asked.run,
            asked.preprocessing,
            model=Path(model).name,
            class_names=asked.class_names,
            batch_size=batch,
            progress=advance,
        )
    outputs.deliver(Result.of(found, partial(plot_confusion, found)), ok=True)


def _part(dataset: str, folder: Path | None, download: bool, seed: int, part: str) -> Dataset:
    train, test = load(dataset, folder=folder, download=download, seed=seed)
    return test if part == "test" else train
