"""Depthwise convolution in two dimensions, which reads x where it is."""
