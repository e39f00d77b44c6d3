"""Model files of ONNX under the same questions as layers and networks: how far apart, how fast."""

from fastconv.evidence.model_files.comparison import ModelComparison, compare_model_file
from fastconv.evidence.model_files.model_file import ModelFile

__all__ = ["ModelComparison", "ModelFile", "compare_model_file"]
