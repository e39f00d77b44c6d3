"""A program that trains for some steps, on the ranks that it was started on or on emulated ones, and times them.

``python -m fastconv.evidence.scaling.child '{"network": "resnet20", "images": 64, "steps": 8, ...}'``
"""

from __future__ import annotations

import json
import sys
from statistics import median
from typing import Any

import numpy as np

from fastconv import models
from fastconv.backends.settings import use_num_threads
from fastconv.data import Dataset
from fastconv.evidence.scaling.emulated import Emulated
from fastconv.evidence.scaling.network import Network
from fastconv.optim import SGD
from fastconv.training import Trainer

_UNTIMED = 3  # steps that compile, record, and find the pages of memory


def timed(
    network: str, images: int, steps: int, threads: int, emulate: int | None, latency: float, bandwidth: float
) -> dict[str, Any]:
    """Return seconds of a step of `images` over all ranks, in each of the steps, and what emulated ranks have heard."""
    model = models.by_name(network, rng=0)
    shape = models.MODELS[network].input_shape
    rng = np.random.default_rng(0)
    data = Dataset(rng.random((images, *shape), np.float32), rng.integers(0, 10, images))
    communicator: Any = None
    if emulate is not None:
        communicator = Emulated(emulate, Network(latency, bandwidth))
    elif _under_mpi():
        from mpi4py import MPI

        communicator = MPI.COMM_WORLD
    trainer = Trainer(model, SGD(model.parameters(), lr=1e-3, momentum=0.9), seed=0, communicator=communicator)
    with use_num_threads(threads):
        history = trainer.fit(data, epochs=_UNTIMED + steps, batch_size=images)
    seconds = [images / record.images_per_second for record in history.epochs[_UNTIMED:]]
    heard = _heard(communicator.events, len(seconds)) if emulate is not None else {}
    return {"seconds": seconds, "rank": getattr(communicator, "rank", 0), **heard}


def _under_mpi() -> bool:
    return len(sys.argv) > 2 and sys.argv[2] == "mpi"


def _heard(events: list[tuple[str, int, float]], steps: int) -> dict[str, Any]:
    """When the messages of a step started and were waited for, in seconds after the first: medians over the steps."""
    found: list[list[tuple[str, int, float]]] = [[]]
    for event in events:
        found[-1].append(event)
        if event[0] == "sum" and any(kind == "start" for kind, *_ in found[-1]):
            found.append([])
    rows = []
    for step in found[:-1][-steps:]:
        starts = [(size, when) for kind, size, when in step if kind == "start"]
        waited = next(when for kind, _, when in step if kind == "wait")
        first = starts[0][1]
        rows.append(([when - first for _, when in starts], waited - first))
    sizes = [size for kind, size, _ in found[0] if kind == "start"]
    starts = [median(column) for column in zip(*(row for row, _ in rows))]
    last = next(size for kind, size, _ in reversed(found[0]) if kind == "sum")
    return {"messages": [*zip(sizes, starts)], "awaited": median(waited for _, waited in rows), "last": last}


if __name__ == "__main__":
    result = timed(**json.loads(sys.argv[1]))
    if result["rank"] == 0:
        print(json.dumps(result))
