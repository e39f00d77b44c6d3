"""Four images and a tanh network
==============================

Four 3x3 images, one 2x2 filter, tanh, one weight for each of the four numbers, logistic: trained image by image.

The network of a well-known tutorial, "Only Numpy: Implementing Convolutional Neural Network", written with layers.
The tutorial convolves with SciPy, which turns the filter by 180 degrees; a layer correlates. The same weights, turned,
are the same network, and its cost falls to the last digits as the tutorial's does.

On a command line::

    python examples/tanh_network.py
    python examples/tanh_network.py --plot cost.png
    python examples/tanh_network.py --epochs 100 --backend naive
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import fastconv as fc
from fastconv.layers import Conv2d, Flatten, Linear, Sequential, Sigmoid, Tanh
from fastconv.losses import squared_error
from fastconv.optim import SGD

IMAGES = np.array(
    [
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[1, 1, 1], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [1, 1, 1], [1, 1, 1]],
        [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    ],
    dtype=np.float64,
)
TARGETS = np.array([[0.53], [0.77], [0.88], [1.1]])
SEED, LEARNING_RATE, EPOCHS = 598765, 0.7, 1000


class Run(NamedTuple):
    """What a training gave: costs of all four images, before it and after every round; outputs before and after."""

    costs: list[float]
    start: np.ndarray
    final: np.ndarray
    network: Sequential


def draw_weights(seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """Return the filter (2, 2) and the weights (4, 1), drawn as in the tutorial."""
    random = np.random.RandomState(seed)  # its numbers depend on this generator
    return random.randn(2, 2) * 4, random.randn(4, 1) * 4


def build(filter_: np.ndarray, weights: np.ndarray) -> Sequential:
    """Return the network with these weights; the filter is turned, since a layer correlates."""
    network = Sequential(
        Conv2d(1, 1, 2, bias=False, dtype=np.float64),
        Tanh(),
        Flatten(),
        Linear(4, 1, bias=False, dtype=np.float64),
        Sigmoid(),
    )
    network[0].weight = np.rot90(filter_, 2)[None, None]
    network[3].weight = weights.T
    return network


def evaluate(network: Sequential) -> tuple[float, np.ndarray]:
    """Return the cost of all images, and the output for each."""
    outputs = network(IMAGES[:, None])
    cost, _ = squared_error(outputs, TARGETS, scale=0.5, reduction="sum")
    return cost, outputs[:, 0]


def train(epochs: int = EPOCHS, seed: int = SEED) -> Run:
    """Train image by image, as the tutorial does."""
    network = build(*draw_weights(seed))
    optimizer = SGD(network.parameters(), lr=LEARNING_RATE)
    cost, start = evaluate(network)
    costs, final = [cost], start
    for _ in range(epochs):
        for image, target in zip(IMAGES, TARGETS):
            optimizer.zero_grad()
            _, gradient = squared_error(network(image[None, None]), target[None], scale=0.5, reduction="sum")
            network.backward(gradient)
            optimizer.step()
        cost, final = evaluate(network)
        costs.append(cost)
    return Run(costs, start, final, network)


def draw(costs: list[float]) -> Any:
    """Return the cost over the rounds as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(costs)
    axes.set(xlabel="rounds over the four images", ylabel="cost", xlim=(0, len(costs) - 1), ylim=(0, None))
    axes.grid(alpha=0.3)
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"rounds over the four images ({EPOCHS})")
    parser.add_argument("--backend", choices=("naive", "numpy", "fast"), default="fast")
    parser.add_argument("--plot", metavar="FILE", help="draw the cost, which needs the extra `plot`: png, svg, pdf")
    arguments = parser.parse_args(argv)
    with fc.use_backend(arguments.backend), np.printoptions(precision=6):
        run = train(arguments.epochs)
    print(f"Cost before training: {run.costs[0]:.12g}")
    print(f"Cost after training:  {run.costs[-1]:.12g}")
    print(f"Start output: {run.start}")
    print(f"Final output: {run.final}")
    print(f"Targets:      {TARGETS[:, 0]}")
    if arguments.plot:
        draw(run.costs).savefig(arguments.plot, dpi=90)


if __name__ == "__main__":
    main()
