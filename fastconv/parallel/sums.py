"""Sums of gradients over all ranks, a few buckets at a time, while the backward pass still runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from fastconv.errors import DivergedError
from fastconv.layers.base import Layer
from fastconv.layers.parameter import Parameter
from fastconv.parallel.ranks import Ranks
from fastconv.validation.arrays import Array

MOST_BUCKETS = 4  # each is a message, and an interruption of the backward pass
LEAST_BYTES = 2**18  # below which a message is latency more than bytes


class Bucket(NamedTuple):
    """Parameters whose gradients are one message.

    Attributes
    ----------
    parameters : list of Parameter
        In the order in which they lie in the message.
    values, total : ndarray, one axis
        What this rank has, times its share of the batch, and the sum.
    """

    parameters: list[Parameter]
    values: Array
    total: Array

    @classmethod
    def of(cls, parameters: list[Parameter]) -> Bucket:
        """Return a bucket with memory."""
        dtype, size = _summed_as(parameters[0]), sum(parameter.size for parameter in parameters)
        return cls(parameters, np.empty(size, dtype), np.empty(size, dtype))

    def put(self, gradients: Iterable[Array], weight: float) -> None:
        """Copy gradients in."""
        for part, gradient in zip(self._parts(self.values), gradients):
            np.multiply(gradient, part.dtype.type(weight), out=part)

    def take(self, gradients: Iterable[Array]) -> None:
        """Copy the sums out."""
        for gradient, part in zip(gradients, self._parts(self.total)):
            np.copyto(gradient, part, casting="same_kind")

    def bad(self) -> Parameter | None:
        """First parameter whose gradient on this rank is not finite."""
        found = zip(self.parameters, self._parts(self.values))
        return next((parameter for parameter, part in found if not np.isfinite(part).all()), None)

    def _parts(self, flat: Array) -> Iterable[Array]:
        first = 0
        for parameter in self.parameters:
            yield flat[first : first + parameter.size].reshape(parameter.shape)
            first += parameter.size


class GradientSums:
    """Gradients, loss and running statistics of a training step, over all ranks.

    Parameters
    ----------
    ranks : Ranks
        More than one.
    model : Layer
        What is trained.

    Attributes
    ----------
    weight : float
        Part of the batch that this rank has.
    paused : bool
        Whether a step is tried, of which the other ranks know nothing.

    Notes
    -----
    The loss of a batch is the mean of those of its images, so each rank's gradient counts as much as its share.
    Running statistics are means over the ranks in the same way, so that all have the same network after every step.
    Messages go in one order on all ranks: the numbers, then the buckets from the last layer to the first.
    """

    def __init__(self, ranks: Ranks, model: Layer) -> None:
        self._ranks, self._model = ranks, model
        self.weight, self.paused = 1.0, False
        self._tables: list[Array] = []
        self._numbers = self._total = np.empty(0)
        self._buckets: dict[tuple[int, ...], list[Bucket]] = {}
        self._requests: list[Any] = []

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Sum nothing in a block that the other ranks do not do at the same time."""
        self.paused = True
        try:
            yield
        finally:
            self.paused = False

    def buckets(self, parameters: Sequence[Parameter]) -> list[Bucket]:
        """Return the buckets of some parameters, from the last to the first."""
        key = tuple(map(id, parameters))
        if key not in self._buckets:
            self._buckets = {key: [Bucket.of(one) for one in _cut(parameters)]}
        return self._buckets[key]

    def start_numbers(self, loss: float) -> None:
        """Start with the loss and the running statistics, which the forward pass has moved."""
        if self.paused:
            return
        buffers = (buffer for _, buffer in self._model.named_buffers())
        self._tables = [buffer for buffer in buffers if buffer.dtype.kind == "f" and buffer.size]
        parts = [np.array([loss]), *(table.ravel() for table in self._tables)]
        self._numbers = np.concatenate(parts, dtype=np.float64)
        if self.weight == 0:
            self._numbers[...] = 0  # a network whose image belongs to somebody else
        self._numbers *= self.weight
        self._total = np.empty_like(self._numbers)
        self._requests = [self._ranks.start_sum(self._numbers, self._total)]

    def start(self, bucket: Bucket, gradients: Iterable[Array]) -> None:
        """Start to sum the gradients of a bucket."""
        if self.paused:
            return
        bucket.put(gradients, self.weight)
        for request in self._requests:  # which lets messages move on
            request.Test()
        self._requests.append(self._ranks.start_sum(bucket.values, bucket.total))

    def finish(self, buckets: Sequence[Bucket], gradients: Sequence[Sequence[Array]]) -> float | None:
        """Wait for the sums, put them in place, and return the loss over all ranks; None where a step is tried.

        Raises
        ------
        fastconv.errors.DivergedError
            If the loss or a gradient is infinite or NaN, on all ranks, with the rank and the name of the parameter.
        """
        if self.paused:
            return None
        for request in self._requests:
            request.Wait()
        self._requests = []
        loss, first = float(self._total[0]), 1
        for table in self._tables:
            table[...] = self._total[first : first + table.size].reshape(table.shape)
            first += table.size
        if not isfinite(loss):
            self._refuse("the loss", None if isfinite(self._numbers[0]) else f"{self._numbers[0]}")
        self._check_finite(buckets)
        for bucket, own in zip(buckets, gradients):
            bucket.take(own)
        return loss

    def all(self, loss: float, parameters: Sequence[Parameter]) -> float:
        """Sum what a backward pass has left in parameters, all at once; return the loss over all ranks."""
        buckets = self.buckets(parameters)
        gradients = [[one._grad for one in bucket.parameters if one._grad is not None] for bucket in buckets]
        self.start_numbers(loss)
        for bucket, own in zip(buckets, gradients):
            self.start(bucket, own)
        total = self.finish(buckets, gradients)
        return loss if total is None else total

    def _check_finite(self, buckets: Sequence[Bucket]) -> None:
        with np.errstate(all="ignore"):
            if all(isfinite(bucket.total.sum()) or np.isfinite(bucket.total).all() for bucket in buckets):
                return
        bad = next((found for bucket in buckets if (found := bucket.bad()) is not None), None)
        names = {id(parameter): name for name, parameter in self._model.named_parameters()}
        self._refuse("all gradients", None if bad is None else f"infinite or NaN numbers in that of {names[id(bad)]}")

    def _refuse(self, subject: str, found: str | None) -> None:
        """Raise, on all ranks, what some have found."""
        everybody = self._ranks.gathered(found)
        where = "; ".join(f"{words} on rank {rank}" for rank, words in enumerate(everybody) if words is not None)
        raise DivergedError(
            f"Trainer.fit: {subject} must stay finite, but got {where or 'a sum over all ranks that is not'}. Try a "
            "tenth of the learning rate, and look for NaN and large values in the images of that rank."
        )


def _summed_as(parameter: Parameter) -> np.dtype[Any]:
    """Dtype of a message: MPI knows no float16."""
    return np.dtype(np.float64 if parameter.dtype == np.float64 else np.float32)


def _cut(parameters: Sequence[Parameter]) -> list[list[Parameter]]:
    """Cut parameters into buckets, the last ones first: theirs are the first gradients to be known."""
    least = max(LEAST_BYTES, sum(parameter.nbytes for parameter in parameters) // MOST_BUCKETS)
    cut: list[list[Parameter]] = []
    filled = least
    for parameter in reversed(parameters):
        if filled >= least or _summed_as(cut[-1][0]) != _summed_as(parameter):
            cut.append([])
            filled = 0
        cut[-1].append(parameter)
        filled += parameter.nbytes
    return cut
