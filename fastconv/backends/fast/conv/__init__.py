"""Convolution of every kind but depthwise ones in two dimensions, from plan to kernel."""
