"""ThreeLayerConvNet of CS231n
===========================

The three-layer network of CS231n, trained by its Solver: on CIFAR-10, or on digits where that is not there.

On a command line::

    python examples/cs231n_solver.py [--data PATH] [--epochs N] [--train N]

The code of the course, on the fast engine: ``ThreeLayerConvNet`` and ``Solver`` have the arguments, the printed lines
and the numbers of the originals.
"""

# sphinx_gallery_thumbnail_path = "_static/resnet20.svg"

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.compat.cs231n.classifiers.cnn import ThreeLayerConvNet
from fastconv.compat.cs231n.solver import Solver
from fastconv.data import DataBundle, load, subtract_mean_image
from fastconv.errors import DataNotFoundError

# The course's own numbers for CIFAR-10, and ones for small images between 0 and 1.
CIFAR10: dict[str, Any] = {
    "network": {"hidden_dim": 500, "weight_scale": 0.001, "reg": 0.001},
    "rate": 1e-3,
    "epochs": 1,
}
DIGITS: dict[str, Any] = {
    "network": {"num_filters": 16, "filter_size": 3, "hidden_dim": 100, "weight_scale": 0.05, "reg": 0.001},
    "rate": 3e-3,
    "epochs": 5,
}


def find_images(path: str | None) -> tuple[DataBundle, dict[str, Any]]:
    """The images at a path; or CIFAR-10 from where fastconv keeps it; or the digits, which need no download."""
    if path is not None:
        return load(path), CIFAR10
    try:
        return load("cifar10"), CIFAR10
    except DataNotFoundError:
        print("CIFAR-10 is not here, so this trains on the digits of scikit-learn. For CIFAR-10 give its folder with")
        print("--data, or fetch it once: python -c \"from fastconv.data import load; load('cifar10', download=True)\"")
        return load("digits"), DIGITS


def course_data(images: DataBundle, count: int | None) -> dict[str, np.ndarray]:
    """Training, validation and test images as the course has them: less the mean of those to be trained on."""
    validation = min(1000, len(images.train) // 10)
    training = len(images.train) - validation if count is None else min(count, len(images.train) - validation)
    train, val = images.train.split((training, validation), 0)  # drawn: a folder has them sorted by class
    train, val, test = subtract_mean_image(train, val, images.test)
    parts = {"train": train, "val": val, "test": test}
    return {
        **{f"X_{name}": part.images for name, part in parts.items()},
        **{f"y_{name}": part.labels for name, part in parts.items()},
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="PATH", help="CIFAR-10: its folder or archive, an .npz, images by class")
    parser.add_argument("--epochs", type=int, metavar="N", help="1 for CIFAR-10, 5 for the digits")
    parser.add_argument("--train", type=int, metavar="N", help="train on N images; by default on all")
    options = parser.parse_args(argv)

    images, settings = find_images(options.data)
    data = course_data(images, options.train)
    print(f"{images.train.name}: {len(data['X_train'])} images to train on, {len(data['X_val'])} to validate")

    np.random.seed(231)  # noqa: NPY002 - the course draws from the global generator
    model = ThreeLayerConvNet(input_dim=images.train.image_shape, **settings["network"])
    solver = Solver(
        model,
        data,
        num_epochs=settings["epochs"] if options.epochs is None else options.epochs,
        batch_size=50,
        update_rule="adam",
        optim_config={"learning_rate": settings["rate"]},
        print_every=20,
    )
    start = time.perf_counter()
    solver.train()
    seconds = time.perf_counter() - start
    accuracy = solver.check_accuracy(data["X_test"], data["y_test"])
    print(f"accuracy on {len(data['X_test'])} test images: {accuracy:.4f}, after {seconds:.1f} seconds of training")


if __name__ == "__main__":
    main()
