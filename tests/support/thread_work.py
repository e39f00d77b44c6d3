"""Layers, programs and training steps under many Python threads: what they get that a call alone does not give."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import fastconv as fc
from fastconv import layers as L
from fastconv.losses import softmax_cross_entropy
from fastconv.optim import SGD

COUNT = 16  # Python threads
Work = Callable[[int], list[Any]]  # what thread number i computes


def network() -> L.Sequential:
    return L.Sequential(
        L.Conv2d(3, 16, 3, padding=1, rng=0), L.ReLU(), L.MaxPool2d(2), L.Conv2d(16, 20, 3, rng=1), L.ReLU(),
        L.BatchNorm2d(20), L.Flatten(), L.Linear(20 * 6 * 5, 10, rng=2),
    )  # fmt: skip


def images(i: int) -> Any:
    return np.random.default_rng(i).standard_normal((4, 3, 16, 14)).astype(np.float32)


def training(i: int) -> list[Any]:
    """Losses and weights of three steps of a network of one's own."""
    model, labels = network(), np.arange(i, i + 4) % 10
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = fc.compile(model, images(i), labels, loss=softmax_cross_entropy, optimizer=optimizer)
    losses = [step(images(i + k), labels) for k in range(3)]
    return [np.array(losses), *(parameter.data for parameter in model.parameters())]


def by_layers(i: int) -> list[Any]:
    """Output and gradients of a network of one's own."""
    model = network()
    y = model(images(i))
    dx = model.backward(y)
    return [y, dx, *(parameter.grad for parameter in model.parameters())]


def works() -> dict[str, Work]:
    """On the same layers and programs, and on those of each thread."""
    layer, model = L.Conv2d(3, 16, 3, padding=1, rng=0), network().eval()
    program = fc.compile(model, images(0))
    return {
        "the same layer": lambda i: [layer(images(i))],
        "the same network": lambda i: [model(images(i))],
        "the same program": lambda i: [program(images(i)), program(images(i)[: 1 + i % 3])],
        "layers of their own": by_layers,
        "a training step of their own": training,
    }


def together(work: Work, count: int = COUNT, rounds: int = 2) -> list[list[bytes]]:
    """What threads that start at once compute, one after the other `rounds` times."""
    found: list[list[bytes]] = [[] for _ in range(count)]
    errors, barrier = [], threading.Barrier(count, timeout=120)

    def run(i: int) -> None:
        try:
            barrier.wait()
            for _ in range(rounds):
                found[i].append(bits(work(i)))
        except BaseException as error:
            errors.append(repr(error))
            raise

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    return found


def bits(arrays: list[Any]) -> bytes:
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def wrong(rounds: int) -> dict[str, list[int]]:
    """Numbers of the threads that got something else than a call alone."""
    found = {name: together(work, rounds=rounds) for name, work in works().items()}
    return {
        name: [i for i in range(COUNT) if set(results[i]) != {bits(works()[name](i))}]
        for name, results in found.items()
    }
