"""Pooling of every kind, unpooling, im2col and col2im."""
