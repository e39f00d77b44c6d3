"""Convolutional networks for NumPy: a plain-loop reference and a Numba engine behind one API.

The operations are here; `layers`, `losses`, `optim`, `training`, `models`, `data`, `initializers` and `compat` are
modules that are imported when they are first used, and so is what `accelerate`, `check`, `compare` and `summary` need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastconv import testing
from fastconv._version import __version__
from fastconv.backends import (
    available_backends,
    get_backend,
    register_backend,
    release,
    set_backend,
    unregister_backend,
    use_backend,
)
from fastconv.backends.settings import (
    get_num_threads,
    get_options,
    options,
    set_num_threads,
    set_options,
    use_num_threads,
)
from fastconv.functional import (
    ConvGradients,
    adaptive_avg_pool1d,
    adaptive_avg_pool1d_backward,
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    adaptive_avg_pool3d,
    adaptive_avg_pool3d_backward,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool1d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    avg_pool3d,
    avg_pool3d_backward,
    col2im,
    conv1d,
    conv1d_backward,
    conv2d,
    conv2d_backward,
    conv3d,
    conv3d_backward,
    conv_transpose1d,
    conv_transpose1d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose3d,
    conv_transpose3d_backward,
    global_avg_pool1d,
    global_avg_pool1d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    global_avg_pool3d,
    global_avg_pool3d_backward,
    global_max_pool1d,
    global_max_pool2d,
    global_max_pool3d,
    im2col,
    lp_pool1d,
    lp_pool1d_backward,
    lp_pool2d,
    lp_pool2d_backward,
    lp_pool3d,
    lp_pool3d_backward,
    max_pool1d,
    max_pool1d_backward,
    max_pool2d,
    max_pool2d_backward,
    max_pool3d,
    max_pool3d_backward,
    max_unpool1d,
    max_unpool1d_backward,
    max_unpool2d,
    max_unpool2d_backward,
    max_unpool3d,
    max_unpool3d_backward,
)
from fastconv.testing import gradient_check

__all__ = [
    "ConvGradients",
    "__version__",
    "accelerate",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "available_backends",
    "avg_pool1d",
    "avg_pool1d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "avg_pool3d",
    "avg_pool3d_backward",
    "check",
    "col2im",
    "compare",
    "compat",
    "conv1d",
    "conv1d_backward",
    "conv2d",
    "conv2d_backward",
    "conv3d",
    "conv3d_backward",
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose3d",
    "conv_transpose3d_backward",
    "data",
    "get_backend",
    "get_num_threads",
    "get_options",
    "global_avg_pool1d",
    "global_avg_pool1d_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "global_avg_pool3d",
    "global_avg_pool3d_backward",
    "global_max_pool1d",
    "global_max_pool2d",
    "global_max_pool3d",
    "gradient_check",
    "im2col",
    "initializers",
    "layers",
    "losses",
    "lp_pool1d",
    "lp_pool1d_backward",
    "lp_pool2d",
    "lp_pool2d_backward",
    "lp_pool3d",
    "lp_pool3d_backward",
    "max_pool1d",
    "max_pool1d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool3d",
    "max_pool3d_backward",
    "max_unpool1d",
    "max_unpool1d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "max_unpool3d",
    "max_unpool3d_backward",
    "models",
    "optim",
    "options",
    "register_backend",
    "release",
    "set_backend",
    "set_num_threads",
    "set_options",
    "summary",
    "testing",
    "training",
    "unregister_backend",
    "use_backend",
    "use_num_threads",
]

_MODULES = ("compat", "data", "initializers", "layers", "losses", "models", "optim", "training")
_FUNCTIONS = {
    "accelerate": "dropin.accelerate",
    "check": "dropin.check",
    "compare": "evidence.compare",
    "summary": "evidence.summary",
}


if TYPE_CHECKING:
    from fastconv import compat, data, initializers, layers, losses, models, optim, training
    from fastconv.dropin.accelerate import accelerate
    from fastconv.dropin.check import check
    from fastconv.evidence.compare import compare
    from fastconv.evidence.summary import summary
else:

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"fastconv.{name}")
        if name in _FUNCTIONS:
            return getattr(import_module(f"fastconv.{_FUNCTIONS[name]}"), name)
        raise AttributeError(f"module 'fastconv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_FUNCTIONS})
