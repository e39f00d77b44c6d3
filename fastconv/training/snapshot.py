"""From the state of a run to a checkpoint and back, and what has to be the same in between."""

from __future__ import annotations

import re
from dataclasses import asdict
from math import inf, isfinite
from typing import Any

import numpy as np

from fastconv.errors import InvalidTypeError, InvalidValueError, StateFileError
from fastconv.training.checkpoint import Checkpoint
from fastconv.training.records import History, Position
from fastconv.training.state import (
    TrainState,
    check_generator_state,
    generator_state,
    layer_generators,
    set_generator_state,
)

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe(trainer: TrainState) -> dict[str, Any]:
    """What must be the same for a run to go on, by name, in plain values."""
    groups = [_initial(options) for options in trainer.optimizer.options()]
    return {
        "model": {name: f"{array.dtype} {array.shape}" for name, array in trainer.model.state_dict().items()},
        "optimizer": type(trainer.optimizer).__name__,
        **{f"optimizer group {index}": options for index, options in enumerate(groups)},
        "schedule": None if trainer.schedule is None else repr(trainer.schedule),
        "loss": _name(trainer.loss),
        "augment": _name(trainer.augment),
        "prepare": _name(trainer.prepare),
        "seed": trainer.seed,
        "l2": trainer.l2,
        "clip_norm": trainer.clip_norm,
    }


def snapshot(trainer: TrainState, description: dict[str, Any]) -> Checkpoint:
    """Return everything that `restore` needs, as copies."""
    optimizer = trainer.optimizer.state_dict()
    about = {
        "run": description,
        "network": trainer.card.to_dict(),
        "position": asdict(trainer.position),
        "epochs": trainer.history.to_dict()["epochs"],
        "optimizer": {name: value for name, value in optimizer.items() if name != "slots"},
        "schedule": None if trainer.schedule is None else trainer.schedule.state_dict(),
        "order": trainer.order_state,
        "augment": generator_state(trainer.augment_rng),
        "layers": {name: generator_state(generator) for name, generator in layer_generators(trainer.model)},
    }
    losses = np.array(trainer.history.step_losses, np.float64)
    return Checkpoint(about, trainer.model.state_dict(), optimizer["slots"], losses)


def restore(trainer: TrainState, checkpoint: Checkpoint, where: str) -> None:
    """Go back to the moment of a snapshot of the same run; `where` names its file.

    What can fail comes first, so that a checkpoint which is not whole changes nothing.
    """
    about = checkpoint.about
    try:
        _check(trainer, about)
        trainer.optimizer.load_state_dict({**about["optimizer"], "slots": checkpoint.slots})
    except (InvalidValueError, InvalidTypeError) as error:
        raise StateFileError(f"{where} must be a whole checkpoint, but: {error}") from None
    trainer.model.load_state_dict(checkpoint.weights)
    if trainer.schedule is not None:
        trainer.schedule.load_state_dict(about["schedule"])
    trainer.position = Position(**about["position"])
    trainer.history = History.from_dict({"epochs": about["epochs"], "step_losses": checkpoint.step_losses})
    trainer.order_state = about["order"]
    set_generator_state(trainer.augment_rng, about["augment"])
    for name, generator in layer_generators(trainer.model):
        set_generator_state(generator, about["layers"][name])


def _initial(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a group as they were before any schedule changed its rate."""
    initial = {**options, "lr": options.get("initial_lr", options["lr"])}
    initial.pop("initial_lr", None)
    return initial


def _check(trainer: TrainState, about: dict[str, Any]) -> None:
    """Refuse what the trainer would not take, or would take although it belongs to another run."""
    _check_generators(trainer, about)
    _check_options(trainer, about)
    position, run = about["position"], about["run"]
    images, batch = run["train images"], run["batch_size"]
    if position["images"] != min(position["step"] * batch, images) or position["step"] > -(-images // batch):
        raise InvalidValueError(f"step {position['step']} cannot have seen {position['images']} images.")


def _check_options(trainer: TrainState, about: dict[str, Any]) -> None:
    schedule, state, run = trainer.schedule, about["schedule"], about["run"]
    for index, options in enumerate(about["optimizer"]["groups"]):
        described, own = run.get(f"optimizer group {index}"), _initial({"lr": None, **options})
        if "initial_lr" not in options:  # a rate that nothing but the program sets may have changed
            own["lr"] = described["lr"]
        if own != described:
            raise InvalidValueError(f"the options of optimizer group {index} are not those of the run.")
    if (state is None) != (schedule is None):
        raise InvalidValueError("the schedule of the run is missing.")
    if schedule is not None and state["base_lrs"] != schedule.base_lrs:
        raise InvalidValueError("the schedule starts from other rates than that of the run.")
    try:
        rates = [] if schedule is None else [schedule.lr_at(rate, state["done"]) for rate in schedule.base_lrs]
    except ArithmeticError:
        rates = [inf]
    if not all(map(isfinite, rates)):
        raise InvalidValueError(f"the schedule has no rate after {state['done']} steps.")


def _check_generators(trainer: TrainState, about: dict[str, Any]) -> None:
    generators = dict(layer_generators(trainer.model))
    missing = sorted(generators.keys() - about["layers"].keys())
    if missing:
        raise InvalidValueError(f"the generators of the layers {', '.join(missing)} are missing.")
    check_generator_state("order", trainer.order_rng, about["order"])
    check_generator_state("augment", trainer.augment_rng, about["augment"])
    for name, generator in generators.items():
        check_generator_state(f"layers {name}", generator, about["layers"][name])


def _name(function: object) -> str | None:
    """Name of a function, or the repr of an object without its address."""
    if function is None:
        return None
    return str(getattr(function, "__qualname__", None) or _ADDRESS.sub("", repr(function)))
