"""Convolution and pooling with the names and arguments of ``tf.nn``: NHWC images, HWIO filters, lists of four.

``import fastconv.compat.tensorflow as tf`` and ``tf.nn.conv2d(...)`` run as they stand; arrays go in, arrays come out,
and there is no session. ``docs/compat_tensorflow.md`` lists what differs.
"""

from fastconv.compat.tensorflow import nn
from fastconv.compat.tensorflow.nn import *  # noqa: F403 - what nn lists

__all__ = ["nn"]
__all__ += nn.__all__
