"""The module ``cnn`` of the original: layers, the functions under them, and the tests with their numbers."""

import numpy as np

from fastconv.compat.tutorial import published
from fastconv.compat.tutorial.activators import IdentityActivator, ReluActivator
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
    "conv",
    "element_wise_op",
    "get_max_index",
    "get_patch",
    "np",  # ``from cnn import *`` of the original gives it as well
    "padding",
]
__all__ += published.__all__
