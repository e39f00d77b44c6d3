"""Everything that the engine computes, and a whole training run, again and again on several numbers of threads.

Started as a program: ``bits_of_runs.py training EPOCHS`` or ``bits_of_runs.py operations RUNS``.
"""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
from engine_work import digests

import fastconv as fc
from fastconv import layers as L
from fastconv.data import Dataset
from fastconv.data.augment import Compose, RandomFlip, RandomShift
from fastconv.optim import SGD
from fastconv.training import Trainer

THREADS = (1, 2, 3, 7)


def network() -> L.Sequential:
    """Layers that are worth several threads, with everything that draws, sums or remembers."""
    return L.Sequential(
        L.Conv2d(3, 32, 3, padding=1, rng=0), L.BatchNorm2d(32), L.ReLU(), L.MaxPool2d(2),
        L.Conv2d(32, 32, 3, padding=1, groups=32, rng=1), L.Conv2d(32, 48, 3, padding=1, rng=2), L.GroupNorm(4, 48),
        L.GELU(), L.AvgPool2d(3, stride=2), L.Dropout(0.3, rng=3), L.Flatten(), L.Linear(48 * 6 * 5, 10, rng=4),
    )  # fmt: skip


def trained(epochs: int) -> str:
    """Digest of the weights, and of what was noted of each epoch."""
    rng = np.random.default_rng(0)
    data = Dataset(rng.integers(0, 255, (96, 3, 26, 24)).astype(np.uint8), np.arange(96) % 10, tuple("abcdefghij"), "x")
    model = network()
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    run = Trainer(model, optimizer, augment=Compose(RandomFlip(), RandomShift((1, 2))), clip_norm=2.0, seed=5)
    history = run.fit(data, epochs=epochs, batch_size=32, validation=data)
    found = hashlib.sha256(repr([history.step_losses, [each.validation_loss for each in history.epochs]]).encode())
    for name, array in sorted(model.state_dict().items()):
        found.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def main(what: str, count: int) -> None:
    from fastconv.backends.fast.machine import regions

    regions.LOSS = float("inf")  # several threads, also where others want the cores
    found: dict[str, list[str]] = {}
    for threads in THREADS:
        with fc.use_num_threads(threads):
            if what == "training":
                found[str(threads)] = [trained(count)]
            else:
                found[str(threads)] = sorted({json.dumps(digests()) for _ in range(count // len(THREADS))})
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
