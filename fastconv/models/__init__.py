"""Networks that are ready to be trained."""

from fastconv.models.architecture import Architecture, architecture_of
from fastconv.models.card import ModelCard
from fastconv.models.classifier import Classifier, as_probabilities
from fastconv.models.loading import is_model_file, load_model_file
from fastconv.models.plain import DigitsNet, LeNet5, SmallVGG, ThreeLayerConvNet
from fastconv.models.registry import MODELS, ModelEntry, by_name, input_shape_of
from fastconv.models.resnet import BasicBlock, ResNet

__all__ = [
    "MODELS",
    "Architecture",
    "BasicBlock",
    "Classifier",
    "DigitsNet",
    "LeNet5",
    "ModelCard",
    "ModelEntry",
    "ResNet",
    "SmallVGG",
    "ThreeLayerConvNet",
    "architecture_of",
    "as_probabilities",
    "by_name",
    "input_shape_of",
    "is_model_file",
    "load_model_file",
]
