"""Forward passes by SciPy, in float64."""

from __future__ import annotations

import numpy as np

from fastconv.backends.geometry import ConvGeometry
from fastconv.evidence.problem import OperationProblem
from fastconv.validation.arrays import Array


def scipy_forward(problem: OperationProblem, image: int) -> Array:
    """Compute one image of the result: (N, C, H, W) -> (1, F, OH, OW), float64.

    Convolution and average are `scipy.signal.correlate`, a maximum is `scipy.ndimage.maximum_filter`.

    Raises
    ------
    ImportError
        If SciPy is missing.
    """
    maximum = problem.operation == "max_pool2d"
    rows, columns = problem.geometry.axes
    around = ((0, 0), (rows.before, rows.after), (columns.before, columns.after))
    x = np.pad(problem.x[image].astype(np.float64), around, constant_values=-np.inf if maximum else 0.0)
    planes = _maxima(x, problem) if maximum else _sums(x, problem)
    y: Array = planes[np.newaxis, :, :: rows.stride, :: columns.stride]
    return y[:, :, : rows.out, : columns.out]


def _sums(x: Array, problem: OperationProblem) -> Array:
    from scipy.signal import correlate

    method = "auto" if problem.dtype.itemsize < 8 else "direct"  # Fourier's errors are those of the largest element
    if problem.weight is None:
        window = _spread(np.full(problem.geometry.kernel, 1 / np.prod(problem.geometry.kernel)), problem)
        return np.stack([correlate(plane, window, "valid", method) for plane in x])
    weight = problem.weight.astype(np.float64)
    bias = np.zeros(len(weight)) if problem.bias is None else problem.bias.astype(np.float64)
    assert isinstance(problem.geometry, ConvGeometry)
    channels, filters = problem.geometry.group_channels, problem.geometry.group_filters
    planes = []
    for f, taps in enumerate(weight):
        first = f // filters * channels
        planes.append(correlate(x[first : first + channels], _spread(taps, problem), "valid", method)[0] + bias[f])
    return np.stack(planes)


def _maxima(x: Array, problem: OperationProblem) -> Array:
    from scipy.ndimage import maximum_filter

    window = _spread(np.ones((1, *problem.geometry.kernel)), problem)
    height, width = window.shape[1:]
    # a window reaches half of its extent, rounded down, back from its centre
    whole: Array = maximum_filter(x, footprint=window > 0, mode="constant", cval=-np.inf)
    rows = slice(height // 2, x.shape[1] - (height - 1) // 2)
    return whole[:, rows, width // 2 : x.shape[2] - (width - 1) // 2]


def _spread(taps: Array, problem: OperationProblem) -> Array:
    """Put zeros between the taps of a dilated window."""
    rows, columns = problem.geometry.axes
    window = np.zeros((*taps.shape[:-2], rows.extent, columns.extent))
    window[..., :: rows.dilation, :: columns.dilation] = taps
    return window
