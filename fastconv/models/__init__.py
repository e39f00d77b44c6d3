"""Networks that are ready to be trained."""

from fastconv.models.digits import DigitsNet
from fastconv.models.lenet import LeNet5
from fastconv.models.loading import is_model_file, load_model_file
from fastconv.models.registry import MODELS, ModelEntry, by_name, input_shape_of
from fastconv.models.resnet import BasicBlock, ResNet
from fastconv.models.three_layer import ThreeLayerConvNet
from fastconv.models.vgg import SmallVGG

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
