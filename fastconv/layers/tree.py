"""Layers inside layers: their parameters and state by name, their mode, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastconv.errors import InvalidTypeError, InvalidValueError
from fastconv.layers.parameter import Parameter, note_change
from fastconv.layers.state_difference import StateDifference, difference, likely_mistake, misshapen, named
from fastconv.validation.arrays import Array, check_dtype, check_real
from fastconv.validation.constructors import Constructed
from fastconv.validation.sizes import check_flag

if TYPE_CHECKING:
    from typing_extensions import Self

Node = TypeVar("Node", bound="Tree[Any]")


class Tree(Generic[Node], metaclass=Constructed):
    """Something with parameters and buffers, and with others of its kind, `Node`, as attributes."""

    buffers: ClassVar[tuple[str, ...]] = ()
    optional_buffers: ClassVar[tuple[str, ...]] = ()  # those that a state may lack
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
        for name, value in self._named_values():
            if isinstance(value, Parameter):
                yield name, value

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
        for name, value in self._named_values():
            if not isinstance(value, Parameter):
                yield name, value

    def _named_values(self) -> Iterator[tuple[str, Parameter | Array]]:
        """Parameters, each once, and buffers, layer by layer."""
        seen: set[int] = set()
        for prefix, layer in self.named_layers():
            begin = f"{prefix}." if prefix else ""
            for name, value in vars(layer).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield begin + name, value
            for name in layer.buffers:
                value = getattr(layer, name)
                if value is not None:
                    yield begin + name, value

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
        training = check_flag(f"{type(self).__name__}.train", "mode", mode)
        for _, layer in self.named_layers():
            layer.training = training
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
        dtype = check_dtype(f"{type(self).__name__}.cast", dtype)
        for parameter in self.parameters():
            parameter.cast(dtype)
        for _, layer in self.named_layers():
            for name in layer.buffers:
                value = getattr(layer, name)
                if value is not None and value.dtype.kind == "f":
                    vars(layer)[name] = value.astype(dtype)
        return self

    def _named_arrays(self) -> dict[str, Array]:
        """Parameters and buffers themselves, layer by layer."""
        return {name: value.data if isinstance(value, Parameter) else value for name, value in self._named_values()}

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by name.

        Returns
        -------
        dict of str to ndarray
            What `load_state_dict` takes, and `fastconv.layers.save_state` writes; in PyTorch's order, layer by layer.
        """
        return {name: array.copy() for name, array in self._named_arrays().items()}

    def load_state_dict(self, state: Mapping[str, ArrayLike], *, strict: bool = True) -> StateDifference:
        """Set parameters and buffers by name; either all of them are set or, on an error, none.

        Parameters
        ----------
        state : mapping of str to array_like
            As `state_dict` returns it. Values are converted to the dtype of the layer. The counts of batches of batch
            norm may be missing, as in old files of PyTorch.
        strict : bool
            Whether missing and unexpected names are an error; if False, what has a name here is set.

        Returns
        -------
        StateDifference
            The names that are missing, and those that were not used.

        Raises
        ------
        ValueError
            If a shape differs or, with `strict`, names are missing or unexpected; the message lists all of them.
        TypeError
            If `state` is no mapping, or a value is not an array of real numbers.
        """
        own, where = self._named_arrays(), f"{type(self).__name__}.load_state_dict"
        if not isinstance(state, Mapping):
            raise InvalidTypeError(
                f"{where}: state must be a dict of arrays by name, but got {type(state).__name__}. Read a file with "
                "fastconv.layers.load_state."
            )
        strict = check_flag(where, "strict", strict)
        arrays = {name: check_real(where, name, state[name]) for name in own if name in state}
        found = difference(own, state, self._optional_names())
        wrong = [*(named(found) if strict else ()), *misshapen(own, arrays)]
        if wrong:
            hint = likely_mistake(found)
            hint += " Use strict=False to load what has a name here." if strict and any(found) else ""
            raise InvalidValueError(
                f"{where}: state must have the names and shapes of this network, but {'; '.join(wrong)}.{hint}"
            )
        for name, array in arrays.items():
            own[name][...] = array
        note_change()
        return found

    def _optional_names(self) -> Iterator[str]:
        for prefix, layer in self.named_layers():
            yield from (f"{prefix}.{name}" if prefix else name for name in layer.optional_buffers)

    def __setattr__(self, name: str, value: Any) -> None:
        current = vars(self).get(name)
        if isinstance(current, Parameter) and not isinstance(value, Parameter) and value is not None:
            current.data = value
        elif name in self.buffers and isinstance(current, np.ndarray) and value is not None:
            self._set_buffer(name, current, check_real(type(self).__name__, name, value))
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
