"""What every layer is: parameters, state, what it remembers between forward and backward, and its shape rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastconv.backends import get_backend
from fastconv.backends.geometry import ConvGeometry
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError
from fastconv.layers.inference import remembers
from fastconv.layers.parameter import Parameter
from fastconv.layers.steps import Shape, Step, Value
from fastconv.validation.arrays import Array

__all__ = ["Layer"]


class Layer(ABC):
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
    buffers: ClassVar[tuple[str, ...]] = ()
    training: bool

    def __init__(self) -> None:
        self.training = True
        self._memory: tuple[str, tuple[Any, ...]] | None = None

    # the work

    @abstractmethod
    def forward(self, x: Any) -> Array:
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
    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array | None:
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
            If there was no forward pass, or only in `inference_mode`.
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

    def __call__(self, x: Any) -> Array:
        """Return ``forward(x)``."""
        return self.forward(x)

    def _keep(self, *values: Any) -> None:
        """Remember the backend and `values` for the backward pass, unless in `inference_mode`."""
        self._memory = (get_backend(), values) if remembers() else None

    def _kept(self) -> tuple[Any, ...]:
        """Return what the last forward pass kept."""
        return self._recall()[1]

    def _kept_backend(self) -> str:
        """Return the name of the backend that the last forward pass ran on."""
        return self._recall()[0]

    def _recall(self) -> tuple[str, tuple[Any, ...]]:
        if self._memory is None:
            raise NotRunError(f"{type(self).__name__}.backward: forward must run first, outside of inference_mode.")
        return self._memory

    def _check_dy(self, dy: Any, shape: Shape) -> Array:
        """Return `dy` as an array; refuse a shape other than that of the output."""
        array = np.asarray(dy)
        if array.shape != shape:
            raise InvalidValueError(
                f"{type(self).__name__}.backward: dy must have the shape of the output, {shape}, but got {array.shape}."
            )
        return array

    def release(self) -> None:
        """Forget what the last forward pass kept, here and in all layers inside."""
        for _, layer in self.named_layers():
            layer._memory = None

    # what is inside

    def named_children(self) -> Iterator[tuple[str, Layer]]:
        """Layers that are attributes of this one, in the order in which they were set."""
        for name, value in vars(self).items():
            if isinstance(value, Layer):
                yield name, value

    def named_layers(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        """Yield this layer and all inside it, with the names that a state dict gives them ("" is this one)."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_layers(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their names, each once."""
        seen: set[int] = set()
        for prefix, layer in self.named_layers():
            for name, value in vars(layer).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{prefix}.{name}" if prefix else name), value

    def parameters(self) -> list[Parameter]:
        """All parameters, of this layer and of those inside it.

        Returns
        -------
        list of Parameter
            In the order of their names in `state_dict`; one that is shared appears once.
        """
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """Arrays that are state but not trained, such as running statistics, with their names."""
        for prefix, layer in self.named_layers():
            for name in layer.buffers:
                value = getattr(layer, name)
                if value is not None:
                    yield (f"{prefix}.{name}" if prefix else name), value

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def train(self, mode: bool = True) -> Layer:
        """Switch to training, here and inside: dropout drops, batch normalisation uses and updates statistics.

        Parameters
        ----------
        mode : bool
            False switches to evaluation.

        Returns
        -------
        Layer
            Itself.
        """
        for _, layer in self.named_layers():
            layer.training = bool(mode)
        return self

    def eval(self) -> Layer:
        """Switch to evaluation; the same as ``train(False)``."""
        return self.train(False)

    def cast(self, dtype: DTypeLike) -> Layer:
        """Convert all parameters and floating-point buffers, here and inside, to another dtype.

        Parameters
        ----------
        dtype : dtype
            float16, float32 or float64.

        Returns
        -------
        Layer
            Itself.
        """
        for parameter in self.parameters():
            parameter.cast(dtype)
        for _, layer in self.named_layers():
            for name in layer.buffers:
                value = getattr(layer, name)
                if value is not None and value.dtype.kind == "f":
                    vars(layer)[name] = value.astype(dtype)
        return self

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by name.

        Returns
        -------
        dict of str to ndarray
            What `load_state_dict` takes, and `fastconv.layers.save_state` writes.
        """
        state = {name: parameter.data.copy() for name, parameter in self.named_parameters()}
        state.update((name, value.copy()) for name, value in self.named_buffers())
        return state

    def load_state_dict(self, state: Mapping[str, ArrayLike], *, strict: bool = True) -> None:
        """Set parameters and buffers by name; either all of them are set or, on an error, none.

        Parameters
        ----------
        state : mapping of str to array_like
            As `state_dict` returns it. Values are converted to the dtype of the layer.
        strict : bool
            Whether missing and unknown names are an error; if False, what fits is set.

        Raises
        ------
        ValueError
            If names are missing or unknown, or a shape differs; the message lists them.
        """
        own: dict[str, Array] = {name: parameter.data for name, parameter in self.named_parameters()}
        own.update(self.named_buffers())
        where = f"{type(self).__name__}.load_state_dict"
        missing, unknown = [name for name in own if name not in state], [name for name in state if name not in own]
        if strict and (missing or unknown):
            raise InvalidValueError(
                f"{where}: state must have the names of this network, but "
                + "; ".join(
                    f"{word}: {', '.join(names)}"
                    for word, names in (("missing", missing), ("unknown", unknown))
                    if names
                )
                + ". Use strict=False to load what fits."
            )
        arrays = {name: np.asarray(state[name]) for name in own if name in state}
        for name, array in arrays.items():
            if array.shape != own[name].shape:
                raise InvalidValueError(f"{where}: {name} must have shape {own[name].shape}, but got {array.shape}.")
            if array.dtype.kind not in "iubf":
                raise InvalidTypeError(f"{where}: {name} must be real numbers, but got {array.dtype}.")
        for name, array in arrays.items():
            own[name][...] = array

    # what it would do

    def trace(self, value: Value, steps: list[Step], name: str = "") -> Value:
        """Append what `forward` would do with an array of that shape, layer by layer, and return its result."""
        try:
            shape = self.output_shape(value.shape)
        except (InvalidTypeError, InvalidValueError) as error:
            raise type(error)(f"layer {name}: {error}" if name else str(error)) from error
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

    def convolutions(self, input_shape: Shape) -> tuple[ConvGeometry, ...]:
        """Return the convolutions that `forward` computes, whose workspace depends on more than bytes."""
        return ()

    # how it is written

    def __setattr__(self, name: str, value: Any) -> None:
        current = vars(self).get(name)
        if isinstance(current, Parameter) and not isinstance(value, Parameter) and value is not None:
            current.data = value
        elif name in self.buffers and isinstance(current, np.ndarray) and value is not None:
            self._set_buffer(name, current, np.asarray(value))
        else:
            super().__setattr__(name, value)

    def _set_buffer(self, name: str, current: Array, value: Array) -> None:
        if value.shape != current.shape:
            raise InvalidValueError(
                f"{type(self).__name__}: {name} must have shape {current.shape}, but got {value.shape}."
            )
        current[...] = value

    def __getstate__(self) -> dict[str, Any]:
        """State for pickle and deepcopy: everything but what the last forward pass kept."""
        return {**vars(self), "_memory": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def extra_repr(self) -> str:
        """Arguments of the layer, as `repr` shows them between the parentheses."""
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): {child!r}" for name, child in self.named_children()]
        if not children:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [line for child in children for line in child.splitlines()]
        return "\n".join([f"{type(self).__name__}({self.extra_repr()}", *(f"  {line}" for line in lines), ")"])
