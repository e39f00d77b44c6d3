"""Attributes of parameters and layers: how weights are drawn, and what Paddle lets one say about them."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from fastconv.errors import InvalidTypeError, InvalidValueError, shown
from fastconv.validation.arrays import Array
from fastconv.validation.memory import check_fits
from fastconv.validation.sizes import check_flag, check_number

__all__ = [
    "Extra",
    "ExtraAttr",
    "ExtraLayerAttribute",
    "Param",
    "ParamAttr",
    "ParameterAttribute",
    "bias_attribute",
    "extra_attribute",
    "param_attribute",
]

_DEFAULT_STD = 0.01


class ParameterAttribute:
    """How a parameter is drawn, and how fast it learns.

    Parameters
    ----------
    name : str, optional
        Kept, without effect.
    is_static : bool
        True freezes the parameter.
    initial_std, initial_mean : float, optional
        Normal distribution; where only one is given, the other is 0.01 or 0.
    initial_max, initial_min : float, optional
        Uniform distribution; both must be given.
    l1_rate, l2_rate, momentum, gradient_clipping_threshold, sparse_update, update_hooks
        Must stay as they are: they belong to an optimiser, see `fastconv.optim`.
    learning_rate : float, optional
        Factor of the learning rate of `LayerOutput.update`.
    initial_smart : bool, optional
        Normal distribution with the standard deviation ``sqrt(2 / (filter_size**2 * num_channels))``. The default
        where nothing else is said about initial values.

    Attributes
    ----------
    attr : dict
        What was said, by the names that Paddle has for it. Read when a layer is made, never written.

    Raises
    ------
    ValueError
        If the initial values contradict each other, or something is asked for that is not supported.
    TypeError
        If an argument has the wrong type.

    Examples
    --------
    >>> ParameterAttribute().attr
    {'initial_smart': True}
    >>> ParameterAttribute(initial_std=0.1, learning_rate=2.0).attr
    {'initial_std': 0.1, 'initial_strategy': 0, 'learning_rate': 2.0}
    """

    def __init__(
        self,
        name: str | None = None,
        is_static: bool = False,
        initial_std: float | None = None,
        initial_mean: float | None = None,
        initial_max: float | None = None,
        initial_min: float | None = None,
        l1_rate: float | None = None,
        l2_rate: float | None = None,
        learning_rate: float | None = None,
        momentum: float | None = None,
        gradient_clipping_threshold: float | None = None,
        sparse_update: bool = False,
        update_hooks: Any = None,
        *,
        initial_smart: bool | None = None,
    ) -> None:
        _refuse(
            "ParameterAttribute",
            "an optimiser of fastconv.optim has such options",
            l1_rate=l1_rate,
            l2_rate=l2_rate,
            momentum=momentum,
            gradient_clipping_threshold=gradient_clipping_threshold,
            sparse_update=sparse_update,
            update_hooks=update_hooks,
        )
        self.attr = _initial(initial_std, initial_mean, initial_max, initial_min, initial_smart)
        if check_flag("ParameterAttribute", "is_static", is_static):
            self.attr["is_static"] = True
        if learning_rate is not None:
            self.attr["learning_rate"] = check_number("ParameterAttribute", "learning_rate", learning_rate, least=0)
        if name is not None:
            self.attr["parameter_name"] = name

    def draw(self, shape: tuple[int, ...], filter_size: int, num_channels: int) -> Array:
        """Draw a weight of a convolution from the global ``np.random``.

        Parameters
        ----------
        shape : tuple of int
            Shape of the weight.
        filter_size : int
            Width of the filter, squared in ``initial_smart`` whatever its height is, as there.
        num_channels : int
            Channels of the input, of all groups.

        Returns
        -------
        ndarray of float64
            The weight.
        """
        check_fits("ParameterAttribute", "a weight", shape, np.dtype(np.float64).itemsize)
        if self.attr.get("initial_smart"):
            return np.random.normal(0.0, sqrt(2.0 / (filter_size**2 * num_channels)), shape)
        return self.draw_plain(shape)

    def draw_plain(self, shape: tuple[int, ...]) -> Array:
        """Draw a parameter by mean and spread; zeros where nothing was said about initial values.

        Parameters
        ----------
        shape : tuple of int
            Shape of the parameter.

        Returns
        -------
        ndarray of float64
            The parameter.
        """
        if self.attr.get("initial_smart"):
            return np.zeros(shape)
        mean, std = self.attr.get("initial_mean", 0.0), self.attr.get("initial_std", _DEFAULT_STD)
        if self.attr.get("initial_strategy") == 1:
            return np.random.uniform(mean - std, mean + std, shape)
        return np.random.normal(mean, std, shape)

    def __repr__(self) -> str:
        return f"ParameterAttribute({self.attr})"


Param = ParamAttr = ParameterAttribute


class ExtraLayerAttribute:
    """What else Paddle lets one say about a layer.

    Parameters
    ----------
    error_clipping_threshold, drop_rate : float, optional
        Must not be given: they would change the numbers, and are not supported.
    device : int, optional
        Kept, without effect: everything runs on the CPU.

    Raises
    ------
    ValueError
        If something is asked for that is not supported.

    Examples
    --------
    >>> ExtraLayerAttribute(device=0).attr
    {'device': 0}
    """

    def __init__(
        self, error_clipping_threshold: float | None = None, drop_rate: float | None = None, device: int | None = None
    ) -> None:
        _refuse("ExtraLayerAttribute", "clip gradients yourself", error_clipping_threshold=error_clipping_threshold)
        _refuse("ExtraLayerAttribute", "put fastconv.layers.Dropout behind the layer", drop_rate=drop_rate)
        self.attr = {} if device is None else {"device": device}

    def __repr__(self) -> str:
        return f"ExtraLayerAttribute({self.attr})"


Extra = ExtraAttr = ExtraLayerAttribute


def param_attribute(
    operation: str, value: Any, name: str = "param_attr", allowed: str = "a ParameterAttribute or None"
) -> ParameterAttribute:
    """Return what `param_attr` says; None is the default."""
    if value is None:
        return ParameterAttribute()
    if not isinstance(value, ParameterAttribute):
        raise InvalidTypeError(f"{operation}: {name} must be {allowed}, but got {shown(value)}.")
    return value


def bias_attribute(operation: str, value: Any) -> ParameterAttribute | None:
    """Return what `bias_attr` says: None for no bias; None and True mean one that starts at 0."""
    if value is False:
        return None
    given = None if value is True else value
    return param_attribute(operation, given, "bias_attr", "True, False, None or a ParameterAttribute")


def extra_attribute(operation: str, value: Any) -> ExtraLayerAttribute | None:
    """Return what `layer_attr` says."""
    if value is not None and not isinstance(value, ExtraLayerAttribute):
        raise InvalidTypeError(
            f"{operation}: layer_attr must be an ExtraLayerAttribute or None, but got {shown(value)}."
        )
    return value


def _initial(std: Any, mean: Any, most: Any, least: Any, smart: Any) -> dict[str, Any]:
    """Initial values by the names of `attr`."""
    if smart is not None:
        check_flag("ParameterAttribute", "initial_smart", smart)
    said = {"initial_std": std, "initial_mean": mean, "initial_max": most, "initial_min": least}
    given = {name: check_number("ParameterAttribute", name, each) for name, each in said.items() if each is not None}
    if not given and smart is not False:
        return {"initial_smart": True}
    names = set(given)
    if smart or not (names <= {"initial_std", "initial_mean"} or names == {"initial_max", "initial_min"}):
        raise InvalidValueError(
            "ParameterAttribute: initial values must be given by initial_std and initial_mean, or by initial_max and "
            f"initial_min, or by initial_smart, but got {given}" + (" and initial_smart=True." if smart else ".")
        )
    if given.get("initial_std", 0.0) < 0 or given.get("initial_min", 0.0) > given.get("initial_max", 0.0):
        raise InvalidValueError(f"ParameterAttribute: initial values must have a spread of 0 or more, but got {given}.")
    if "initial_max" in given:
        middle = (given["initial_max"] + given["initial_min"]) / 2
        return {"initial_mean": middle, "initial_std": middle - given["initial_min"], "initial_strategy": 1}
    return {**given, "initial_strategy": 0}


def _refuse(where: str, instead: str, **values: Any) -> None:
    """Refuse arguments that would change the numbers and are not supported."""
    for name, value in values.items():
        if value is not None and not (isinstance(value, (int, float)) and not value):
            raise InvalidValueError(
                f"{where}: {name} must not be given, since it would change the numbers and is not supported, but got "
                f"{shown(value)}; {instead}."
            )
