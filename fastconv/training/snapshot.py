"""From a trainer to a checkpoint and back, and what has to be the same in between."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.training.checkpoint import Checkpoint
from fastconv.training.generators import generator_state, layer_generators, set_generator_state
from fastconv.training.position import Position
from fastconv.training.records import History

if TYPE_CHECKING:
    from fastconv.training.trainer import Trainer

__all__ = ["describe", "restore", "snapshot"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe(trainer: Trainer) -> dict[str, Any]:
    """What must be the same for a run to go on, by name, in plain values."""
    groups = [{**options, "lr": options.get("initial_lr", options["lr"])} for options in trainer.optimizer.options()]
    for options in groups:
        options.pop("initial_lr", None)
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


def snapshot(trainer: Trainer, description: dict[str, Any]) -> Checkpoint:
    """Return everything that `restore` needs, as copies."""
    optimizer = trainer.optimizer.state_dict()
    about = {
        "run": description,
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


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Go back to the moment of a snapshot of the same run."""
    about = checkpoint.about
    trainer.model.load_state_dict(checkpoint.weights)
    trainer.optimizer.load_state_dict({**about["optimizer"], "slots": checkpoint.slots})
    if trainer.schedule is not None:
        trainer.schedule.load_state_dict(about["schedule"])
    trainer.position = Position(**about["position"])
    trainer.history = History.from_dict({"epochs": about["epochs"], "step_losses": checkpoint.step_losses})
    trainer.order_state = about["order"]
    set_generator_state(trainer.augment_rng, about["augment"])
    for name, generator in layer_generators(trainer.model):
        set_generator_state(generator, about["layers"][name])


def _name(function: object) -> str | None:
    """Name of a function, or the repr of an object without its address."""
    if function is None:
        return None
    return str(getattr(function, "__qualname__", None) or _ADDRESS.sub("", repr(function)))
