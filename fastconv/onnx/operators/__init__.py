"""The operators, by kind; importing this registers all of them."""

from fastconv.onnx.operators import activation, arithmetic, conv, linear, normalization, pool, quantization

__all__ = ["activation", "arithmetic", "conv", "linear", "normalization", "pool", "quantization"]
