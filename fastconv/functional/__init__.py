"""The public operations: validate once, pick a backend, call.

Each function looks the same inside: check the arguments, view the arrays as (N, C, *spatial) in the dtype of the
computation, ask the backend, and give the result its layout and dtype. The mathematics is in the backends.
"""

from fastconv.functional.columns import col2im, im2col
from fastconv.functional.conv import ConvGradients, conv2d, conv2d_backward
from fastconv.functional.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

__all__ = [
    "ConvGradients",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
]
