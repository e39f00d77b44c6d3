"""``fastconv train``."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from fastconv.backends import get_backend, resolve_backend, use_backend
from fastconv.backends.settings import get_num_threads, get_options, use_num_threads
from fastconv.cli import train_parts as parts
from fastconv.cli.arguments import refused
from fastconv.cli.choices import Backend, choice, some_of, words
from fastconv.cli.console import console
from fastconv.cli.output import DebugInPanel, Exact, Html, Outputs, Threads, exactness, in_output, print_words
from fastconv.cli.ranks import ranks_of_launcher
from fastconv.cli.train_files import RunFiles
from fastconv.cli.train_progress import EpochTable, complaints_on
from fastconv.data import DATASETS, Dataset, Preprocessing, load
from fastconv.files import check_writable
from fastconv.layers.state import SUFFIXES, check_state_path
from fastconv.report.words import plural
from fastconv.training import EarlyStopping, Trainer

_EPOCHS, _QUICK_STEPS = 10, 20
_in_learning = partial(typer.Option, rich_help_panel="How it learns")
_in_data = partial(typer.Option, rich_help_panel="Data")


def train(
    dataset: Annotated[
        str, typer.Argument(help=f"{', '.join(DATASETS)}, or the path of a dataset.", metavar="DATASET")
    ] = "digits",
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE.py[:NAME]", help="A name, or a Python file; by default one that fits."),
    ] = None,
    backend: Backend = None,
    threads: Threads = None,
    exact: Exact = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help=f"An epoch of {_QUICK_STEPS} steps: does it run?"),
    ] = False,
    epochs: Annotated[int | None, _in_learning(min=1, help="Passes over the images; 10 by default.")] = None,
    batch_size: Annotated[int, _in_learning(min=1, help="Images of one step.")] = 32,
    drop_last: Annotated[bool, _in_learning("--drop-last", help="Leave out a smaller last step.")] = False,
    lr: Annotated[float | None, _in_learning(help="Learning rate; by default that of the network.")] = None,
    optimizer: Annotated[str, choice(parts.OPTIMIZERS, "sgd has a momentum of 0.9.", _in_learning)] = "adam",
    weight_decay: Annotated[float, _in_learning(min=0.0, help="Of the optimizer.")] = 0.0,
    schedule: Annotated[
        str,
        _in_learning(
            metavar="NAME[:...]",
            help="constant, cosine, step:EPOCHS[:FACTOR], milestones:E,E[:FACTOR] or exponential:FACTOR.",
        ),
    ] = "constant",
    warmup: Annotated[int, _in_learning(min=0, help="Epochs of rising rate before.")] = 0,
    seed: Annotated[int, _in_learning(min=0, help="Of weights, order and changes.")] = 0,
    compiled: Annotated[
        bool, _in_learning("--compile/--no-compile", help="Record a step once and replay it, or run layer by layer.")
    ] = True,
    synchronized: Annotated[
        bool, _in_learning("--synchronize-batch-norm", help="Under mpirun: statistics are those of all ranks.")
    ] = False,
    augment: Annotated[
        str | None,
        _in_learning(
            metavar=",".join(parts.CHANGES), help="Random changes of the images.", callback=some_of(*parts.CHANGES)
        ),
    ] = None,
    early_stop: Annotated[int | None, _in_learning(min=1, metavar="N", help="Stop after N epochs no better.")] = None,
    validation: Annotated[float, _in_data(min=0.0, max=0.9, metavar="FRACTION", help="Share held out.")] = 0.1,
    normalised: Annotated[
        bool, _in_data("--normalise/--no-normalise", help="Give each channel mean 0 and deviation 1.")
    ] = True,
    data_folder: Annotated[Path | None, _in_data(metavar="FOLDER", help="Where mnist or cifar10 lies.")] = None,
    download: Annotated[bool, _in_data("--download", help="Fetch mnist or cifar10 if missing.")] = False,
    checkpoint: Annotated[Path | None, in_output(metavar="FOLDER", help="For last.npz and best.npz.")] = None,
    checkpoint_every: Annotated[
        int | None, in_output(min=1, metavar="STEPS", help="Write last.npz this often.")
    ] = None,
    resume: Annotated[bool, in_output("--resume", help="Go on from last.npz where there is one.")] = False,
    save: Annotated[Path | None, in_output(metavar="FILE", help="Network: .npz or .safetensors.")] = None,
    plot: Annotated[Path | None, in_output(metavar="FILE", help="Loss and accuracy: png, svg, pdf.")] = None,
    json: Annotated[str | None, in_output(metavar="FILE", help="The history; - for stdout.")] = None,
    html: Html = None,
    debug: DebugInPanel = False,
) -> None:
    """Train a network on images, and say how it does on images that it has not seen.

    Ctrl-C finishes the step and writes the checkpoint, the network and the curve that were asked for; --resume then
    ends with the same weights as without it. What --save writes, `fastconv evaluate` and `predict` read.

    `mpirun -n 4 fastconv train ...` trains on four processes, which share each batch (extra mpi).
    """
    ranks = ranks_of_launcher("train")
    if not ranks.is_first:
        json = plot = html = save = None
    outputs = Outputs("train", json, plot=plot, html=html)
    if save is not None:
        if save.suffix.lower() not in SUFFIXES:
            raise refused("--save", f"end in {' or '.join(SUFFIXES)}", str(save))
        check_writable(check_state_path("train", save))
    outputs.check()
    if checkpoint is None and (resume or checkpoint_every is not None):
        raise typer.BadParameter("--resume and --checkpoint-every need --checkpoint FOLDER.")
    if epochs is None:
        epochs = 1 if quick else _EPOCHS
    changes = words(augment)
    plan = parts.parse_schedule("--schedule", schedule)
    if backend is not None:
        resolve_backend(backend, "train")
    with (
        ranks.guarded(),
        contextlib.nullcontext() if backend is None else use_backend(backend),
        contextlib.nullcontext() if (number := threads or ranks.threads()) is None else use_num_threads(number),
        exactness(exact),
    ):
        if download:
            ranks.by_first(lambda: load(dataset, folder=data_folder, download=True, seed=seed)[0].name)
        most = _QUICK_STEPS * batch_size if quick else None
        learn, held_out, test = ranks.by_all(lambda: _datasets(dataset, data_folder, download, validation, seed, most))
        steps = max(1, len(learn) // batch_size if drop_last else -(-len(learn) // batch_size))
        name = model or parts.default_model(learn.image_shape)
        network = ranks.by_all(lambda: parts.make_model(name, learn, seed))
        rate = parts.learning_rate(optimizer, name) if lr is None else lr
        rule = parts.make_optimizer(optimizer, network, rate, weight_decay)
        trainer = Trainer(
            network,
            rule,
            schedule=parts.make_schedule(plan, warmup, rule, epochs, steps),
            augment=parts.make_augment(changes, learn.image_shape),
            prepare=Preprocessing.fitted(learn) if normalised else None,
            seed=seed,
            compile=compiled,
            communicator=ranks.communicator,
            synchronize_batch_norm=synchronized,
        )
        out = console(stderr=json == "-")
        size = sum(parameter.size for parameter in trainer.parameters)
        print_words(f"{name} ({size:,} parameters) on {learn!r}" + ", a part for --quick" * quick, out)
        settings = plural(get_num_threads(), "thread") + ", exact" * get_options().exact
        if ranks.size > 1:
            settings = f"{ranks.size} ranks, each with {settings}"
        print_words(f"{get_backend()} backend, {settings}, {rule!r}", out)
        options: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "drop_last": drop_last, "resume": resume}
        watched = "train_loss" if held_out is None else "validation_loss"
        stopping = None if early_stop is None else EarlyStopping(early_stop, watched)
        options |= {"checkpoint_every": checkpoint_every, "early_stopping": stopping}
        files, started = RunFiles(outputs, save, checkpoint, steps), time.perf_counter()
        with files.kept_after_ctrl_c(trainer, out):
            with EpochTable(out, trainer) as report, complaints_on(out):
                history = trainer.fit(learn, held_out, checkpoint=checkpoint, progress=report, **options)
            seconds = time.perf_counter() - started
            result = trainer.evaluate(test, batch_size=max(batch_size, 128))
    speed = np.mean([record.images_per_second for record in history.epochs]) if history.epochs else 0.0
    verdict = f"test accuracy {result.accuracy:.2%} (loss {result.loss:.4f}) on {len(test):,} images"
    print_words(f"{verdict}; {speed:,.0f} images/s, {seconds:.1f} s", out)
    files.save_network(trainer)
    if save is not None and trainer.card.architecture is None:
        out.print(f"fastconv predict {name} --weights {save} makes the network by the same file", soft_wrap=True)
    files.write_history(trainer, result, verdict)


def _datasets(
    dataset: str, folder: Path | None, download: bool, validation: float, seed: int, most: int | None
) -> tuple[Dataset, Dataset | None, Dataset]:
    """Training, validation (or None) and test images, of each at most so many."""
    whole, test = load(dataset, folder=folder, download=download, seed=seed)
    learn, held_out = whole.split(1.0 - validation, seed, stratify=True) if validation else (whole, whole[:0])
    learn, held_out, test = (parts.part_of(images, most, seed) for images in (learn, held_out, test))
    return learn, held_out if len(held_out) else None, test
