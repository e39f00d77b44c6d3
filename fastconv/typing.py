"""Names for what functions and layers take, for annotations and editors: nothing here is needed at run time.

Examples
--------
>>> import numpy as np
>>> import fastconv as fc
>>> from fastconv.typing import Array, Layout, Padding, Size
>>> def blurred(x: Array, size: Size = 3, padding: Padding = "same", layout: Layout = "NCHW") -> Array:
...     return fc.avg_pool2d(x, size, stride=1, padding=padding, layout=layout)
>>> blurred(np.ones((1, 1, 4, 6))).shape
(1, 1, 4, 6)
"""

from fastconv.validation.arrays import Array
from fastconv.validation.types import (
    ArrayLike,
    BackendName,
    FloatName,
    GeluForm,
    Layout,
    OutputSize,
    Padding,
    PaddingMode,
    ResampleMode,
    Rng,
    Shape,
    ShapeLike,
    Size,
    Ties,
)

__all__ = [
    "Array",
    "ArrayLike",
    "BackendName",
    "FloatName",
    "GeluForm",
    "Layout",
    "OutputSize",
    "Padding",
    "PaddingMode",
    "ResampleMode",
    "Rng",
    "Shape",
    "ShapeLike",
    "Size",
    "Ties",
]
