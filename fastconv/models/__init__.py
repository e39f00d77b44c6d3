"""Networks that are ready to be trained."""

<<<<<<< HEAD
from fastconv.models.alexnet import AlexNet
from fastconv.models.imagenet_resnet import ImageNetResNet
=======
from fastconv.models.architecture import Architecture, architecture_of
from fastconv.models.card import ModelCard
from fastconv.models.classifier import Classifier, as_probabilities
>>>>>>> predict
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
<<<<<<< HEAD
    "VGG",
    "AlexNet",
=======
    "Architecture",
>>>>>>> predict
    "BasicBlock",
    "Classifier",
    "DigitsNet",
    "ImageNetResNet",
    "LeNet5",
<<<<<<< HEAD
    "MobileNetV2",
=======
    "ModelCard",
>>>>>>> predict
    "ModelEntry",
    "ResNet",
    "SmallVGG",
    "SqueezeNet",
    "ThreeLayerConvNet",
<<<<<<< HEAD
    "UNet",
=======
    "architecture_of",
    "as_probabilities",
>>>>>>> predict
    "by_name",
    "input_shape_of",
    "is_model_file",
    "load_model_file",
]
