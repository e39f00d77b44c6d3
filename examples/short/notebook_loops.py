"""Turn the loops of a notebook fast, and see the proof
====================================================

A function as it stands in a cell, one call that replaces it, and what was proven of it. A real call is the example.
"""

# sphinx_gallery_thumbnail_path = "_static/compare.png"

from time import perf_counter

import numpy as np

import fastconv as fc


def conv2d(image, kernel):
    rows, columns = np.subtract(image.shape, kernel.shape) + 1
    windows = [[image[i : i + kernel.shape[0], j : j + kernel.shape[1]] for j in range(columns)] for i in range(rows)]
    return np.array([[(window * kernel).sum() for window in row] for row in windows])


image, kernel, start = np.random.default_rng(0).standard_normal((240, 320)), np.ones((3, 5)) / 15, perf_counter()
slow, loops = conv2d(image, kernel), perf_counter() - start
print(fc.accelerate(conv2d, (image, kernel)))
conv2d(image, kernel)  # the first call of a size makes its plan
start = perf_counter()
error, seconds = np.abs(conv2d(image, kernel) - slow).max(), perf_counter() - start
print(f"{loops * 1e3:.0f} ms before, {seconds * 1e3:.2f} ms now; largest difference {error:.1e}")
