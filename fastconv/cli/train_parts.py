"""From the words of ``fastconv train`` to a network, an optimiser, a schedule and augmentations."""

from __future__ import annotations

from typing import Any, NamedTuple

import typer

from fastconv import optim
from fastconv.cli.arguments import refused, unknown
from fastconv.data import Dataset
from fastconv.data.augment import Augmentation, Compose, RandomCrop, RandomFlip, RandomShift
from fastconv.layers import Layer
from fastconv.training.evaluation import check_fit

CHANGES = ("flip", "shift", "crop")
# learning rates of networks with that of `fastconv.models.ModelEntry`; others take theirs in proportion
_RATES = {"adam": 2e-3, "adamw": 2e-3, "rmsprop": 1e-3, "sgd": 0.05}
OPTIMIZERS = tuple(_RATES)
_SMALL = 20  # pixels: what LeNet-5 has no room for
_SCHEDULES = ("constant", "cosine", "step", "milestones", "exponential")
_SHARE = 8  # images are shifted by up to this part of their size
_FACTOR = 0.1


class Plan(NamedTuple):
    """A schedule, as it was asked for.

    Attributes
    ----------
    name : str
        "constant", "cosine", "step", "milestones" or "exponential".
    epochs : tuple of int
        Of "step" and "milestones".
    factor : float
        What the rate is multiplied by.
    """

    name: str
    epochs: tuple[int, ...] = ()
    factor: float = _FACTOR


def parse_schedule(option: str, text: str) -> Plan:
    """Read ``"cosine"``, ``"step:30"``, ``"milestones:80,120:0.1"`` or ``"exponential:0.95"``."""
    name, *rest = text.split(":")
    try:
        if name in ("constant", "cosine") and not rest:
            return Plan(name)
        if name == "exponential" and len(rest) == 1:
            return Plan(name, factor=float(rest[0]))
        if name in ("step", "milestones") and len(rest) in (1, 2):
            epochs = tuple(int(epoch) for epoch in rest[0].split(","))
            if name == "milestones" or len(epochs) == 1:
                return Plan(name, epochs, float(rest[1]) if len(rest) == 2 else _FACTOR)
    except ValueError:
        pass
    rule = "be constant, cosine, step:EPOCHS[:FACTOR], milestones:EPOCH,EPOCH[:FACTOR] or exponential:FACTOR"
    raise refused(option, rule, text, _SCHEDULES)


def make_schedule(
    plan: Plan, warmup: int, optimizer: optim.Optimizer, epochs: int, steps: int
) -> optim.Schedule | None:
    """Return the schedule, after a warm-up if there is to be one; it counts steps, of which an epoch has `steps`."""
    if warmup >= epochs:
        raise typer.BadParameter(
            f"must be fewer epochs than --epochs, {epochs}, but got {warmup}.", param_hint="--warmup"
        )
    by_step: dict[str, Any] = {"interval": "step"}
    before = optim.LinearWarmup(optimizer, warmup * steps, **by_step) if warmup else None
    after: optim.Schedule | None = None
    if plan.name == "cosine":
        after = optim.CosineAnnealingLR(optimizer, (epochs - warmup) * steps, **by_step)
    elif plan.name == "step":
        after = optim.StepLR(optimizer, plan.epochs[0] * steps, plan.factor, **by_step)
    elif plan.name == "milestones":
        after = optim.MultiStepLR(optimizer, [epoch * steps for epoch in plan.epochs], plan.factor, **by_step)
    elif plan.name == "exponential":
        after = optim.StepLR(optimizer, steps, plan.factor, **by_step)
    if before is None or after is None:
        return before or after
    return optim.SequentialLR(optimizer, [before, after], [warmup * steps])


def make_augment(names: tuple[str, ...], image_shape: tuple[int, ...]) -> Augmentation | None:
    """Return the random changes for images of that size, in the order of the names."""
    _, height, width = image_shape
    room = (max(1, height // _SHARE), max(1, width // _SHARE))
    made: dict[str, Augmentation] = {
        "flip": RandomFlip(),
        "shift": RandomShift(room),
        "crop": RandomCrop((height, width), padding=room),
    }
    return Compose(*(made[name] for name in names)) if names else None


def part_of(images: Dataset, most: int | None, seed: int) -> Dataset:
    """Return at most so many images, of every class its share; all without a number."""
    if most is None or len(images) <= most:
        return images
    return images.split(most / len(images), seed, stratify=images.has_classes)[0]


def default_model(image_shape: tuple[int, ...]) -> str:
    """Name of a network that fits the images."""
    channels, height, width = image_shape
    if min(height, width) < _SMALL:
        return "digits"
    return "lenet5" if channels == 1 else "vgg-small"


def make_model(name: str, dataset: Dataset, seed: int) -> Layer:
    """Return the network with fresh weights, for the images and the classes of a dataset."""
    from fastconv.models import MODELS, by_name, is_model_file, load_model_file  # not for --help

    options: dict[str, Any] = {"input_shape": dataset.image_shape, "classes": len(dataset.classes), "rng": seed}
    if is_model_file(name):
        model = load_model_file(name, **options)
    elif name in MODELS:
        model = by_name(name, **options)
    else:
        raise unknown("--model", name, MODELS, others=", or a Python file")
    check_fit("train", model, dataset, dataset.image_shape)
    return model


def learning_rate(optimizer: str, model: str) -> float:
    """Return the learning rate with which a network learns, by its name or from a Python file."""
    from fastconv.models import MODELS, ModelEntry  # not for --help

    usual: float = ModelEntry._field_defaults["lr"]
    return _RATES[optimizer] * (MODELS[model].lr / usual if model in MODELS else 1.0)


def make_optimizer(name: str, model: Layer, lr: float, weight_decay: float) -> optim.Optimizer:
    """Return the update rule over all parameters."""
    options: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
    if name == "sgd":
        options["momentum"] = 0.9
    return optim.OPTIMIZERS[name](model.parameters(), **options)
