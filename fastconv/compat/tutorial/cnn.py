"""The module ``cnn`` of the original: layers, the functions under them, and the tests with their numbers."""

import numpy as np

from fastconv.compat.tutorial.activators import IdentityActivator, ReluActivator
from fastconv.compat.tutorial.convolution import ConvLayer, Filter
from fastconv.compat.tutorial.functions import conv, element_wise_op, get_max_index, get_patch, padding
from fastconv.compat.tutorial.pooling import MaxPoolingLayer
from fastconv.compat.tutorial.published import (
    gradient_check,
    init_pool_test,
    init_test,
    test,
    test_bp,
    test_pool,
    test_pool_bp,
)

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
    "gradient_check",
    "init_pool_test",
    "init_test",
    "np",  # ``from cnn import *`` of the original gives it as well
    "padding",
    "test",
    "test_bp",
    "test_pool",
    "test_pool_bp",
]
