"""Trainings on the ranks that this program is started on: python train_on_ranks.py FOLDER [FAULT]."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

import fastconv as fc
from fastconv.data import Dataset, load_digits
from fastconv.data.augment import RandomShift
from fastconv.layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Dropout2d,
    Flatten,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
)
from fastconv.optim import SGD
from fastconv.training import History, Trainer

RANKS = MPI.COMM_WORLD
LAST = RANKS.size - 1
_EPOCHS, _STOPPED, _FAULT_AT = 3, 2, 8


def images() -> tuple[Dataset, Dataset]:
    """Numbers of images that no number of ranks divides; the last batch of an epoch has one."""
    train, test = load_digits()
    return train[:166], test[:61]


def network(normalised: bool) -> Layer:
    """Weights for more than one message; dropout of numbers and of channels."""
    norm: list[Layer] = [BatchNorm2d(8)] if normalised else []
    layers = [Conv2d(1, 8, 3, padding=1, rng=RANKS.rank), *norm, ReLU(), Dropout2d(0.2, rng=1), MaxPool2d(2)]
    head = [Flatten(), Dropout(0.3, rng=2), Linear(128, 700, rng=3), ReLU(), Linear(700, 10, rng=4)]
    return Sequential(*layers, *head)


def trained(
    data: tuple[Dataset, Dataset], *, normalised: bool = False, epochs: int = _EPOCHS, fit: Any = None, **options: Any
) -> tuple[Trainer, History]:
    """A run; the weights that it begins with are those of rank 0."""
    model = network(normalised)
    rule = SGD(model.parameters(), lr=0.05, momentum=0.9)
    options = {"augment": RandomShift(1), "l2": 1e-4, "clip_norm": 5.0, "communicator": RANKS, **options}
    trainer = Trainer(model, rule, seed=0, **options)
    return trainer, trainer.fit(*data, epochs=epochs, batch_size=33, **(fit or {}))


def numbers(trainer: Trainer, history: History) -> np.ndarray[Any, Any]:
    """Everything that a run leaves: losses, weights, statistics; the same on all ranks."""
    state = [array.ravel() for array in trainer.model.state_dict().values()]
    last = history.epochs[-1]
    measured = [last.train_accuracy, last.validation_loss, last.validation_accuracy]
    found = np.concatenate([history.step_losses, np.array(measured, float), *state]).astype(np.float64)
    assert all(np.array_equal(found, other) for other in RANKS.allgather(found)), "ranks differ"
    return found


def equal_runs(folder: Path) -> None:
    """Write what each kind of run gives."""
    data, found = images(), {}
    found["recorded"] = numbers(*trained(data))
    found["again"] = numbers(*trained(data))
    found["layers"] = numbers(*trained(data, compile=False))
    found["normalised"] = numbers(*trained(data, normalised=True))
    found["synchronized"] = numbers(*trained(data, normalised=True, synchronize_batch_norm=True))
    stopped = folder / f"stopped{RANKS.size}"
    trained(data, normalised=True, epochs=_STOPPED, fit={"checkpoint": stopped})
    resumed = {"checkpoint": stopped, "resume": True}
    found["resumed"] = numbers(*trained(data, normalised=True, fit=resumed))
    trained(data, epochs=_STOPPED, fit={"checkpoint": folder / f"kept{RANKS.size}"})
    for ranks in range(1, RANKS.size):
        here = folder / f"from{ranks}on{RANKS.size}"
        if RANKS.rank == 0:
            shutil.copytree(folder / f"kept{ranks}", here)
        RANKS.Barrier()
        resumed = {"checkpoint": here, "resume": True}
        found[f"resumed from {ranks}"] = numbers(*trained(data, fit=resumed))
    if RANKS.rank == 0:
        np.savez(folder / f"{RANKS.size}.npz", **found)


class _BadGradient(ReLU):
    steps = 0

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Any:
        _BadGradient.steps += 1
        dx = super().backward(dy, input_gradient=input_gradient)
        if self.steps == _FAULT_AT and RANKS.rank == LAST:
            dx[0, 0] = np.inf
        return dx


def with_fault(folder: Path, fault: str) -> None:
    """Train until something happens on the last rank, or on the first one."""
    fc.set_backend("numpy")
    train, test = images()
    steps = 0

    def augment(batch: Any, rng: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == _FAULT_AT and RANKS.rank == LAST:
            if fault == "raises":
                raise RuntimeError("this augmentation does not work")
            if fault == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if fault == "interrupted":
                os.kill(os.getpid(), signal.SIGINT)
        return batch

    if fault == "other data" and RANKS.rank == LAST:
        train = train[::-1]
    if fault == "other version" and RANKS.rank == LAST:
        fc.parallel.ranks.__version__ = "0.0.1"
    if fault == "full disk":
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
    model = Sequential(Flatten(), Linear(64, 300, rng=0), _BadGradient() if fault == "bad gradient" else ReLU())
    model.append(Linear(300, 10, rng=1))
    trainer = Trainer(model, SGD(model.parameters(), lr=0.01), augment=augment, compile=False, communicator=RANKS)
    trainer.fit(train, test, epochs=3, batch_size=33, checkpoint=folder, checkpoint_every=3)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        with_fault(Path(sys.argv[1]), sys.argv[2])
    else:
        equal_runs(Path(sys.argv[1]))
