"""Training: the loop over epochs, its history, checkpoints, files of trained networks."""

from fastconv.training.checkpoint import checkpoint_weights
from fastconv.training.evaluation import evaluate
from fastconv.training.plot import plot_history
from fastconv.training.progress import Progress
from fastconv.training.records import EarlyStopping, EpochRecord, History, Metrics
from fastconv.training.saved import load_model, save_model
from fastconv.training.trainer import Trainer

__all__ = [
    "EarlyStopping",
    "EpochRecord",
    "History",
    "Metrics",
    "Progress",
    "Trainer",
    "checkpoint_weights",
    "evaluate",
    "load_model",
    "plot_history",
    "save_model",
]
