"""``Filter`` and ``ConvLayer`` of the original over the convolution of fastconv."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.backends.geometry import conv_axis
from fastconv.backends.locks import cached_property
from fastconv.compat.tutorial.activators import Activator
from fastconv.compat.tutorial.functions import element_wise_op, padding
from fastconv.compat.tutorial.images import Plane, as_images, as_sensitivities, stored
from fastconv.errors import InvalidTypeError, InvalidValueError, NotRunError, shown
from fastconv.functional import ConvGradients
from fastconv.functional.exact import conv2d, conv2d_backward
from fastconv.validation.arrays import Array, check_array, check_shape
from fastconv.validation.memory import check_fits
from fastconv.validation.operations import conv_geometry
from fastconv.validation.sizes import check_integer, check_number


class Filter:
    """Weights and bias of one filter, with their gradients.

    Parameters
    ----------
    width, height, depth : int
        Size of the filter; depth is the number of channels.

    Attributes
    ----------
    weights : ndarray, shape (depth, height, width)
        Drawn from ``np.random.uniform(-1e-4, 1e-4)``. Written in place or rebound, it counts at the next forward pass.
    bias : float
        0 at first; may be rebound as well.
    weights_grad : ndarray, shape (depth, height, width)
        Gradient of the weights after `ConvLayer.backward`.
    bias_grad : float
        Gradient of the bias.

    Examples
    --------
    >>> Filter(3, 2, depth=4).weights.shape
    (4, 2, 3)
    """

    def __init__(self, width: int, height: int, depth: int) -> None:
        sizes = {"depth": depth, "height": height, "width": width}
        depth, height, width = (check_integer("Filter", name, size, 0) for name, size in sizes.items())
        check_fits("Filter", "weights", (depth, height, width), np.dtype(np.float64).itemsize)
        self.weights: Any = np.random.uniform(-1e-4, 1e-4, (depth, height, width))
        self.bias: Any = 0
        self.weights_grad: Array = np.zeros(self.weights.shape)
        self.bias_grad: Any = 0

    def __repr__(self) -> str:
        bias = repr(self.bias)
        if bias.startswith("np."):  # the name of its type, which NumPy 2 puts around a number
            bias = str(self.bias)
        return f"filter weights:\n{self.weights!r}\nbias:\n{bias}"

    def get_weights(self) -> Any:
        """Return the weights."""
        return self.weights

    def get_bias(self) -> Any:
        """Return the bias."""
        return self.bias

    def update(self, learning_rate: float) -> None:
        """Take one step against the gradients: weights in place where they are floats, so that views see it.

        Parameters
        ----------
        learning_rate : float
            Factor of the gradients.
        """
        check_number("Filter.update", "learning_rate", learning_rate)
        if not isinstance(self.weights, np.ndarray) or self.weights.dtype.kind != "f":
            self.weights = np.asarray(self.weights, np.float64)
        self.weights -= learning_rate * self.weights_grad
        self.bias -= learning_rate * self.bias_grad


class ConvLayer:
    """A convolutional layer with its activation.

    ``(C, H, W) -> (F, OH, OW)``, or ``(N, C, H, W) -> (N, F, OH, OW)``

    Parameters
    ----------
    input_width, input_height : int
        Size of the image, width first.
    channel_number : int
        Channels of the image.
    filter_width, filter_height : int
        Size of the filters, width first.
    filter_number : int
        Number of filters.
    zero_padding : int
        Zeros on every side of the image.
    stride : int
        Cells between neighbouring windows.
    activator : object
        With ``forward(weighted_input)`` and ``backward(output)``; functions of one number will do.
    learning_rate : float
        Step of `update`.

    Attributes
    ----------
    filters : list of Filter
        Read at every pass: what is written into it, or into a filter, counts.
    output_width, output_height : int
        Size of the output.
    output_array : ndarray of float64, shape (F, OH, OW) or (N, F, OH, OW)
        After `forward`. As there it is one array, written over by the next pass of the same shape.
    input_array, padded_input_array : ndarray
        The last input, and the same with its padding.
    delta_array : ndarray of float64, shape (C, H, W) or (N, C, H, W)
        After `backward`: the gradient with respect to the weighted input of the layer before.

    Raises
    ------
    ValueError
        If a size is not positive, or a filter is larger than the padded image.
    TypeError
        If a size is not an integer.

    Notes
    -----
    Computed by `fastconv.conv2d` and `fastconv.conv2d_backward` in float64, on the current backend.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv.compat.tutorial import ConvLayer, ReluActivator
    >>> layer = ConvLayer(6, 5, 3, 3, 2, 4, 1, 2, ReluActivator(), 0.001)
    >>> layer.forward(np.ones((3, 5, 6)))
    >>> layer.output_array.shape
    (4, 3, 3)
    """

    input_array: Array
    delta_array: Array

    def __init__(
        self,
        input_width: int,
        input_height: int,
        channel_number: int,
        filter_width: int,
        filter_height: int,
        filter_number: int,
        zero_padding: int,
        stride: int,
        activator: Activator,
        learning_rate: float,
    ) -> None:
        self.input_width = check_integer("ConvLayer", "input_width", input_width, 1)
        self.input_height = check_integer("ConvLayer", "input_height", input_height, 1)
        self.channel_number = check_integer("ConvLayer", "channel_number", channel_number, 1)
        self.filter_width = check_integer("ConvLayer", "filter_width", filter_width, 1)
        self.filter_height = check_integer("ConvLayer", "filter_height", filter_height, 1)
        self.filter_number = check_integer("ConvLayer", "filter_number", filter_number, 1)
        self.zero_padding = check_integer("ConvLayer", "zero_padding", zero_padding, 0)
        self.stride = check_integer("ConvLayer", "stride", stride, 1)
        self.output_height, self.output_width = self._output_size(self.stride)
        self.output_array: Array = np.zeros((self.filter_number, self.output_height, self.output_width))
        self.filters = [Filter(filter_width, filter_height, channel_number) for _ in range(filter_number)]
        self.activator = activator
        self.learning_rate = learning_rate

    @staticmethod
    def calculate_output_size(input_size: int, filter_size: int, zero_padding: int, stride: int) -> int:
        """Return the number of windows along an axis; where the stride does not divide, the rest is left over."""
        sizes = {"input_size": (input_size, 0), "filter_size": (filter_size, 0), "stride": (stride, 1),
                 "zero_padding": (zero_padding, 0)}  # fmt: skip
        size, window, step, zeros = (
            check_integer("ConvLayer.calculate_output_size", name, *each) for name, each in sizes.items()
        )
        return conv_axis(size, window, step, 1, zeros, zeros).out

    @cached_property
    def padded_input_array(self) -> Any:
        """The last input with its padding; the same object where there is none. Nothing here needs it."""
        return padding(self.input_array, self.zero_padding)

    def forward(self, input_array: Any) -> None:
        """Compute `output_array`.

        Parameters
        ----------
        input_array : array_like, shape (C, H, W), (N, C, H, W), or (H, W) where there is one channel
            The image, or a batch of them.

        Raises
        ------
        ValueError
            If the input, or the weights of a filter, have another shape.
        TypeError
            If a dtype is not taken, or a bias is not one real number.
        """
        self.input_array = check_array("ConvLayer.forward", "input_array", input_array)
        vars(self).pop("padded_input_array", None)
        y = conv2d(self._images("forward"), self._weights("forward"), self._biases("forward"), **self._options)
        self.output_array = stored(self.output_array, y if self.input_array.ndim == 4 else y[0])
        del y  # the activation gets its memory: 0.22 ms instead of 0.60 for 16×64×64 and ReLU
        element_wise_op(self.output_array, _function("forward", self.activator, "forward"))

    def backward(self, input_array: Any, sensitivity_array: Any, activator: Activator) -> None:
        """Compute `delta_array` and the gradients of all filters; runs `forward` first.

        Parameters
        ----------
        input_array : array_like
            As for `forward`.
        sensitivity_array : array_like, shaped like the output
            Gradient of the loss with respect to the weighted inputs of this layer (before its activation).
        activator : object
            The activator of the layer before: its ``backward`` is applied to `input_array`, which is its output.
        """
        self.forward(input_array)
        self.bp_sensitivity_map(sensitivity_array, activator)
        self.bp_gradient(sensitivity_array)

    def update(self) -> None:
        """Take one step: ``weights -= learning_rate * weights_grad``, and the same for the biases."""
        for filter_ in self.filters:
            filter_.update(self.learning_rate)

    def bp_sensitivity_map(self, sensitivity_array: Any, activator: Activator) -> None:
        """Compute `delta_array` from the sensitivities of this layer, for the last input; see `backward`."""
        dx = self._gradients("bp_sensitivity_map", sensitivity_array, "x").dx
        derivative_array = np.array(self.input_array, np.float64)
        element_wise_op(derivative_array, _function("bp_sensitivity_map", activator, "backward"))
        self.delta_array = np.array(dx if self.input_array.ndim == 4 else dx[0], order="C")  # type: ignore[index]
        self.delta_array *= derivative_array

    def bp_gradient(self, sensitivity_array: Any) -> None:
        """Compute the gradients of all filters, for the last input; of a batch, their sum."""
        gradients = self._gradients("bp_gradient", sensitivity_array, "weight", "bias")
        for filter_, dweight, dbias in zip(self.filters, gradients.dweight, gradients.dbias):  # type: ignore[arg-type]
            filter_.weights_grad[...] = dweight
            filter_.bias_grad = dbias

    def expand_sensitivity_map(self, sensitivity_array: Any) -> Array:
        """Spread sensitivities with zeros between them, as if the stride were 1.

        ``(..., OH, OW) -> (..., H + 2 zero_padding - filter_height + 1, W + 2 zero_padding - filter_width + 1)``

        Nothing here needs it; it is for code that calls it.
        """
        operation, name = "ConvLayer.expand_sensitivity_map", "sensitivity_array"
        sensitivities = check_array(operation, name, sensitivity_array)
        check_shape(operation, name, sensitivities.shape[-2:], self._output_plane[1:], "its last two axes")
        expanded = np.zeros((*sensitivities.shape[:-2], *self._output_size(1)))
        expanded[..., :: self.stride, :: self.stride] = sensitivities
        return expanded

    def create_delta_array(self) -> Array:
        """Return zeros shaped like one image."""
        return np.zeros(self._input_plane)

    @property
    def _options(self) -> dict[str, Any]:
        return {"stride": self.stride, "padding": self.zero_padding}

    @property
    def _input_plane(self) -> Plane:
        return self.channel_number, self.input_height, self.input_width

    @property
    def _output_plane(self) -> Plane:
        return self.filter_number, self.output_height, self.output_width

    @property
    def _filter_shape(self) -> Plane:
        return self.channel_number, self.filter_height, self.filter_width

    def _output_size(self, stride: int) -> tuple[int, ...]:
        """(OH, OW) for this stride."""
        image, weight = (1, *self._input_plane), (self.filter_number, *self._filter_shape)
        padding_ = (self.zero_padding, self.zero_padding)
        # item size 0: a layer may be larger than this machine, until it runs
        return conv_geometry("ConvLayer", image, weight, (stride,) * 2, (padding_,) * 2, (1, 1), 1, 0).out

    def _gradients(self, method: str, sensitivity_array: Any, *needs: str) -> ConvGradients:
        images = self._images(method)
        dy = as_sensitivities(f"ConvLayer.{method}", sensitivity_array, self._output_plane, len(images))
        return conv2d_backward(dy, images, self._weights(method), **self._options, needs=needs)

    def _images(self, method: str) -> Array:
        """(N, C, H, W) of the last input."""
        if not hasattr(self, "input_array"):
            raise NotRunError(f"ConvLayer.{method}: forward must run first.")
        return as_images(f"ConvLayer.{method}", "input_array", self.input_array, self._input_plane)

    def _weights(self, method: str) -> Array:
        """(F, C, KH, KW), as the filters have them now."""
        if len(self.filters) < self.filter_number:
            raise InvalidValueError(
                f"ConvLayer.{method}: filters must have filter_number={self.filter_number} filters, but got "
                f"{len(self.filters)}."
            )
        weights = []
        for i, filter_ in enumerate(self.filters[: self.filter_number]):
            name = f"filters[{i}].weights"
            weights.append(check_array(f"ConvLayer.{method}", name, filter_.get_weights()))
            check_shape(f"ConvLayer.{method}", name, weights[-1].shape, self._filter_shape, "depth, height, width")
        return np.array(weights, np.float64)

    def _biases(self, method: str) -> Array:
        biases = [np.asarray(filter_.get_bias()) for filter_ in self.filters[: self.filter_number]]
        for i, bias in enumerate(biases):
            if bias.ndim or bias.dtype.kind not in "biuf":
                raise InvalidTypeError(
                    f"ConvLayer.{method}: filters[{i}].bias must be one real number, but got {bias.tolist()!r}."
                )
        return np.array(biases, np.float64)


def _function(method: str, activator: Any, name: str) -> Any:
    """Return a function of an activator."""
    function = getattr(activator, name, None)
    if not callable(function):
        raise InvalidTypeError(
            f"ConvLayer.{method}: activator must have the methods forward and backward, but got {shown(activator)}."
        )
    return function
