"""What a layer function returns: a layer that knows what it is applied to, and the placeholder at the beginning."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.compat.paddle.activation import Activation
from fastconv.compat.paddle.attr import ExtraLayerAttribute, ParameterAttribute
from fastconv.errors import InvalidValueError, NotRunError
from fastconv.layers import Layer, Parameter, Sequential
from fastconv.validation.arrays import Array, check_array
from fastconv.validation.sizes import check_number

ImageShape = tuple[int, int, int]


class LayerOutput:
    """A layer, what it is applied to, and its output.

    Layer functions make it; with another layer function as `input` they form a chain.

    Parameters
    ----------
    name : str or None
        Name of the layer.
    layer_type : str
        Such as "conv", "convt" or "pool".
    parents : list of LayerOutput
        The layer before, alone in a list.
    layer : Sequential
        What computes it.
    input_shape : (int, int, int)
        Channels, height and width of its input.
    activation : Activation, optional
        The activation.
    attributes : list of (Parameter, ParameterAttribute)
        The parameters of the layer with what was said about them.
    layer_attr : ExtraLayerAttribute, optional
        Kept.

    Attributes
    ----------
    name, layer_type, parents, layer, input_shape, activation, layer_attr
        As above.
    image_shape : (int, int, int)
        Channels, height and width of the output.
    num_filters, size : int
        Channels of the output, and all its numbers for one image.
    """

    def __init__(
        self,
        name: str | None,
        layer_type: str,
        parents: list[LayerOutput],
        layer: Sequential,
        input_shape: ImageShape,
        activation: Activation | None = None,
        attributes: list[tuple[Parameter, ParameterAttribute]] | None = None,
        layer_attr: ExtraLayerAttribute | None = None,
    ) -> None:
        self.name, self.layer_type, self.parents, self.layer = name, layer_type, parents, layer
        self.input_shape, self.activation, self.layer_attr = input_shape, activation, layer_attr
        _, channels, height, width = layer.output_shape((1, *input_shape))
        self.image_shape: ImageShape | None = (channels, height, width)
        self.num_filters: int | None = channels
        self.size = prod(self.image_shape)
        self._attributes = attributes or []
        for parameter, attribute in self._attributes:
            parameter.requires_grad = not attribute.attr.get("is_static", False)
        self._output: Array | None = None
        self._pass: object = None  # a new object for every forward pass of this layer,
        self._parent_pass: object = None  # the one of the layer before that it read,
        self._used: list[Array] = []  # and the parameters that it used

    # the work

    def forward(self, x: Any = None) -> Array:
        """Run all layers from the first to this one.

        Parameters
        ----------
        x : array_like, shape (N, C, H, W), (N, C*H*W) or (C, H, W), optional
            Images; by default those that the chain was made with, or the last ones.

        Returns
        -------
        ndarray, shape (N, F, OH, OW)
            The output.

        Raises
        ------
        NotRunError
            If there are no images.
        ValueError
            If they have the wrong shape.
        """
        return self._run(self.parents[0].forward(x))

    def backward(self, dy: Any) -> Array:
        """Gradient of the last forward pass: add those of all parameters to their ``grad``, return that of the images.

        Parameters
        ----------
        dy : array_like, shape (N, F, OH, OW) or (N, F*OH*OW)
            Gradient of the loss with respect to the output.

        Returns
        -------
        ndarray
            Gradient of the loss with respect to the images, shaped like them.

        Raises
        ------
        NotRunError
            If there are no images, or a layer before has run again since.
        ValueError
            If `dy` has not the shape of the output.
        """
        parent = self.parents[0]
        shape = (self.output if self._output is None else self._output).shape
        if any(layer._parent_pass is not layer.parents[0]._pass for layer in self.layers()):
            raise NotRunError(
                f"{self._title}.backward: the layers before must not have run since its own forward pass. Run "
                "forward of this layer again."
            )
        gradient = np.asarray(dy)
        if gradient.shape == (shape[0], prod(shape[1:])):
            gradient = gradient.reshape(shape)
        if gradient.shape != shape:
            raise InvalidValueError(
                f"{self._title}.backward: dy must have the shape of the output, {shape}, but got {gradient.shape}."
            )
        dx = self.layer.backward(gradient)
        return parent.backward(dx.reshape(parent._output.shape))  # type: ignore[union-attr]

    def update(self, learning_rate: float) -> None:
        """Take one step against the gradients of all parameters, each with its own factor, and forget them.

        Parameters
        ----------
        learning_rate : float
            Times the ``learning_rate`` of a `ParameterAttribute`.
        """
        rate = check_number(f"{self._title}.update", "learning_rate", learning_rate)
        for parameter, attribute in self._chain_attributes():
            if parameter.grad is not None:
                parameter.data -= rate * attribute.attr.get("learning_rate", 1.0) * parameter.grad
                parameter.zero_grad()

    @property
    def output(self) -> Array:
        """Output for the images of the chain, computed when it is asked for.

        It is kept until there are new images, or a parameter of the chain has changed, in whatever way.
        """
        x = self.parents[0].output  # first, since it may be a new one
        fresh = self._output is not None and self._parent_pass is self.parents[0]._pass
        if not (fresh and all(map(np.array_equal, self.layer.parameters(), self._used))):
            self._run(x)
        return self._output  # type: ignore[return-value]

    def _run(self, x: Array) -> Array:
        self._output = self.layer.forward(self._images(x))
        self._pass, self._parent_pass = object(), self.parents[0]._pass
        self._used = [parameter.data.copy() for parameter in self.layer.parameters()]
        return self._output

    def _images(self, x: Array) -> Array:
        """(N, C, H, W) of what the layer before gives; another height and width than that of the chain will do."""
        channels = self.input_shape[0]
        if x.ndim == 3:
            x = x[None]
        elif x.ndim == 2 and x.shape[1] == prod(self.input_shape):
            x = x.reshape(-1, *self.input_shape)
        if x.ndim != 4 or x.shape[1] != channels:
            raise InvalidValueError(
                f"{self._title}: the images must have shape (N, {channels}, H, W) or (N, {prod(self.input_shape)}), "
                f"but got {x.shape}."
            )
        return x

    # what is inside

    @property
    def weight(self) -> Parameter:
        """Filters, shape (F, C // groups, KH, KW), or (C, F // groups, KH, KW) where they are transposed.

        Those of the layer before for a pooling. An array may be assigned.
        """
        return self._parameter("weight")

    @weight.setter
    def weight(self, value: Any) -> None:
        self._parameter("weight").data = value

    @property
    def bias(self) -> Parameter | None:
        """Bias, shape (F,) or (F, OH, OW), or None; that of the layer before for a pooling. May be assigned."""
        return self._owner()._own().get("bias")

    @bias.setter
    def bias(self, value: Any) -> None:
        self._parameter("bias").data = value

    def _own(self) -> dict[str, Parameter]:
        return {name.rpartition(".")[2]: parameter for name, parameter in self.layer.named_parameters()}

    def _owner(self) -> LayerOutput:
        """Return the nearest layer with parameters, this one or one before."""
        return self if self._attributes else self.parents[0]._owner()

    def _parameter(self, name: str) -> Parameter:
        owner = self._owner()
        if name not in owner._own():
            raise InvalidValueError(f"{owner._title}: there must be a {name}, but the layer was made without one.")
        return owner._own()[name]

    def layers(self) -> list[LayerOutput]:
        """All layers of the chain, the first one first.

        Returns
        -------
        list of LayerOutput
            The last is this one.
        """
        return [*self.parents[0].layers(), self]

    def network(self) -> Sequential:
        """Return the layers of the chain as one network of `fastconv.layers`, with the same parameters.

        Returns
        -------
        Sequential
            Takes images (N, C, H, W); can be trained, saved and summarised like any other.
        """
        parts: list[Layer] = [part for node in self.layers() for part in node.layer]
        return Sequential(*parts)

    def parameters(self) -> list[Parameter]:
        """All parameters of the chain.

        Returns
        -------
        list of Parameter
            What an optimiser of `fastconv.optim` takes.
        """
        return [parameter for parameter, _ in self._chain_attributes()]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters of the chain."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def _chain_attributes(self) -> list[tuple[Parameter, ParameterAttribute]]:
        return [pair for node in self.layers() for pair in node._attributes]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the parameters of the chain."""
        return self.parents[0].dtype

    @property
    def _title(self) -> str:
        return self.layer_type if self.name is None else f"{self.layer_type} {self.name!r}"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = np.asarray(self.output, dtype)
        return array.copy() if copy and array is self._output else array

    def __repr__(self) -> str:
        return f"LayerOutput({self._title}, image_shape={self.image_shape})"


class Data(LayerOutput):
    """The images at the beginning of a chain: an array, or a placeholder for one.

    Parameters
    ----------
    name : str or None
        Name of the placeholder.
    array : ndarray or None
        The images; a placeholder gets them from `forward`.
    size : int
        Numbers of one image.
    image_shape : (int, int, int), optional
        Channels, height and width, where they are known.
    """

    def __init__(self, name: str | None, array: Array | None, size: int, image_shape: ImageShape | None) -> None:
        self.name, self.layer_type, self.parents, self.size = name, "data", [], size
        self.image_shape = image_shape
        self.num_filters = None if image_shape is None else image_shape[0]
        self.activation = self.layer_attr = None
        self._attributes = []
        self._output = array
        self._pass = object()

    def forward(self, x: Any = None) -> Array:
        """Take new images, or return those that are there; see `LayerOutput.forward`."""
        if x is not None:
            self._output = check_array(self._title, "x", x)
            self._pass = object()
        return self.output

    def backward(self, dy: Any) -> Array:
        """Return `dy`: it is the gradient of the images."""
        return np.asarray(dy)

    @property
    def output(self) -> Array:
        """The images."""
        if self._output is None:
            raise NotRunError(f"{self._title}: there must be images before a layer can run. Pass them to forward.")
        return self._output

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 for images of float64, otherwise float32."""
        wide = self._output is not None and self._output.dtype == np.float64
        return np.dtype(np.float64 if wide else np.float32)

    def layers(self) -> list[LayerOutput]:
        """Nothing: it is no layer."""
        return []

    def _owner(self) -> LayerOutput:
        raise InvalidValueError(f"{self._title}: a layer must have parameters, but there is none with any.")

    def __repr__(self) -> str:
        return f"Data({self._title}, size={self.size}, image_shape={self.image_shape})"
