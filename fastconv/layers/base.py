"""What every layer is: what it remembers between forward and backward, its shape rule, and the steps of a network."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

from fastconv.backends import get_backend
from fastconv.backends.geometry import ConvGeometry
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.layers.inference import FORGETTING, TRYING, pass_mode
from fastconv.layers.tree import Tree
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.memory import check_addressable
from fastconv.validation.types import ArrayLike
from fastconv.validation.types import Shape as Shape  # handed on


class Value(NamedTuple):
    """One array on the way through a network, known by its shape alone.

    Attributes
    ----------
    key : int
        The same for the same memory, so that an array that two layers keep is counted once.
    shape : tuple of int
        Shape of the array.
    """

    key: int
    shape: Shape


class Step(NamedTuple):
    """One layer at work in a network.

    Attributes
    ----------
    name : str
        Where the layer is, as in the names of a state dict: "3.body.0".
    layer : Layer
        The layer.
    inputs : tuple of Value
        What it reads; a sum of branches reads several arrays.
    output : Value
        What it writes; the same key as an input where it returns a view.
    branches : tuple of (int, int)
        Where branches meet that all read the same: the first step of each, and the one after its last.
    """

    name: str
    layer: Layer
    inputs: tuple[Value, ...]
    output: Value
    branches: tuple[tuple[int, int], ...] = ()


class _Memory(NamedTuple):
    """What a forward pass kept, in which mode, and of how many passes since a backward pass it is the last."""

    backend: str
    values: tuple[Any, ...]
    training: bool
    passes: int
    answered: bool = False  # whether a backward pass has used it, or none need do so


class Layer(Tree["Layer"]):
    """Base class of all layers.

    A layer owns parameters and remembers, from a forward pass, what the backward pass needs. It computes nothing
    itself: the mathematics is in `fastconv.functional`.

    To write one, subclass, create `Parameter` attributes in ``__init__`` after ``super().__init__()``, and define
    `forward`, `backward` and `output_shape`. In `forward` call ``self._keep(...)`` with what the backward pass needs,
    in `backward` get it back from ``self._kept()``. Layers and parameters that are attributes are found by
    themselves. ``docs/extending.md`` has a whole example.

    Attributes
    ----------
    training : bool
        True after `train` (and at first), False after `eval`.
    """

    keeps_input: ClassVar[bool] = False
    keeps_output: ClassVar[bool] = False
    returns_view: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._memory: _Memory | None = None

    # the work

    @abstractmethod
    def forward(self, x: ArrayLike) -> Array:
        """Compute the output and remember what `backward` needs.

        Parameters
        ----------
        x : array_like
            Input, with the batch first.

        Returns
        -------
        ndarray
            Output, of shape ``output_shape(x.shape)``.
        """

    @abstractmethod
    def backward(self, dy: ArrayLike, *, input_gradient: bool = True) -> Array | None:
        """Gradient of the last `forward`: add those of the parameters to their ``grad``, return that of the input.

        Parameters
        ----------
        dy : array_like, shaped like the output
            Gradient of the loss with respect to the output.
        input_gradient : bool
            False spares the gradient of the input, which the first layer of a network has no use for; the result is
            then None.

        Returns
        -------
        ndarray shaped like the input, or None
            Gradient of the loss with respect to the input.

        Raises
        ------
        NotRunError
            If there was no forward pass, or only in `inference_mode`; or if this is a second call after several
            forward passes, of which only the last is remembered.
        ValueError
            If `dy` has not the shape of the output.
        """

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output for an input of that shape, batch included; nothing is computed.

        Parameters
        ----------
        input_shape : sequence of int
            Shape of the input, batch included.

        Returns
        -------
        tuple of int
            Shape of the output.

        Raises
        ------
        ValueError
            If the layer does not take such an input.
        """

    def __call__(self, x: ArrayLike) -> Array:
        """Return ``forward(x)``."""
        return self.forward(x)

    def _keep(self, *values: Any) -> None:
        """Remember the backend and `values` for the backward pass, unless in `inference_mode`."""
        mode = pass_mode()
        if mode == FORGETTING:
            self._memory = None
            return
        last, passes, tried = self._memory, 1, mode == TRYING
        if last is not None and not last.answered and last.training == self.training and not tried:
            passes += last.passes
        self._memory = _Memory(get_backend(), values, self.training, passes, answered=tried)

    def _kept(self) -> tuple[Any, ...]:
        """Return what the last forward pass kept, to `backward`, which asks once."""
        memory = self._recall()
        if memory.answered and memory.passes > 1:
            raise NotRunError(
                f"{type(self).__name__}.backward: a backward pass must follow each forward pass, but got a second one "
                f"after {memory.passes} forward passes, of which only the last is remembered. Run backward before the "
                "next forward, or one pass over both batches; passes that nothing is learned from belong in "
                "inference_mode."
            )
        self._memory = memory._replace(answered=True)
        return memory.values

    def _kept_backend(self) -> str:
        """Return the name of the backend that the last forward pass ran on."""
        return self._recall().backend

    def _recall(self) -> _Memory:
        """Return what the last forward pass left, for a look that is no backward pass."""
        if self._memory is None:
            raise NotRunError(f"{type(self).__name__}.backward: forward must run first, outside of inference_mode.")
        return self._memory

    def _check_dy(self, dy: ArrayLike, shape: Shape) -> Array:
        """Return `dy` as an array; refuse a shape other than that of the output."""
        array = check_array(f"{type(self).__name__}.backward", "dy", dy)
        if array.shape != shape:
            raise InvalidValueError(
                f"{type(self).__name__}.backward: dy must have the shape of the output, {shape}, but got {array.shape}."
            )
        return array

    def release(self) -> None:
        """Forget what the last forward pass kept, here and in all layers inside."""
        for _, layer in self.named_layers():
            layer._memory = None

    # what it would do

    def check_batch(self, input_shape: Shape) -> None:
        """Refuse an input of which `forward` would learn nothing in training, by its shape; by default none.

        Parameters
        ----------
        input_shape : sequence of int
            Shape of the input, batch included.

        Raises
        ------
        ValueError
            If the batch is too small.
        """

    def trace(self, value: Value, steps: list[Step], name: str = "") -> Value:
        """Append what `forward` would do with an array of that shape, layer by layer, and return its result."""
        try:
            shape = self.output_shape(value.shape)
            check_addressable(type(self).__name__, "the output", shape)
        except (InvalidTypeError, InvalidValueError) as error:
            raise type(error)(f"layer {name}: {error}" if name else str(error)) from None
        key = value.key if self.returns_view else 1 + max((step.output.key for step in steps), default=value.key)
        steps.append(Step(name, self, (value,), Value(key, shape)))
        return steps[-1].output

    def multiply_adds(self, input_shape: Shape) -> int:
        """Multiply-adds of one forward pass over an input of that shape; padding counts."""
        return 0

    def flops(self, input_shape: Shape) -> int:
        """Floating-point operations of one forward pass; a multiply-add counts as two."""
        return 2 * self.multiply_adds(input_shape)

    def kept_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Bytes kept for the backward pass beyond the input and the output themselves."""
        return 0

    def scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Bytes of temporary arrays of `forward` or `backward`, whichever has more, beyond arguments and results."""
        return 0

    def forward_scratch_bytes(self, input_shape: Shape, itemsize: int) -> int:
        """Bytes of temporary arrays of `forward` alone."""
        return self.scratch_bytes(input_shape, itemsize)

    def convolutions(self, input_shape: Shape) -> tuple[ConvGeometry, ...]:
        """Return the convolutions that `forward` computes, whose workspace depends on more than bytes."""
        return ()

    # how it is copied

    def __getstate__(self) -> dict[str, Any]:
        """State for pickle and deepcopy: everything but what the last forward pass kept."""
        return {**vars(self), "_memory": None}
