"""Write down what PaddlePaddle gives: ``python record_paddle.py FILE --seed 0 --rounds 1``.

Needs NumPy and PaddlePaddle alone. The functions are those of today, ``paddle.nn.functional``, whose sizes are height
before width; every one is called in each round, forward and backward, with sizes, strides and dilations that are drawn.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from recordings import Array, Recording, whole_numbers, write

Sizes = tuple[int, int]


def calls(seed: int, rounds: int) -> Iterator[Recording]:
    """Every function, as often as there are rounds."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        for transposed in (False, True):
            for groups in (1, 2):
                yield convolution(rng, transposed, groups)
        for ceil_mode in (False, True):
            yield max_pool2d(rng, ceil_mode)
            for exclusive in (False, True):
                yield avg_pool2d(rng, ceil_mode, exclusive)
        for act in ("relu", "tanh", "sigmoid", "linear"):
            yield conv_pool(rng, act)


def convolution(rng: np.random.Generator, transposed: bool, groups: int) -> Recording:
    """A convolution or a transposed one, with all gradients."""
    x = draw_images(rng, groups)
    kernel, filters = draw_pair(rng, 1, 3), groups * int(rng.integers(1, 3))
    options = {"stride": draw_pair(rng, 1, 3), "padding": draw_pair(rng, 0, 2), "dilation": draw_pair(rng, 1, 2)}
    first, second = (x.shape[1], filters) if transposed else (filters, x.shape[1])
    arrays = {
        "x": x,
        "weight": whole_numbers(rng, (first, second // groups, *kernel), x.dtype),
        "bias": whole_numbers(rng, (filters,), x.dtype),
    }
    name = "conv2d_transpose" if transposed else "conv2d"
    options["groups"] = groups
    return recorded(rng, name, options, arrays, lambda *tensors: getattr(F, name)(*tensors, **options))


def max_pool2d(rng: np.random.Generator, ceil_mode: bool) -> Recording:
    """Maxima, with their gradient."""
    x = draw_images(rng)
    options = {**draw_windows(rng, x, ceil_mode), "ceil_mode": ceil_mode}
    return recorded(rng, "max_pool2d", options, {"x": x}, lambda x: F.max_pool2d(x, **options))


def avg_pool2d(rng: np.random.Generator, ceil_mode: bool, exclusive: bool) -> Recording:
    """Means, with their gradient, whose factors are float32 whatever the dtype of the images is."""
    x = draw_images(rng).astype("float32")
    options = {**draw_windows(rng, x, ceil_mode), "ceil_mode": ceil_mode, "exclusive": exclusive}
    return recorded(rng, "avg_pool2d", options, {"x": x}, lambda x: F.avg_pool2d(x, **options))


def conv_pool(rng: np.random.Generator, act: str) -> Recording:
    """A convolution, an activation and maxima: what was ``simple_img_conv_pool``."""
    x = draw_images(rng) / 64  # activations would be flat further out
    arrays = {
        "x": x,
        "weight": whole_numbers(rng, (3, x.shape[1], 2, 3), x.dtype) / 16,
        "bias": whole_numbers(rng, (3,), x.dtype) / 8,
    }

    def run(x: Any, weight: Any, bias: Any) -> Any:
        y = F.conv2d(x, weight, bias, stride=(1, 2), padding=(0, 1))
        return F.max_pool2d(y if act == "linear" else getattr(F, act)(y), (2, 1), stride=(2, 1), ceil_mode=True)

    return recorded(rng, "conv_pool", {"act": act}, arrays, run)


def recorded(
    rng: np.random.Generator, name: str, options: dict[str, Any], arrays: dict[str, Array], run: Any
) -> Recording:
    """The output of `run` for the arrays, and the gradients of all of them for some gradient of the output."""
    tensors = [paddle.to_tensor(array, stop_gradient=False) for array in arrays.values()]
    y = run(*tensors)
    dy = whole_numbers(rng, y.shape, y.numpy().dtype)
    gradients = paddle.grad([y], tensors, [paddle.to_tensor(dy)])
    results = {f"d{key}": gradient.numpy() for key, gradient in zip(arrays, gradients)}
    return Recording(name, options, {**arrays, "dy": dy}, {"y": y.numpy(), **results})


def draw_pair(rng: np.random.Generator, least: int, most: int) -> Sizes:
    """Two numbers, of height and of width."""
    height, width = rng.integers(least, most + 1, 2)
    return int(height), int(width)


def draw_images(rng: np.random.Generator, multiple_of: int = 1) -> Array:
    """Images (N, C, H, W) that are not smaller than any window."""
    shape = (int(rng.choice([1, 1, 2])), multiple_of * int(rng.integers(1, 3)), *draw_pair(rng, 5, 6))
    return whole_numbers(rng, shape, str(rng.choice(["float32", "float64"])))


def draw_windows(rng: np.random.Generator, x: Array, ceil_mode: bool) -> dict[str, Sizes]:
    """Windows of a pooling, of which none lies in the padding alone: there Paddle gives what is no number."""
    while True:
        kernel, stride = draw_pair(rng, 1, 3), draw_pair(rng, 1, 3)
        padding = tuple(int(rng.integers(0, size)) for size in kernel)
        sizes = zip(x.shape[2:], kernel, stride, padding)
        if not ceil_mode or all(last_start(*axis) < axis[0] + axis[3] for axis in sizes):
            return {"kernel_size": kernel, "stride": stride, "padding": padding}  # type: ignore[dict-item]


def last_start(size: int, kernel: int, stride: int, padding: int) -> int:
    """Where the last window begins if their number is rounded up, counted from the padding before."""
    return -(-(size + 2 * padding - kernel) // stride) * stride


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    source = {"paddlepaddle": paddle.__version__, "numpy": np.__version__, "seed": given.seed, "rounds": given.rounds}
    write(given.file, {"made_by": Path(__file__).name, **source}, calls(given.seed, given.rounds))


if __name__ == "__main__":
    main()
