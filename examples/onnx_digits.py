"""A network as a file of ONNX
===========================

Handwritten digits: train a network, write it as a file of ONNX, and classify by what is in the file.

A network of two convolutions learns the 8x8 digits of scikit-learn for a few seconds. What is read back knows nothing
of its layers: it is a graph, as any exporter writes them, and other engines run the same file. The picture shows digits
that neither has seen, each with the scores of its classes. Needs the extras ``data``, ``onnx`` and ``plot``.

On a command line::

    python examples/onnx_digits.py digits.png
    python examples/onnx_digits.py digits.png --model digits.onnx --epochs 4
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fastconv as fc
from fastconv.data import Dataset, load_digits
from fastconv.optim import Adam
from fastconv.training import Trainer

SHOWN = 10  # of every class the digit that is the least sure


def train(digits: Dataset, epochs: int) -> fc.layers.Layer:
    """Return a network that has seen the digits so many times."""
    model = fc.models.by_name("digits", rng=0)
    trainer = Trainer(model, Adam(model.parameters(), lr=2e-3), seed=0)
    trainer.fit(digits, epochs=epochs, batch_size=32)
    return model


def classify(file: Path, images: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, 10) of the classes of images (N, 1, 8, 8), by the model in a file."""
    (scores,) = fc.onnx.load(file).run([images])
    return fc.functional.softmax(scores)


def least_sure(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for every class the image whose own class is the least probable."""
    own = probabilities[np.arange(len(labels)), labels]
    return np.array([np.where(labels == digit, own, np.inf).argmin() for digit in range(SHOWN)])


def draw(images: np.ndarray, probabilities: np.ndarray, labels: np.ndarray) -> Figure:
    """Every image above the probabilities of its classes; the right one is dark."""
    figure = Figure(figsize=(1.2 * len(images), 2.4), layout="constrained")
    above, below = figure.subplots(2, len(images), sharex="row", sharey="row")
    for axes, bars, image, row, label in zip(above, below, images, probabilities, labels):
        axes.imshow(image[0], cmap="gray_r")
        axes.set_title(f"{label} is read as {row.argmax()}", fontsize=8)
        axes.set_axis_off()
        bars.bar(range(len(row)), row, color=["tab:blue" if k == label else "lightsteelblue" for k in range(len(row))])
        bars.set_xticks(range(len(row)))
        bars.tick_params(labelsize=6, length=0)
        bars.set_yticks([])
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", default="digits.png", help="file to write: png, svg, pdf")
    parser.add_argument("--model", type=Path, default=Path("digits.onnx"), help="file of the network (digits.onnx)")
    parser.add_argument("--epochs", type=int, default=8, help="rounds over the digits (8)")
    arguments = parser.parse_args(argv)
    digits, test = load_digits()
    model = train(digits, arguments.epochs)
    fc.onnx.save(model, arguments.model, (1, *test.images.shape[1:]))
    for node in fc.onnx.load(arguments.model).graph.nodes:
        print(f"{node.name:24} {node.operator}")
    probabilities = classify(arguments.model, test.images)
    own = fc.functional.softmax(fc.layers.predict(model, test.images))
    print(f"layers and file agree to {np.abs(probabilities - own).max():.0e}")
    chosen = least_sure(probabilities, test.labels)
    draw(test.images[chosen], probabilities[chosen], test.labels[chosen]).savefig(arguments.picture, dpi=90)
    right = (probabilities.argmax(1) == test.labels).mean()
    print(f"accuracy of the file on {len(test.labels)} digits: {right:.4f}")


if __name__ == "__main__":
    main()
