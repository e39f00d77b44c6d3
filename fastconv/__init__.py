"""Convolution and pooling for NumPy: a plain-loop reference and a Numba engine behind one API."""

from fastconv import testing
from fastconv._version import __version__
from fastconv.backends import available_backends, get_backend, set_backend, use_backend
from fastconv.comparison import compare
from fastconv.functional import (
    ConvGradients,
    avg_pool2d,
    avg_pool2d_backward,
    col2im,
    conv2d,
    conv2d_backward,
    im2col,
    max_pool2d,
    max_pool2d_backward,
)
from fastconv.settings import (
    get_num_threads,
    get_options,
    options,
    set_num_threads,
    set_options,
    use_num_threads,
)
from fastconv.testing import gradient_check

__all__ = [
    "ConvGradients",
    "__version__",
    "available_backends",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "compare",
    "conv2d",
    "conv2d_backward",
    "get_backend",
    "get_num_threads",
    "get_options",
    "gradient_check",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "options",
    "set_backend",
    "set_num_threads",
    "set_options",
    "testing",
    "use_backend",
    "use_num_threads",
]
