"""Inference over many images on the workers of a cluster, each with one program of the network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import numpy as np

from fastconv.backends.locks import RenewedLock
from fastconv.backends.settings import use_num_threads
from fastconv.dask.halos import as_dask
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.layers.base import Layer
from fastconv.models.classifier import Classifier
from fastconv.programs import compile as compile_network
from fastconv.validation.arrays import Array
from fastconv.validation.sizes import check_choice, check_integer

_NAME = "fastconv.dask.predict"
_METHODS = ("predict", "predict_proba", "scores")  # of a classifier
_KEPT = 4  # networks of which a worker keeps a program

_programs: OrderedDict[str, Callable[[Array], Array]] = OrderedDict()
_lock = RenewedLock()


def predict(model: Layer, x: Any, *, method: str = "predict", batch_size: int = 128) -> Any:
    """Run a network over many images, on whatever runs the tasks of Dask.

    ``(N, ...) -> (N, ...)``

    Parameters
    ----------
    model : Layer or Classifier
        A network, or what `fastconv.load_model` gives. It goes to each worker once, which records one program of it.
    x : dask.array.Array, dask.bag.Bag, or array with a shape and a dtype
        Images, in chunks along N; every chunk gets them whole. Items of a bag are images ``(C, H, W)``.
    method : {"predict", "predict_proba", "scores"}
        Of a `Classifier`, what is asked: the classes, probabilities, or what the network says. A network by itself
        gives its outputs.
    batch_size : int
        Images at a time.

    Returns
    -------
    dask.array.Array or dask.bag.Bag
        Computed when it is asked for; of a bag, an item for each image. Each task computes on one thread.

    Raises
    ------
    ValueError, TypeError
        If an argument is something else, or the network does not take the images, as far as their shape is known.

    Examples
    --------
    >>> import dask.array as da
    >>> import fastconv as fc
    >>> from fastconv.dask import predict
    >>> model = fc.models.by_name("digits", rng=0)
    >>> scores = predict(model, da.zeros((100, 1, 8, 8), dtype="float32", chunks=(25, 1, 8, 8)))
    >>> scores.shape, scores.compute().shape
    ((100, 10), (100, 10))
    """
    if not isinstance(model, Layer):
        raise InvalidTypeError(f"{_NAME}: model must be a Layer, but got {shown(model)}.")
    check_choice(_NAME, "method", method, _METHODS)
    if method != "predict" and not isinstance(model, Classifier):
        raise InvalidValueError(f"{_NAME}: method must be of a Classifier, but got {method!r} and a network.")
    import dask

    size, key = check_integer(_NAME, "batch_size", batch_size, 1), uuid4().hex
    options = {"model": dask.delayed(_Network(model, method, size, key), pure=False)}
    if hasattr(x, "map_partitions") and not hasattr(x, "shape"):
        return x.map_partitions(_of_items, **options)
    x = as_dask(_NAME, x, 0)
    x = x.rechunk(dict.fromkeys(range(1, x.ndim), -1))
    shape, dtype = _example(model, method, x)
    return x.map_blocks(
        _of_block, **options, chunks=(x.chunks[0], *((extent,) for extent in shape)),
        drop_axis=[*range(1, x.ndim)], new_axis=[*range(1, 1 + len(shape))],
        meta=np.empty((0,) * (1 + len(shape)), dtype),
    )  # fmt: skip


class _Network:
    """A network on its way to the workers, and how it is asked."""

    def __init__(self, model: Layer, method: str, batch_size: int, key: str) -> None:
        self.model, self.method, self.batch_size, self.key = model, method, batch_size, key

    def __call__(self, images: Array) -> Array:
        """Run the program of this worker."""
        with _lock.now:
            run = _programs.get(self.key)
            if run is None:
                run = _programs[self.key] = self._program()
                while len(_programs) > _KEPT:
                    _programs.popitem(last=False)
        with use_num_threads(1):
            return run(images)

    def _program(self) -> Callable[[Array], Array]:
        if isinstance(self.model, Classifier):
            method = getattr(self.model, self.method)
            return lambda images: method(images, batch_size=self.batch_size)
        with use_num_threads(1):
            program = compile_network(self.model)
        size = self.batch_size
        return lambda images: np.concatenate([program(images[i : i + size]) for i in range(0, len(images) or 1, size)])


def _of_block(images: Array, model: _Network) -> Array:
    return model(np.ascontiguousarray(images))


def _of_items(items: Any, model: _Network) -> list[Array]:
    images = [*items]
    return [*model(np.stack(images))] if images else []


def _example(model: Layer, method: str, x: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of the result for one image."""
    one = np.zeros((1, *x.shape[1:]), x.dtype)
    found = getattr(model, method)(one) if isinstance(model, Classifier) else _forward(model, one)
    return found.shape[1:], found.dtype


def _forward(model: Layer, one: Array) -> Array:
    from fastconv.layers.containers import predict as of_layers

    return of_layers(model, one)
