"""The operators, by kind; importing this registers all of them."""

from fastconv.onnx.operators import arithmetic

__all__ = ["arithmetic"]
