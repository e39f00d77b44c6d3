"""Softmax and its logarithm along any axis: the launches, and kernels for rows and for planes."""
