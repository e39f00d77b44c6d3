"""From the words of ``fastconv predict`` to a network: what runs it, what it takes, and the names of its classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import typer

from fastconv.cli.arguments import parse_sizes, refused, unknown
from fastconv.data import PRESETS, Preprocessing
from fastconv.errors import InvalidValueError
from fastconv.files import open_regular
from fastconv.layers.state import SUFFIXES
from fastconv.validation.arrays import Array

_KINDS = "an .onnx file, a saved network or checkpoint (.npz, .safetensors), or a name or Python file with --weights"
_COLOURS = (1, 3)  # channels of a picture


class Preparation(NamedTuple):
    """What the options say about pictures; None where they say nothing."""

    preset: str | None
    size: str | None
    crop: str | None
    scale: str | None
    mean: str | None
    std: str | None
    layout: str | None

    def over(self, usual: Preprocessing) -> Preprocessing:
        """Return what is done to pictures: the preset or the usual, changed where an option says so."""
        start = usual
        if self.preset is not None:
            start = replace(PRESETS[self.preset], layout=usual.layout)
        changes: dict[str, Any] = {
            name: parse_sizes(f"--{name}", text)
            for name, text in (("size", self.size), ("crop", self.crop))
            if text is not None
        }
        if self.scale is not None:
            changes["scale"] = _fraction("--scale", self.scale)
            changes["white"] = start.white or changes["scale"] * 255  # which leaves images of floats what they are
        for name, text in (("mean", self.mean), ("std", self.std)):
            if text is not None:
                changes[name] = tuple(_fraction(f"--{name}", word) for word in text.split(","))
        if self.layout is not None:
            changes["layout"] = self.layout
        return replace(start, **changes)


def _fraction(option: str, text: str) -> float:
    """Read ``"0.5"`` or ``"1/255"``."""
    above, slash, below = text.partition("/")
    try:
        return float(above) / (float(below) if slash else 1.0)
    except (ValueError, ZeroDivisionError):
        raise refused(option, "be a number, or two with / between them, such as 1/255", text) from None


def read_labels(path: Path) -> tuple[str, ...]:
    """Read the names of classes, one in each line."""
    with open_regular("--labels", path, InvalidValueError) as stream:
        try:
            lines = stream.read().decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InvalidValueError(f"--labels must be text in UTF-8, but {path} is not ({error}).") from None
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InvalidValueError(f"--labels must have a class in each line, but {path} is empty.")
    return tuple(line.strip() for line in lines)


class Asked(NamedTuple):
    """A network that is asked.

    Attributes
    ----------
    run : callable
        Takes a batch, returns scores.
    preprocessing : Preprocessing
        From pictures to a batch.
    class_names : tuple of str
        Nothing where they are not known.
    """

    run: Callable[[Array], Array]
    preprocessing: Preprocessing
    class_names: tuple[str, ...]


def open_model(
    model: str, weights: Path | None, preparation: Preparation, labels: tuple[str, ...], classes: int | None
) -> Asked:
    """Return the network that the words are about; `labels` are in place of its own names of classes."""
    if weights is not None:
        return _with_weights(model, weights, preparation, labels, classes)
    suffix = Path(model).suffix.lower()
    if suffix == ".onnx":
        return _of_onnx(model, preparation, labels)
    if suffix in SUFFIXES:
        return _saved(model, preparation, labels)
    from fastconv.models import MODELS, is_model_file  # not for --help

    if model in MODELS or is_model_file(model):
        raise typer.BadParameter(f"must be given for {model}: the file of its weights.", param_hint="--weights")
    raise typer.BadParameter(f"must be {_KINDS}, but got {model!r}.", param_hint="MODEL")


def _saved(file: str, preparation: Preparation, labels: tuple[str, ...]) -> Asked:
    from fastconv.models import Classifier
    from fastconv.training import load_model

    found = load_model(file)
    usual = found.preprocessing or Preprocessing()
    return Asked(Classifier(found.network).scores, preparation.over(usual), labels or found.class_names)


def _with_weights(
    model: str, weights: Path, preparation: Preparation, labels: tuple[str, ...], classes: int | None
) -> Asked:
    """Make a network by its name or from a Python file, and fill it."""
    from fastconv import models
    from fastconv.initializers import undrawn
    from fastconv.training.saved import read_saved

    state, card = read_saved(weights)
    names = labels or card.class_names
    options: dict[str, Any] = {"rng": 0}
    if names or classes:
        options["classes"] = classes or len(names)
    if models.is_model_file(model):
        preprocessing = preparation.over(card.preprocessing or Preprocessing())
        network = models.load_model_file(model, **options, **_input_shape(preprocessing))
    elif model in models.MODELS:
        preprocessing = preparation.over(card.preprocessing or _made_for(models.input_shape_of(model)))
        with undrawn(sum(array.size for array in state.values())):
            network = models.by_name(model, **options, **_input_shape(preprocessing))
    else:
        raise unknown("MODEL", model, models.MODELS, others=", or a Python file")
    network.load_state_dict(state)
    return Asked(models.Classifier(network).scores, preprocessing, names)


def _made_for(image_shape: tuple[int, int, int]) -> Preprocessing:
    """Return what the weights of a network by its name are trained with, as far as the shape of its images tells."""
    imagenet, (channels, height, width) = PRESETS["imagenet"], image_shape
    if (height, width) == imagenet.crop:
        return imagenet
    return Preprocessing(size=(height, width), channels=channels)


def _input_shape(preprocessing: Preprocessing) -> dict[str, Any]:
    """Shape of what a network gets, where that is known."""
    size = preprocessing.crop or preprocessing.size
    return {"input_shape": (preprocessing.channels or 3, *size)} if isinstance(size, tuple) else {}


def _of_onnx(file: str, preparation: Preparation, labels: tuple[str, ...]) -> Asked:
    from fastconv.onnx import load

    model = load(file)
    if len(model.inputs) != 1:
        names = ", ".join(value.name for value in model.inputs)
        raise InvalidValueError(f"{file} must have one input, but it has {len(model.inputs)}: {names}.")
    (value,) = model.inputs
    if value.dtype.kind != "f":
        raise InvalidValueError(f"the input of {file} must be floats, but it is {value.dtype}.")
    usual, batch = _picture_of(file, value.shape)

    def run(x: Array) -> Array:
        return model.run([x])[0]

    return Asked(run if batch is None else _in_batches(run, batch), preparation.over(usual), labels)


def _picture_of(file: str, shape: tuple[int | str | None, ...] | None) -> tuple[Preprocessing, int | None]:
    """Return what the shape of an input says about pictures, and the batch that it takes, if only that one."""
    if shape is None:
        return Preprocessing(), None
    if len(shape) != 4:
        raise InvalidValueError(f"the input of {file} must be a batch of pictures, but got shape {shape}.")
    last = shape[3] in _COLOURS and shape[1] not in _COLOURS
    batch, channels, *size = (shape[0], shape[3], *shape[1:3]) if last else shape
    known = [each for each in size if isinstance(each, int)]
    usual = Preprocessing(
        size=(known[0], known[1]) if len(known) == 2 else None,
        channels=channels if channels in _COLOURS and isinstance(channels, int) else None,
        layout="NHWC" if last else "NCHW",
    )
    return usual, batch if isinstance(batch, int) else None


def _in_batches(run: Callable[[Array], Array], batch: int) -> Callable[[Array], Array]:
    """Let a network whose batch is fixed take any number of pictures; zeros fill the last batch."""

    def run_all(x: Array) -> Array:
        rest = -len(x) % batch
        filled = np.concatenate([x, np.zeros((rest, *x.shape[1:]), x.dtype)]) if rest else x
        return np.concatenate([run(filled[first : first + batch]) for first in range(0, len(filled), batch)])[: len(x)]

    return run_all
