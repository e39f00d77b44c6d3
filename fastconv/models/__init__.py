"""Networks that are ready to be trained."""

from fastconv.models.alexnet import AlexNet
from fastconv.models.architecture import Architecture, architecture_of
from fastconv.models.card import ModelCard
from fastconv.models.classifier import Classifier, as_probabilities
from fastconv.models.imagenet_resnet import ImageNetResNet
from fastconv.models.loading import is_model_file, load_model_file
from fastconv.models.mobilenet import MobileNetV2
from fastconv.models.plain import DigitsNet, LeNet5, ThreeLayerConvNet
from fastconv.models.registry import MODELS, ModelEntry, by_name, input_shape_of
from fastconv.models.resnet import BasicBlock, ResNet
from fastconv.models.squeezenet import SqueezeNet
from fastconv.models.unet import UNet
from fastconv.models.vgg import VGG, SmallVGG

__all__ = [
    "MODELS",
    "VGG",
    "AlexNet",
    "Architecture",
    "BasicBlock",
    "Classifier",
    "DigitsNet",
    "ImageNetResNet",
    "LeNet5",
    "MobileNetV2",
    "ModelCard",
    "ModelEntry",
    "ResNet",
    "SmallVGG",
    "SqueezeNet",
    "ThreeLayerConvNet",
    "UNet",
    "architecture_of",
    "as_probabilities",
    "by_name",
    "input_shape_of",
    "is_model_file",
    "load_model_file",
]
