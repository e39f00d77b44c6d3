"""Datasets: readers, preprocessing, augmentation and batches.

Every reader returns a `DataBundle` of two `Dataset`: images (N, C, H, W) in uint8 or float32, and labels. What is
damaged, truncated or in the wrong place raises an error that names the file and says what was expected.
"""

from fastconv.data import augment
from fastconv.data.batching import Batches, batches
from fastconv.data.cifar import load_cifar10
from fastconv.data.dataset import DataBundle, Dataset
from fastconv.data.download import data_folder
from fastconv.data.embedded import load_digits, load_sample_photographs
from fastconv.data.idx import load_mnist, read_idx
from fastconv.data.image_folder import load_image_folder
from fastconv.data.loading import DATASETS, load
from fastconv.data.network_input import PRESETS, Preprocessing
from fastconv.data.npz import load_npz
from fastconv.data.pictures import load_image
from fastconv.data.preprocessing import as_float, channel_statistics, normalise, subtract_mean_image

__all__ = [
    "DATASETS",
    "PRESETS",
    "Batches",
    "DataBundle",
    "Dataset",
    "Preprocessing",
    "as_float",
    "augment",
    "batches",
    "channel_statistics",
    "data_folder",
    "load",
    "load_cifar10",
    "load_digits",
    "load_image",
    "load_image_folder",
    "load_mnist",
    "load_npz",
    "load_sample_photographs",
    "normalise",
    "read_idx",
    "subtract_mean_image",
]
