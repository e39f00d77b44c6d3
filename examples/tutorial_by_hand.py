"""The hand-written tutorial, number by number
===========================================

The hand-written convolutional network of the tutorials, with every number that its text prints.

The layer of ``init_test`` goes forward, backward and one step; its gradients are checked; then the pooling of
``init_pool_test``. Each result is compared with the published one.

On a command line::

    python examples/tutorial_by_hand.py
    python examples/tutorial_by_hand.py --backend naive
"""

# sphinx_gallery_thumbnail_path = "_static/math_forward.svg"

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

import fastconv as fc
from fastconv.compat.tutorial import ConvLayer, IdentityActivator, init_pool_test, init_test

FORWARD = [[[6, 7, 5], [3, -1, -1], [2, -1, 4]], [[2, -5, -8], [1, -4, -4], [0, -5, -5]]]
WEIGHTS = [
    [
        [[-1.008, 0.99, -0.009], [-0.005, 0.994, -0.006], [-0.006, 0.995, 0.996]],
        [[-1.004, -1.001, -0.004], [-0.01, -0.009, -0.012], [-0.002, -1.002, -0.002]],
        [[-0.002, -0.002, -1.003], [-0.005, 0.992, -0.005], [0.993, -1.008, -1.007]],
    ],
    [
        [[0.998, 0.998, -1.001], [-1.004, -1.007, 0.997], [-0.004, -1.004, 0.998]],
        [[0, 0.999, 0], [-1.009, -0.005, -1.004], [-1.004, 1, 0]],
        [[-1.004, -0.006, -0.005], [-1.002, -0.005, 0.998], [-1.002, -0.001, 0]],
    ],
]
BIASES = [0.991, -0.007]
CHECKED = [[[5, 6, 5], [5, 7, 5], [5, 6, 5]], [[2, 1, 2], [9, 9, 9], [2, 1, 2]], [[4, 5, 4], [4, 9, 4], [4, 5, 4]]]
POOLED = [[[6, 8], [3, 4]], [[5, 7], [9, 6]]]
POOL_DELTA = [
    [[0, 0, 0, 0], [0, 1, 0, 2], [2, 0, 0, 0], [0, 0, 0, 4]],
    [[0, 0, 0, 0], [0, 3, 0, 5], [0, 8, 0, 0], [0, 0, 0, 2]],
]
STEP = 10e-4  # of the gradient check, as the text has it
DIGITS = 8  # what NumPy prints of an array, zeros at the end left out


class Line(NamedTuple):
    """One result: what it is, the number that was computed, the one that the text prints, and to how many digits."""

    name: str
    computed: np.ndarray
    published: np.ndarray
    digits: int = DIGITS

    @property
    def equal(self) -> bool:
        """Whether all digits that the text prints are the same."""
        return bool(np.array_equal(np.round(self.computed, self.digits), self.published))


def numerical_gradient(layer: ConvLayer, image: np.ndarray) -> np.ndarray:
    """Return the gradient of the sum of all outputs with respect to the first filter, by differences."""
    weights = layer.filters[0].weights
    gradient = np.zeros(weights.shape)
    for place in np.ndindex(weights.shape):
        kept, sums = weights[place], []
        for moved in (kept + STEP, kept - STEP):
            weights[place] = moved
            layer.forward(image)
            sums.append(layer.output_array.sum())
        weights[place] = kept
        gradient[place] = (sums[0] - sums[1]) / (2 * STEP)
    return gradient


def results() -> Iterator[Line]:
    """Compute everything that the text prints."""
    image, sensitivities, layer = init_test()
    layer.forward(image)
    for i, (output, published) in enumerate(zip(layer.output_array, FORWARD)):
        yield Line(f"forward, feature map {i}", output.copy(), np.array(published))
    layer.backward(image, sensitivities, IdentityActivator())
    layer.update()
    for i, (filter_, weights, bias) in enumerate(zip(layer.filters, WEIGHTS, BIASES)):
        yield Line(f"after one step, weights of filter {i}", filter_.weights, np.array(weights))
        yield Line(f"after one step, bias of filter {i}", np.array(filter_.bias), np.array(bias))
    image, _, layer = init_test()
    layer.backward(image, np.ones(layer.output_array.shape), IdentityActivator())
    yield Line("gradient of filter 0", layer.filters[0].weights_grad.copy(), np.array(CHECKED))
    yield Line("gradient of filter 0, by differences", numerical_gradient(layer, image), np.array(CHECKED), 6)
    image, sensitivities, pool = init_pool_test()
    pool.forward(image)
    yield Line("pooling, forward", pool.output_array, np.array(POOLED))
    pool.backward(image, sensitivities)
    yield Line("pooling, backward", pool.delta_array, np.array(POOL_DELTA))


def beside(left: np.ndarray, right: np.ndarray) -> str:
    """Two arrays as text, side by side."""
    with np.printoptions(suppress=True):
        texts = [np.array2string(each + 0.0).splitlines() for each in (left, right)]  # + 0.0: no minus zero
    width = max(map(len, ["computed", *texts[0]]))
    rows = [("computed", "published"), *zip(*texts)]
    return "\n".join(f"    {a:{width}}    {b}".rstrip() for a, b in rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Print every result next to the published one; return 0 if all are equal."""
    parser = argparse.ArgumentParser(description="Every number of the tutorial, computed.")
    parser.add_argument("--backend", choices=fc.available_backends(), default=fc.get_backend())
    backend = parser.parse_args(argv).backend
    with fc.use_backend(backend):
        lines = list(results())
    for line in lines:
        print(f"{line.name}: {'equal' if line.equal else 'DIFFERENT'}\n{beside(line.computed, line.published)}\n")
    equal = sum(line.equal for line in lines)
    print(f"{equal} of {len(lines)} results are equal to the published ones, on the {backend} backend.")
    return 0 if equal == len(lines) else 1


if __name__ == "__main__":
    if main() != 0:
        raise SystemExit(1)
