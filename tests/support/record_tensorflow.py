"""Write down what TensorFlow gives: ``python record_tensorflow.py FILE --seed 0 --rounds 1``.

Needs NumPy and TensorFlow alone. Every function is called with every padding and both orders of axes in each round;
sizes, strides and dilations are drawn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from recordings import Array, Recording, whole_numbers, write

PADDINGS, FORMATS = ("SAME", "VALID", "EXPLICIT"), ("NHWC", "NCHW")
NO_KERNEL = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)  # on a CPU: some gradients with dilations
Sizes = tuple[int, int]


def calls(seed: int, rounds: int) -> Iterator[Recording]:
    """Every function with every padding and order of axes, as often as there are rounds."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        for function, padding, data_format in product(FUNCTIONS, PADDINGS, FORMATS):
            if (function, padding) == ("avg_pool", "EXPLICIT"):
                continue  # which TensorFlow does not take
            with suppress(*NO_KERNEL):
                yield FUNCTIONS[function](rng, padding, data_format)


def conv2d(rng: np.random.Generator, padding: str, data_format: str) -> Recording:
    """A convolution, with its two gradients where there are kernels for them."""
    groups = draw_one(rng, 1, 1, 2)
    x = draw_images(rng, data_format, multiple_of=groups)
    kernel = draw_pair(rng, 1, 3)
    shape = (*kernel, channels_of(x, data_format) // groups, groups * draw_one(rng, 1, 2))
    filters = whole_numbers(rng, shape, x.dtype)
    options = draw_windows(rng, x, kernel, padding, data_format)
    with tf.GradientTape() as tape:
        images, weights = tf.constant(x), tf.constant(filters)
        tape.watch([images, weights])
        y = tf.nn.conv2d(images, weights, **options)
    dy = whole_numbers(rng, y.shape, x.dtype)
    results = {"y": y.numpy()}
    with suppress(*NO_KERNEL):
        dx, dfilters = tape.gradient(y, [images, weights], tf.constant(dy))
        results.update(dx=dx.numpy(), dfilters=dfilters.numpy())
    return Recording("conv2d", options, {"input": x, "filters": filters, "dy": dy}, results)


def conv2d_transpose(rng: np.random.Generator, padding: str, data_format: str) -> Recording:
    """A transposed convolution to the shape of images that are drawn first."""
    images = draw_images(rng, data_format)
    kernel = draw_pair(rng, 1, 3)
    options = draw_windows(rng, images, kernel, padding, data_format)
    filters = whole_numbers(rng, (*kernel, channels_of(images, data_format), draw_one(rng, 1, 2)), images.dtype)
    x = whole_numbers(rng, tf.nn.conv2d(images, filters, **options).shape, images.dtype)
    options["output_shape"] = images.shape
    y = tf.nn.conv2d_transpose(tf.constant(x), tf.constant(filters), **options)
    return Recording("conv2d_transpose", options, {"input": x, "filters": filters}, {"y": y.numpy()})


def depthwise_conv2d(rng: np.random.Generator, padding: str, data_format: str) -> Recording:
    """A depthwise convolution: strides are equal, and 1 with dilations."""
    x = draw_images(rng, data_format)
    kernel, (strides, dilations) = draw_pair(rng, 1, 3), draw_steps(rng, x)
    filters = whole_numbers(rng, (*kernel, channels_of(x, data_format), draw_one(rng, 1, 2)), x.dtype)
    options = {
        "strides": four((strides[0], strides[0]), data_format),
        "padding": draw_padding(rng, padding, kernel, data_format),
        "data_format": data_format,
        "dilations": dilations,
    }
    y = tf.nn.depthwise_conv2d(tf.constant(x), tf.constant(filters), **options)
    return Recording("depthwise_conv2d", options, {"input": x, "filter": filters}, {"y": y.numpy()})


def pooling(name: str) -> Callable[[np.random.Generator, str, str], Recording]:
    """What records a pooling."""

    def record(rng: np.random.Generator, padding: str, data_format: str) -> Recording:
        kernel = draw_pair(rng, 2, 3)
        x = draw_images(rng, data_format)
        options = {
            "ksize": four(kernel, data_format),
            "strides": four(draw_pair(rng, 1, 3), data_format),
            "padding": draw_padding(rng, padding, kernel, data_format),
            "data_format": data_format,
        }
        y = getattr(tf.nn, name)(tf.constant(x), **options)  # of a plain array it would make float32
        return Recording(name, options, {"input": x}, {"y": y.numpy()})

    return record


FUNCTIONS: dict[str, Callable[[np.random.Generator, str, str], Recording]] = {
    "conv2d": conv2d,
    "conv2d_transpose": conv2d_transpose,
    "depthwise_conv2d": depthwise_conv2d,
    "max_pool": pooling("max_pool"),
    "avg_pool": pooling("avg_pool"),
}


def draw_one(rng: np.random.Generator, *values: int) -> int:
    """One of the numbers."""
    return int(rng.choice(values))


def draw_pair(rng: np.random.Generator, least: int, most: int) -> Sizes:
    """Two numbers, of height and of width."""
    height, width = rng.integers(least, most + 1, 2)
    return int(height), int(width)


def draw_steps(rng: np.random.Generator, images: Array) -> tuple[Sizes, Sizes]:
    """Strides and dilations, of which one is 1: not every kernel takes both, and gradients in float64 no dilations."""
    if images.dtype == np.float64 or rng.random() < 0.5:
        return draw_pair(rng, 1, 3), (1, 1)
    return (1, 1), draw_pair(rng, 1, 2)


def draw_images(rng: np.random.Generator, data_format: str, multiple_of: int = 1) -> Array:
    """Images that are not smaller than any window; a CPU has no kernels for float64 in NCHW."""
    height, width = draw_pair(rng, 5, 6)
    shape = (draw_one(rng, 1, 1, 2), height, width, multiple_of * draw_one(rng, 1, 2))
    if data_format == "NHWC":
        return whole_numbers(rng, shape, str(rng.choice(["float32", "float64"])))
    return np.ascontiguousarray(whole_numbers(rng, shape).transpose(0, 3, 1, 2))


def draw_windows(rng: np.random.Generator, images: Array, kernel: Sizes, padding: str, data_format: str) -> Any:
    """Options of a convolution."""
    strides, dilations = draw_steps(rng, images)
    return {
        "strides": four(strides, data_format),
        "padding": draw_padding(rng, padding, kernel, data_format),
        "data_format": data_format,
        "dilations": four(dilations, data_format),
    }


def draw_padding(rng: np.random.Generator, padding: str, kernel: Sizes, data_format: str) -> Any:
    """The name of a padding, or a pair for each axis, smaller than the window."""
    if padding != "EXPLICIT":
        return padding
    return four([draw_pair(rng, 0, size - 1) for size in kernel], data_format, outer=[0, 0])


def four(sizes: Any, data_format: str, outer: Any = 1) -> list[Any]:
    """One value for each axis from those of height and width."""
    return [outer, *sizes, outer] if data_format == "NHWC" else [outer, outer, *sizes]


def channels_of(images: Array, data_format: str) -> int:
    """How many channels images have."""
    return images.shape[3 if data_format == "NHWC" else 1]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    source = {"tensorflow": tf.__version__, "numpy": np.__version__, "seed": given.seed, "rounds": given.rounds}
    write(given.file, {"made_by": Path(__file__).name, **source}, calls(given.seed, given.rounds))


if __name__ == "__main__":
    main()
