"""The module ``tf.nn``, as far as convolution and pooling of planes go."""

from fastconv.compat.tensorflow.convolution import conv2d, depthwise_conv2d
from fastconv.compat.tensorflow.gradients import conv2d_backprop_filter, conv2d_backprop_input, conv2d_transpose
from fastconv.compat.tensorflow.pooling import avg_pool, max_pool

__all__ = [
    "avg_pool",
    "conv2d",
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "conv2d_transpose",
    "depthwise_conv2d",
    "max_pool",
]
