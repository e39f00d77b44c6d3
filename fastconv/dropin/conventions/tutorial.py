"""The hand-written network of the tutorials: classes for single images, width before height, results in attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.compat.tutorial.activators import IdentityActivator
from fastconv.compat.tutorial.functions import element_wise_op
from fastconv.dropin.conventions.calls import Calls, Declined
from fastconv.dropin.conventions.convention import Convention, Function, Implementation, parameter_names
from fastconv.dropin.conventions.expected import CONV_ROLES, Results
from fastconv.dropin.conventions.problem import Problem
from fastconv.dropin.conventions.spelling import words
from fastconv.dropin.conventions.ties import rule_of
from fastconv.validation.arrays import Array

_SOURCE = "hanbt/learn_dl, cnn.py, and the tutorials after it"
_IMAGE = ("self", "input_width", "input_height", "channel_number", "filter_width", "filter_height")
_CONV = (*_IMAGE, "filter_number", "zero_padding", "stride", "activator", "learning_rate")
_POOL = (*_IMAGE, "stride")
_FUNCTION_ROLES = {"forward": ("y",)}
_CONV_ROLES = {**CONV_ROLES, "bp_sensitivity_map": ("dx",), "bp_gradient": ("dweight", "dbias")}


class _Layers(Convention):
    """What both classes have in common: an object for every image, its result in ``output_array``."""

    source = _SOURCE

    def layer(self, implementation: Implementation, problem: Problem) -> Any:
        """An object of the class."""
        raise NotImplementedError

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        layers = []
        for image in problem.x:
            layers.append((self.layer(implementation, problem), problem.stored(image)))
            layers[-1][0].forward(layers[-1][1])
        return _stacked([layer.output_array for layer, _ in layers]), layers


def _stacked(arrays: list[Any]) -> Any:
    """One array of several; if they are none, the first, for the judge."""
    same = all(isinstance(array, np.ndarray) and array.shape == arrays[0].shape for array in arrays)
    return np.stack(arrays) if same else arrays[0]


class Conv(_Layers):
    """``ConvLayer(input_width, input_height, channel_number, filter_width, …)``."""

    name = "tutorial.conv2d"
    operations = ("conv2d",)
    form = "ConvLayer(input_width, …, stride, activator, learning_rate): forward(input_array), backward(…)"
    gives = _CONV_ROLES

    def methods_of(self, cls: type, *, said: bool = False) -> dict[str, str] | None:
        if tuple(parameter_names(cls.__init__)) != _CONV or not hasattr(cls, "forward"):  # type: ignore[misc]
            return None
        parts = ("bp_sensitivity_map", "bp_gradient")
        whole = all(hasattr(cls, name) for name in parts)
        roles = ("forward", *parts) if whole else ("forward", "backward")
        return {role: role for role in roles if hasattr(cls, role)}

    def layer(self, implementation: Implementation, problem: Problem) -> Any:
        (_, channels, height, width), (kernel_height, kernel_width) = problem.x.shape, problem.kernel
        weight, bias = problem.filters
        sizes = width, height, channels, kernel_width, kernel_height, len(weight)
        layer = implementation.made(*sizes, problem.padding[0], problem.stride[0], IdentityActivator(), 0.001)
        for index, filter_weight in enumerate(weight):
            layer.filters[index].weights = problem.stored(filter_weight)
            layer.filters[index].bias = float(bias[index])
        return layer

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        roles = [role] if role else [role for role in implementation.targets if role != "forward"]
        for (layer, image), sensitivities in zip(context, problem.gradient):
            for each in roles:
                dy, activator = problem.stored(sensitivities), IdentityActivator()
                arguments = {"backward": (image, dy, activator), "bp_sensitivity_map": (dy, activator)}
                getattr(layer, each)(*arguments.get(each, (dy,)))
        given = {name for each in roles for name in self.gives[each]}
        layers = [layer for layer, _ in context]
        filters = [[layer.filters[index] for index in range(problem.gradient.shape[1])] for layer in layers]
        return Results(
            None,
            _stacked([layer.delta_array for layer in layers]) if "dx" in given else None,
            _summed([[each.weights_grad for each in of_layer] for of_layer in filters]) if "dweight" in given else None,
            _summed([[each.bias_grad for each in of_layer] for of_layer in filters]) if "dbias" in given else None,
        )

    def resuming(self, implementation: Implementation, roles: Sequence[str]) -> dict[str, Function]:
        """Their parts of the backward pass, after their own forward pass on the last image."""

        def resumed(original: Function) -> Function:
            def part(self: Any, *args: Any, **kwargs: Any) -> Any:
                implementation["forward"](self, self.input_array)
                return original(self, *args, **kwargs)

            return part

        parts = [role for role in roles if role.startswith("bp_")] if "forward" in roles else []
        return {role: resumed(implementation[role]) for role in parts}

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        def forward(self: Any, input_array: Any) -> None:
            image = _image(input_array, self)
            biases = np.array([each.get_bias() for each in self.filters], np.float64)
            y = calls.conv2d(image, _weights(self), biases, stride=self.stride, padding=self.zero_padding)
            if self.output_array.shape != y.shape[1:]:
                raise Declined
            self.input_array = input_array
            self.padded_input_array = _padded(input_array, self.zero_padding)
            self.output_array[...] = y[0]
            element_wise_op(self.output_array, self.activator.forward)

        def gradients(self: Any, sensitivity_array: Any, *needs: str) -> Any:
            options = {"stride": self.stride, "padding": self.zero_padding, "needs": needs}
            dy = np.asarray(sensitivity_array, np.float64)[None]
            return calls.conv2d_backward(dy, _image(self.input_array, self), _weights(self), **options)

        def bp_sensitivity_map(self: Any, sensitivity_array: Any, activator: Any) -> None:
            dx, _, _ = gradients(self, sensitivity_array, "x")
            derivative_array = np.array(self.input_array)
            element_wise_op(derivative_array, activator.backward)
            self.delta_array = np.array(dx[0], order="C")
            self.delta_array *= derivative_array

        def bp_gradient(self: Any, sensitivity_array: Any) -> None:
            _, dweight, _ = gradients(self, sensitivity_array, "weight")
            for filter_, weights_grad, sensitivities in zip(self.filters, dweight, sensitivity_array):
                filter_.weights_grad[...] = weights_grad
                filter_.bias_grad = sensitivities.sum()

        def backward(self: Any, input_array: Any, sensitivity_array: Any, activator: Any) -> None:
            self.forward(input_array)
            bp_sensitivity_map(self, sensitivity_array, activator)
            bp_gradient(self, sensitivity_array)

        made = (forward, backward, bp_sensitivity_map, bp_gradient)
        return {function.__name__: function for function in made if function.__name__ in implementation}


def _summed(of_layers: list[list[Any]]) -> Any:
    """Sum over the images of what every filter has, as (F, …)."""
    return sum(np.array(of_layer) for of_layer in of_layers)


def _image(input_array: Any, layer: Any) -> Array:
    """(1, C, H, W) in float64; other ranks are left to the original."""
    if np.shape(input_array) != (layer.channel_number, layer.input_height, layer.input_width):
        raise Declined
    return np.asarray(input_array, np.float64)[None]


def _padded(image: Array, zp: int) -> Array:
    """The image with zeros around it; without any, the same object, as in the original. `np.pad` takes 20 µs."""
    if zp == 0:
        return image
    padded = np.zeros([image.shape[0], *(size + 2 * zp for size in image.shape[1:])])
    padded[:, zp:-zp, zp:-zp] = image
    return padded


def _weights(layer: Any) -> Array:
    return np.array([each.get_weights() for each in layer.filters], np.float64)


class Pool(_Layers):
    """``MaxPoolingLayer(input_width, input_height, channel_number, filter_width, filter_height, stride)``."""

    name = "tutorial.max_pool2d"
    operations = ("max_pool2d",)
    form = "MaxPoolingLayer(input_width, …, stride): forward(input_array), backward(input_array, sensitivity_array)"
    cached = False
    missing = ("padding", "dilation")

    def methods_of(self, cls: type, *, said: bool = False) -> dict[str, str] | None:
        if tuple(parameter_names(cls.__init__)) != _POOL:  # type: ignore[misc]
            return None
        return {role: role for role in self.gives if hasattr(cls, role)} or None

    def layer(self, implementation: Implementation, problem: Problem) -> Any:
        (_, channels, height, width), (kernel_height, kernel_width) = problem.x.shape, problem.kernel
        return implementation.made(width, height, channels, kernel_width, kernel_height, problem.stride[0])

    def backward(self, implementation: Implementation, problem: Problem, context: Any, role: str = "") -> Results:
        for (layer, image), sensitivities in zip(context, problem.gradient):
            layer.backward(image, problem.stored(sensitivities))
        return Results(None, _stacked([layer.delta_array for layer, _ in context]))

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        def windows(self: Any) -> tuple[Any, dict[str, Any]]:
            return (self.filter_height, self.filter_width), {"stride": self.stride}

        def forward(self: Any, input_array: Any) -> None:
            kernel, options = windows(self)
            y = calls.pool2d("max_pool2d", _image(input_array, self), kernel, **options)[0]
            if self.output_array.shape != y.shape:
                raise Declined
            self.output_array[...] = y

        def backward(self: Any, input_array: Any, sensitivity_array: Any) -> None:
            kernel, options = windows(self)
            dy = np.asarray(sensitivity_array, np.float64)[None]
            x, ties = _image(input_array, self), rule_of(implementation.details)
            dx = calls.pool2d_backward("max_pool2d", dy, x, kernel, ties=ties, **options)
            self.delta_array = np.array(dx[0], order="C")

        return {"forward": forward, "backward": backward}


class ConvFunction(Convention):
    """``conv(input_array, kernel_array, output_array, stride, bias)`` writes into output_array."""

    name = "tutorial.conv"
    operations = ("conv2d",)
    form = "conv(input_array, kernel_array, output_array, stride, bias), which writes into output_array"
    source = _SOURCE
    gives = _FUNCTION_ROLES
    cached = False
    missing = ("padding", "dilation")
    single = ("stride",)

    def role_of(self, name: str, found: Any) -> str | None:
        names = parameter_names(found)
        fits = "conv" in words(name) and len(names) == 5 and names[2].startswith("output")
        return "forward" if fits else None

    def forward(self, implementation: Implementation, problem: Problem) -> tuple[Any, Any]:
        weight, bias = problem.filters
        y = np.zeros((len(problem.x), len(weight), *problem.out))
        for image, outputs in zip(problem.x, y):
            for kernel, output, number in zip(weight, outputs, bias):
                pair = (image, kernel) if len(image) > 1 else (image[0], kernel[0])  # one channel may be said as none
                arrays = *map(problem.stored, pair), output
                implementation["forward"](*arrays, problem.stride[0], float(number))
        return y, None

    def fast(self, implementation: Implementation, calls: Calls) -> dict[str, Function]:
        def conv(input_array: Any, kernel_array: Any, output_array: Any, stride: Any, bias: Any) -> None:
            if input_array.ndim != kernel_array.ndim or input_array.ndim not in (2, 3):
                raise Declined
            if input_array.ndim == 2:
                input_array, kernel_array = input_array[None], kernel_array[None]
            y = calls.conv2d(input_array[None], kernel_array[None], np.array([bias], np.float64), stride=stride)[0, 0]
            height, width = output_array.shape
            if height > y.shape[0] or width > y.shape[1]:
                raise Declined
            output_array[...] = y[:height, :width]

        return {"forward": conv}


CONV, POOL, FUNCTION = Conv(), Pool(), ConvFunction()
