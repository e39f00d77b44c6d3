"""Old APIs on the engine of fastconv: each module takes the names, arguments and results of somebody else's code.

- `cs231n`: the modules of the CS231n assignments, by import path as well.
- `tutorial`: `ConvLayer`, `MaxPoolingLayer` and `Filter` of the hand-written tutorial.
- `paddle`: `img_conv_layer` and `simple_img_conv_pool` of PaddlePaddle v2.
- `tensorflow`: `conv2d`, `max_pool` and their like with NHWC and SAME/VALID.

None of them is imported before it is used. Random numbers come from `np.random`, in the order of the originals.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = ("cs231n", "paddle", "tensorflow", "tutorial")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"fastconv.compat.{name}")
    raise AttributeError(f"module 'fastconv.compat' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
