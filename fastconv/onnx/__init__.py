"""Models of ONNX: read and run on any backend, and written for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv.onnx.export.saving import save, to_model_proto
from fastconv.onnx.extra import onnx
from fastconv.onnx.graph import Value
from fastconv.onnx.model import OnnxModel, load

if TYPE_CHECKING:
    from fastconv.onnx.backend import Backend
else:

    def __getattr__(name: str) -> Any:  # it derives from a class of the extra
        if name == "Backend":
            onnx("onnx.Backend")
            from fastconv.onnx.backend import Backend

            return Backend
        raise AttributeError(f"module 'fastconv.onnx' has no attribute {name!r}")


__all__ = ["Backend", "OnnxModel", "Value", "load", "save", "to_model_proto"]
