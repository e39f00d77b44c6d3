"""A network with what has to be known to ask it about pictures: how they are prepared, and what its classes are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv.data.network_input import Preprocessing
from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.functional.softmax import softmax
from fastconv.layers.base import Layer, Shape, Step, Value
from fastconv.programs.program import Program
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_integer, entries_of
from fastconv.validation.types import ArrayLike

_SUM = 1e-3  # how far from 1 probabilities of float16 may sum to


class Classifier(Layer):
    """A network that is asked which class a picture belongs to; `fastconv.load_model` returns one.

    ``(N, ...) -> (N, classes)``

    It is a layer that does what its network does, with the same names in its state dict: `forward` takes what the
    network takes and returns scores. `predict` and `predict_proba` take pictures as they are stored.

    Parameters
    ----------
    network : Layer
        Returns one row of scores for each input; it is put into evaluation mode.
    preprocessing : Preprocessing, optional
        What is done to pictures before. Without it `predict` takes what the network takes.
    class_names : sequence of str, optional
        Names of the columns of the scores.

    Attributes
    ----------
    network, preprocessing, class_names
        The arguments; the names as a tuple.

    Raises
    ------
    TypeError
        If an argument is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.data import Preprocessing
    >>> from fastconv.models import Classifier, by_name
    >>> model = Classifier(by_name("lenet5", rng=0), Preprocessing(size=28, channels=1), "0123456789")
    >>> pictures = np.zeros((3, 3, 40, 50), np.uint8)
    >>> model.predict_proba(pictures).shape
    (3, 10)
    >>> [model.class_names[index] for index in model.predict(pictures)] == ["0"] * 3
    True
    """

    def __init__(
        self, network: Layer, preprocessing: Preprocessing | None = None, class_names: Sequence[str] = ()
    ) -> None:
        super().__init__()
        if not isinstance(network, Layer):
            raise InvalidTypeError(f"Classifier: network must be a Layer, but got {shown(network)}.")
        if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
            raise InvalidTypeError(
                "Classifier: preprocessing must be a fastconv.data.Preprocessing or None, but got "
                f"{shown(preprocessing)}."
            )
        names = tuple(class_names) if isinstance(class_names, str) else entries_of(class_names)
        if names is None or not all(isinstance(name, str) for name in names):
            raise InvalidTypeError(f"Classifier: class_names must be strings, but got {shown(class_names)}.")
        self.network, self.preprocessing, self.class_names = network, preprocessing, names
        self._program: Program | None = None
        self.eval()

    # what it says

    def predict(self, x: Array | Sequence[ArrayLike], *, batch_size: int = 128) -> NDArray[np.int64]:
        """Return the class of each picture, as an index; `class_names` has the names.

        Parameters
        ----------
        x : ndarray (N, C, H, W), or sequence of arrays (C, H, W)
            Pictures as `Preprocessing` takes them: uint8, or floats from 0 to its `white`, as those that the
            network has learned from. Without `preprocessing`, what the network takes.
        batch_size : int
            Pictures at a time.

        Returns
        -------
        ndarray of int64, shape (N,)
            Of equal scores the first.

        Raises
        ------
        ValueError, TypeError
            If pictures are not what `preprocessing` or the network takes.
        """
        classes: NDArray[np.int64] = self.scores(x, batch_size=batch_size).argmax(axis=1)
        return classes

    def predict_proba(self, x: Array | Sequence[ArrayLike], *, batch_size: int = 128) -> Array:
        """Return the probability of each class: see `as_probabilities`.

        Parameters
        ----------
        x, batch_size
            As for `predict`.

        Returns
        -------
        ndarray, shape (N, classes)
            Each row sums to 1.
        """
        return as_probabilities(self.scores(x, batch_size=batch_size))

    def scores(self, x: Array | Sequence[ArrayLike], *, batch_size: int = 128) -> Array:
        """Return what the network says of each picture, by a program of it where the backend is fast.

        Parameters
        ----------
        x, batch_size
            As for `predict`.

        Returns
        -------
        ndarray, shape (N, classes)
            A larger score is a likelier class.
        """
        size, program = check_integer("Classifier", "batch_size", batch_size, 1), self._current_program()
        starts = range(0, max(len(x), 1), size)
        return np.concatenate([score_rows(program(self._prepared(x[first : first + size]))) for first in starts])

    def _prepared(self, x: Array | Sequence[ArrayLike]) -> Array:
        return check_array("Classifier", "x", x) if self.preprocessing is None else self.preprocessing(x)

    def _current_program(self) -> Program:
        """Keep a program while backend, threads and options are the same; it takes weights that have changed."""
        if self._program is None or not self._program.is_current:
            self._program = Program(self.network)
        elif self._program.is_stale:
            self._program.update()
        return self._program

    # a layer like its network

    def named_layers(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        """Yield this layer, then those of the network under the names that they have there."""
        yield prefix, self
        yield from self.network.named_layers(prefix)

    def forward(self, x: ArrayLike) -> Array:
        """Return the scores of the network; see `Layer.forward`."""
        return self.network.forward(x)

    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """See `Layer.backward`."""
        return self.network.backward(dy, input_gradient=input_gradient)

    def output_shape(self, input_shape: Shape) -> Shape:
        """See `Layer.output_shape`."""
        return self.network.output_shape(input_shape)

    def trace(self, value: Value, steps: list[Step], name: str = "") -> Value:
        """See `Layer.trace`."""
        return self.network.trace(value, steps, name)

    def __getstate__(self) -> dict[str, Any]:
        """State for pickle and deepcopy: without the program, which is recorded again."""
        return {**super().__getstate__(), "_program": None}

    def multiply_adds(self, input_shape: Shape) -> int:
        """Of the network."""
        return self.network.multiply_adds(input_shape)

    def flops(self, input_shape: Shape) -> int:
        """Of the network."""
        return self.network.flops(input_shape)


def score_rows(scores: Array) -> Array:
    """Return one row for each picture; axes of one cell behind the classes, as of global pools, are left out."""
    if scores.ndim < 2 or scores.size != scores.shape[0] * scores.shape[1]:
        raise InvalidValueError(
            "Classifier: the output of the network must be one row of scores for each picture, but got shape "
            f"{scores.shape}."
        )
    if scores.shape[1] < 2 or scores.dtype.kind != "f":
        raise InvalidValueError(
            "Classifier: the output of the network must be scores of two or more classes, but got "
            f"{scores.dtype} of shape {scores.shape}."
        )
    return scores.reshape(scores.shape[:2])


def as_probabilities(scores: Array) -> Array:
    """Return scores as probabilities: by a softmax, unless they are probabilities already.

    They are if no number is negative and every row sums to 1, to a thousandth. Logarithms of probabilities need nothing
    of their own: their softmax is the probabilities.

    Parameters
    ----------
    scores : ndarray, shape (N, classes)
        What a network returns.

    Returns
    -------
    ndarray, shape (N, classes)
        Each row sums to 1.

    Examples
    --------
    >>> import numpy as np
    >>> as_probabilities(np.array([[0.25, 0.75], [1.0, 0.0]])).tolist()
    [[0.25, 0.75], [1.0, 0.0]]
    >>> as_probabilities(np.array([[2.0, 2.0]])).tolist()
    [[0.5, 0.5]]
    """
    scores = check_array("as_probabilities", "scores", scores)
    if scores.ndim != 2:
        raise InvalidValueError(
            f"as_probabilities: scores must have 2 axes (N, classes), but got shape {scores.shape}."
        )
    sums = scores.sum(axis=1, dtype=np.float64)
    if (scores >= 0).all() and (np.abs(sums - 1) <= _SUM).all():
        return scores
    return softmax(scores, axis=1)
