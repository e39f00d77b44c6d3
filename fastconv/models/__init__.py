"""Networks that are ready to be trained."""

from fastconv.models.loading import is_model_file, load_model_file
from fastconv.models.plain import DigitsNet, LeNet5, SmallVGG, ThreeLayerConvNet
from fastconv.models.registry import MODELS, ModelEntry, by_name, input_shape_of
from fastconv.models.resnet import BasicBlock, ResNet

__all__ = [
    "MODELS",
    "BasicBlock",
    "DigitsNet",
    "LeNet5",
    "ModelEntry",
    "ResNet",
    "SmallVGG",
    "ThreeLayerConvNet",
    "by_name",
    "input_shape_of",
    "is_model_file",
    "load_model_file",
]
