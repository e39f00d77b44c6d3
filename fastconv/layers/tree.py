"""Layers inside layers: their parameters and state by name, their mode, and how they are written."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.layers.parameter import Parameter, note_change
from fastconv.validation.arrays import Array

if TYPE_CHECKING:
    from typing_extensions import Self

Node = TypeVar("Node", bound="Tree[Any]")


class Tree(ABC, Generic[Node]):
    """Something with parameters and buffers, and with others of its kind, `Node`, as attributes."""

    buffers: ClassVar[tuple[str, ...]] = ()
    training: bool

    def __init__(self) -> None:
        self.training = True

    def named_children(self) -> Iterator[tuple[str, Node]]:
        """Layers that are attributes of this one, in the order in which they were set."""
        for name, value in vars(self).items():
            if isinstance(value, Tree):
                yield name, cast("Node", value)

    def named_layers(self, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """Yield this layer and all inside it, with the names that a state dict gives them ("" is this one)."""
        yield prefix, cast("Node", self)
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

    def train(self, mode: bool = True) -> Self:
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

    def eval(self) -> Self:
        """Switch to evaluation; the same as ``train(False)``."""
        return self.train(False)

    def cast(self, dtype: DTypeLike) -> Self:
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
        differing = {"missing": missing, "unknown": unknown}
        found = "; ".join(f"{word}: {', '.join(names)}" for word, names in differing.items() if names)
        if strict and found:
            raise InvalidValueError(
                f"{where}: state must have the names of this network, but {found}. Use strict=False to load what fits."
            )
        arrays = {name: np.asarray(state[name]) for name in own if name in state}
        for name, array in arrays.items():
            if array.shape != own[name].shape:
                raise InvalidValueError(f"{where}: {name} must have shape {own[name].shape}, but got {array.shape}.")
            if array.dtype.kind not in "iubf":
                raise InvalidTypeError(f"{where}: {name} must be real numbers, but got {array.dtype}.")
        for name, array in arrays.items():
            own[name][...] = array
        note_change()

    def __setattr__(self, name: str, value: Any) -> None:
        current = vars(self).get(name)
        if isinstance(current, Parameter) and not isinstance(value, Parameter) and value is not None:
            current.data = value
        elif name in self.buffers and isinstance(current, np.ndarray) and value is not None:
            self._set_buffer(name, current, np.asarray(value))
        else:
            super().__setattr__(name, value)
            if not name.startswith("_"):
                note_change()

    def _set_buffer(self, name: str, current: Array, value: Array) -> None:
        if value.shape != current.shape:
            raise InvalidValueError(
                f"{type(self).__name__}: {name} must have shape {current.shape}, but got {value.shape}."
            )
        current[...] = value
        note_change()

    def extra_repr(self) -> str:
        """Arguments of the layer, as `repr` shows them between the parentheses."""
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): {child!r}" for name, child in self.named_children()]
        if not children:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [line for child in children for line in child.splitlines()]
        return "\n".join([f"{type(self).__name__}({self.extra_repr()}", *(f"  {line}" for line in lines), ")"])
