"""The hand-written convolutional network of the tutorials, with its names and numbers, on the fast engine.

``cnn`` and ``activators`` are the two modules of the original; every name is here as well. Width comes before height,
as there. ``docs/compat_tutorial.md`` lists what differs.
"""

from fastconv.compat.tutorial import published
from fastconv.compat.tutorial.activators import (
    IdentityActivator,
    ReluActivator,
    SigmoidActivator,
    TanhActivator,
    takes_arrays,
)
from fastconv.compat.tutorial.convolution import ConvLayer, Filter
from fastconv.compat.tutorial.functions import conv, element_wise_op, get_max_index, get_patch, padding
from fastconv.compat.tutorial.pooling import MaxPoolingLayer
from fastconv.compat.tutorial.published import *  # noqa: F403 - what it lists

__all__ = [
    "ConvLayer",
    "Filter",
    "IdentityActivator",
    "MaxPoolingLayer",
    "ReluActivator",
    "SigmoidActivator",
    "TanhActivator",
    "conv",
    "element_wise_op",
    "get_max_index",
    "get_patch",
    "padding",
    "takes_arrays",
]
__all__ += published.__all__
