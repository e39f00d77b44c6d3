"""Layer normalisation on the fast engine: rows and elements have their factors in one pass over memory."""

from __future__ import annotations

import numpy as np

from fastconv.backends.base import Array
from fastconv.backends.fast.machine.launch import address, by_tasks, launch
from fastconv.backends.fast.memory.copying import in_order
from fastconv.backends.fast.normalization.elements_kernel import ELEMENTS
from fastconv.backends.fast.normalization.elements_kernel import normalize_elements as kernel
from fastconv.backends.settings import get_num_threads

_SERIAL_NUMBERS = 2**16  # numbers below which one thread does it all


def normalize_elements(x: Array, mean: Array, scale: Array, weight: Array, bias: Array) -> Array:
    """See `Backend.normalize_elements`; the result is in C order."""
    arrays = [in_order(array) for array in (x, mean, scale, weight, bias)]
    y: Array = np.empty(x.shape, x.dtype)
    tasks = 1 if x.size < _SERIAL_NUMBERS else get_num_threads()
    places = zip(("X", "MEAN", "SCALE", "WEIGHT", "BIAS"), map(address, arrays))
    arguments = ELEMENTS.fill(OUT=address(y), ROWS=len(x), LENGTH=weight.size, TASKS=tasks, **dict(places))
    launch(kernel.address(x.itemsize), arguments, tasks, tasks, x.size, by_tasks(ELEMENTS))
    return y
