"""The package ``onnx``, which only this room needs."""

from __future__ import annotations

from typing import Any


def onnx(operation: str) -> Any:
    """Return the package, or say how to install it."""
    try:
        import onnx as package
    except ImportError as error:
        raise ImportError(
            f"{operation}: onnx must be installed for model files, but it cannot be imported ({error}). "
            'Install it with: python -m pip install "fastconv[onnx]"'
        ) from None
    return package
