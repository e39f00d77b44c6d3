"""Models of ONNX: read and run on any backend, and written for others."""

from fastconv.onnx.export.saving import save, to_model_proto
from fastconv.onnx.graph import Value
from fastconv.onnx.model import OnnxModel, load

__all__ = ["OnnxModel", "Value", "load", "save", "to_model_proto"]
