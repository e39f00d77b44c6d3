"""The modules of the CS231n assignments, name for name, on the engine of fastconv.

`layers`, `fast_layers`, `layer_utils`, `im2col`, `im2col_cython`, `optim`, `solver`, `gradient_check`, `data_utils`,
`vis_utils`, `classifiers.cnn` and `classifiers.fc_net` have the functions and classes of the originals with their
signatures and results. Import them from here, or call `install` and leave the imports of old code as they are.

Examples
--------
>>> import numpy as np
>>> from fastconv.compat.cs231n.fast_layers import conv_backward_fast, conv_forward_fast
>>> x, w, b = np.ones((1, 1, 3, 4)), np.ones((2, 1, 3, 3)), np.array([0.0, 1.0])
>>> out, cache = conv_forward_fast(x, w, b, {"stride": 1, "pad": 0})
>>> out[0, :, 0]
array([[ 9.,  9.],
       [10., 10.]])
>>> dx, dw, db = conv_backward_fast(out, cache)
>>> db
array([18., 20.])
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fastconv.compat.cs231n.installing import MODULES, Installation, install

__all__ = ["Installation", "install"]

_MODULES = tuple(name for name in MODULES if "." not in name)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"fastconv.compat.cs231n.{name}")
    raise AttributeError(f"module 'fastconv.compat.cs231n' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
