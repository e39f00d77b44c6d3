"""One file for a trained network: its weights, how it is made, what is done to pictures, the names of its classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from fastconv.data.dataset import Dataset
from fastconv.data.network_input import Preprocessing
from fastconv.errors import InvalidTypeError, InvalidValueError, StateFileError, shown
from fastconv.layers.base import Layer
from fastconv.layers.state import PathLike, load_state, read_metadata, save_state
from fastconv.models.architecture import architecture_of
from fastconv.models.card import ModelCard
from fastconv.models.classifier import Classifier
from fastconv.training.checkpoint import Checkpoint, is_checkpoint
from fastconv.training.evaluation import Prepare
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_path

_LOAD = "load_model"
_KEY = "fastconv"  # in the metadata of a file


def save_model(
    model: Layer, path: PathLike, *, preprocessing: Preprocessing | None = None, class_names: Sequence[str] = ()
) -> None:
    """Write a network with everything that a prediction needs to one file, whole or not at all.

    Parameters
    ----------
    model : Layer
        The network, or a `Classifier`, which has the other arguments already. What `fastconv.models.by_name` made is
        made again by `load_model`; of other networks the file has the weights.
    path : path-like
        ``.npz``, or ``.safetensors`` (extra ``safetensors``).
    preprocessing : Preprocessing, optional
        What is done to pictures before the network sees them.
    class_names : sequence of str, optional
        Names of the columns of the scores.

    Raises
    ------
    ValueError
        If the suffix is another one.
    TypeError
        If an argument is something else.
    OSError
        If the file cannot be written.

    See Also
    --------
    fastconv.layers.load_state : Reads the weights alone.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> import fastconv as fc
    >>> from fastconv.training import save_model
    >>> network = fc.models.by_name("digits", classes=2, rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "net.npz")
    ...     save_model(network, file, preprocessing=fc.data.Preprocessing(size=8, channels=1), class_names=["A", "B"])
    ...     model = fc.load_model(file)
    >>> model.class_names, model.predict_proba(np.zeros((5, 1, 8, 8), np.uint8)).shape
    (('A', 'B'), (5, 2))
    """
    if not isinstance(model, Layer):
        raise InvalidTypeError(f"save_model: model must be a Layer, but got {shown(model)}.")
    network = model.network if isinstance(model, Classifier) else model
    if isinstance(model, Classifier):
        preprocessing = model.preprocessing if preprocessing is None else preprocessing
        class_names = class_names or model.class_names
    write_model(network, path, ModelCard(architecture_of(network), preprocessing, tuple(class_names)))


def write_model(network: Layer, path: PathLike, card: ModelCard) -> None:
    """Write weights with their card."""
    save_state(network, path, metadata={_KEY: json.dumps(card.to_dict())})


def load_model(
    path: PathLike,
    model: Layer | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
) -> Classifier:
    """Read a trained network from a file, ready to be asked.

    Parameters
    ----------
    path : path-like
        What `save_model`, `Trainer.save` or ``fastconv train --save`` wrote; a checkpoint of a run, ``last.npz`` or
        ``best.npz``; or weights alone. Nothing in it is run.
    model : Layer, optional
        The network that the weights are for; needed where the file does not say how it is made.
    preprocessing, class_names : optional
        In place of those in the file.

    Returns
    -------
    Classifier
        In evaluation mode, with `Classifier.predict` and `Classifier.predict_proba`.

    Raises
    ------
    fastconv.errors.StateFileError
        If the file is damaged or something else, or does not say how its network is made; a ``ValueError``.
    ValueError
        If the suffix is another one, or the weights are not those of the network.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import fastconv as fc
    >>> from fastconv.layers import Linear, save_state
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "weights.npz")
    ...     save_state(Linear(3, 2, rng=0), file)
    ...     fc.load_model(file, Linear(3, 2)).predict([[1.0, 0.0, 0.0]])
    array([0])
    """
    weights, card = read_saved(path)
    where = f"{_LOAD}: {check_path(_LOAD, path)}"
    network = card.network(where, sum(array.size for array in weights.values())) if model is None else model
    named = card.class_names if class_names is None else class_names
    classifier = Classifier(network, card.preprocessing if preprocessing is None else preprocessing, named)
    try:
        network.load_state_dict(weights)
    except (InvalidValueError, InvalidTypeError) as error:
        if model is not None:
            raise
        raise StateFileError(f"{where} must have the weights of the network that it describes, but: {error}") from None
    return classifier


def read_saved(path: PathLike) -> tuple[dict[str, Array], ModelCard]:
    """Return the weights in a file, and what it says about them."""
    where = f"{_LOAD}: {check_path(_LOAD, path)}"
    if where.endswith(".onnx"):
        raise InvalidValueError(f"{where} must be a file of weights; fastconv.onnx.load reads models of ONNX.")
    weights = load_state(path)
    if is_checkpoint(weights):
        checkpoint = Checkpoint.load(_LOAD, path)
        about = checkpoint.about.get("network")
        return checkpoint.weights, ModelCard() if about is None else ModelCard.from_dict(where, about)
    text = read_metadata(_LOAD, path).get(_KEY)
    if text is None:
        return weights, ModelCard()
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StateFileError(f"{where} must describe its network as JSON, but got {shown(text)} ({error}).") from None
    return weights, ModelCard.from_dict(where, about)


def card_of(model: Layer, prepare: Prepare | None, dataset: Dataset) -> ModelCard:
    """Describe a network that learns from a dataset; bytes that nothing prepares are divided by 255."""
    known = Preprocessing.leaving(dataset) if prepare is None and dataset.images.ndim == 4 else prepare
    preprocessing = _sized(known, dataset.image_shape) if isinstance(known, Preprocessing) else None
    return ModelCard(architecture_of(model), preprocessing, dataset.classes)


def _sized(preprocessing: Preprocessing, image_shape: tuple[int, ...]) -> Preprocessing | None:
    """Let other pictures become like those of the dataset; None where it has none."""
    if len(image_shape) != 3:
        return None
    channels, height, width = image_shape
    if preprocessing.channels is None and channels in (1, 3):
        preprocessing = replace(preprocessing, channels=channels)
    alone = preprocessing.size is None and preprocessing.crop is None
    return replace(preprocessing, size=(height, width)) if alone else preprocessing
