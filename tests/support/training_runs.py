"""A small run with everything that draws or remembers: for the tests of training, here and in other processes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import fastconv as fc
from fastconv.data import Dataset
from fastconv.data.augment import Compose, RandomFlip, RandomShift
from fastconv.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from fastconv.layers.batch_normalization import BatchNorm2d
from fastconv.layers.dropout import Dropout
from fastconv.optim import SGD, StepLR
from fastconv.training import Trainer

IMAGES, BATCH, EPOCHS, CLASSES = 50, 16, 3, 4  # 4 steps an epoch, the last one smaller


def images(count: int = IMAGES, seed: int = 0, *, stored: Any = np.uint8) -> Dataset:
    """Blobs at a place that depends on the class, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    pixels = rng.integers(0, 100, (count, 1, 6, 8)).astype(np.uint8)
    for image, label in zip(pixels, labels):
        image[0, 1:4, 2 * label : 2 * label + 2] += 120
    values = pixels if stored == np.uint8 else (pixels / 255).astype(np.float32)
    return Dataset(values, labels, tuple("abcd"), "blobs")


def network(seed: int = 0, dtype: Any = np.float32) -> Sequential:
    return Sequential(
        Conv2d(1, 4, 3, padding=1, rng=seed, dtype=dtype),
        BatchNorm2d(4, dtype=dtype),
        ReLU(),
        MaxPool2d(2),
        Dropout(0.25, rng=seed + 1),
        Flatten(),
        Linear(4 * 3 * 4, CLASSES, rng=seed + 2, dtype=dtype),
    )


def trainer(**options: Any) -> Trainer:
    """Momentum, schedule, augmentation, dropout, batch normalisation, a penalty and clipping."""
    model = options.pop("model", None) or network()
    optimizer = options.pop("optimizer", None) or SGD(model.parameters(), lr=0.05, momentum=0.9)
    usual: dict[str, Any] = {
        "schedule": StepLR(optimizer, 3, 0.9, interval="step"),
        "augment": Compose(RandomFlip(), RandomShift((1, 2))),
        "l2": 1e-3,
        "clip_norm": 2.0,
        "seed": 5,
    }
    return Trainer(model, optimizer, **{**usual, **options})


def fit(run: Trainer, folder: str | None, **options: Any) -> None:
    run.fit(
        images(),
        images(12, seed=9),
        **{"epochs": EPOCHS, "batch_size": BATCH, "checkpoint": folder, "checkpoint_every": 2, **options},
    )


def main() -> None:
    """Train in a process of its own: folder, and the step before which to stop for good (or "never")."""
    folder, stop = sys.argv[1:]
    fc.set_backend("numpy")
    run = trainer()

    def report(progress: Any) -> None:
        if progress.record is None and len(run.history.step_losses) == int(stop):
            print("here", flush=True)
            sys.stdin.readline()  # until the test has sent its signal

    fit(run, folder, resume=True, progress=None if stop == "never" else report)


if __name__ == "__main__":
    main()
