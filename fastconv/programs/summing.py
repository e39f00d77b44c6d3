"""Where in a recorded step the sums over ranks begin and end: a bucket is sent once its last gradient is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fastconv.backends.fast.program import Break
from fastconv.layers import Layer, Parameter
from fastconv.parallel.sums import Bucket, GradientSums
from fastconv.validation.arrays import Array


class Summing:
    """The breaks of a step that send and receive.

    Parameters
    ----------
    sums : GradientSums
        Does it.
    model : Layer
        What is recorded.
    """

    def __init__(self, sums: GradientSums, model: Layer) -> None:
        self._sums, self._model = sums, model
        self._due: Counter[int] = Counter()  # passes that are still to add to the gradient of a parameter
        self._buckets: list[Bucket] = []
        self._sent = 0

    def expect(self, layer: Layer) -> None:
        """Note that the backward pass of a layer is still to come."""
        self._due.update(id(parameter) for parameter in layer.parameters() if parameter.requires_grad)

    def first(self, loss: Array) -> Break:
        """Return the break after the forward pass."""
        expected = [one for one in self._model.parameters() if self._due[id(one)]]
        self._buckets = self._sums.buckets(expected)

        def start(loss: Array) -> tuple[()]:
            self._sums.start_numbers(float(loss[0]))
            return ()

        return Break(start, (loss,), ())

    def known(self, layer: Layer) -> Iterator[Break]:
        """Return the breaks after the backward pass of a layer."""
        self._due.subtract(id(parameter) for parameter in layer.parameters() if parameter.requires_grad)
        while self._sent < len(self._buckets) and not any(self._due[id(one)] for one in self._next.parameters):
            yield self._send(self._next)

    def last(self, loss: Array) -> Iterator[Break]:
        """Return the break after the backward pass."""
        buckets = self._buckets
        gradients = [_gradients(bucket.parameters) for bucket in buckets]

        def finish(loss: Array, *flat: Array) -> tuple[()]:
            rest = iter(flat)
            total = self._sums.finish(buckets, [[next(rest) for _ in own] for own in gradients])
            if total is not None:
                loss[...] = total
            return ()

        yield Break(finish, (loss, *(array for own in gradients for array in own)), ())

    @property
    def _next(self) -> Bucket:
        return self._buckets[self._sent]

    def _send(self, bucket: Bucket) -> Break:
        self._sent += 1

        def start(*gradients: Array) -> tuple[()]:
            self._sums.start(bucket, gradients)
            return ()

        return Break(start, (*_gradients(bucket.parameters),), ())


def _gradients(parameters: list[Parameter]) -> list[Array]:
    """Where the gradients of parameters were recorded."""
    return [one.grad for one in parameters if one.grad is not None]
