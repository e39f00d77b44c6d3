"""Which parameter of somebody's plain function is the stride, and how the function is called then."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastconv.dropin.conventions.calls import Declined

# What parameters are called, in lower case, by what they mean.
NAMES = {
    "dy": {"dy", "dout", "grad", "grad_output", "grad_out", "gradient", "upstream", "dz", "delta", "d_out", "dl_dy"},
    "x": {"x", "input", "inputs", "image", "images", "img", "imgs", "data", "a", "input_data", "a_prev", "in_array"},
    "weight": {"w", "weight", "weights", "kernel", "kernels", "filter", "filters", "k", "filt", "f", "fil"},
    "bias": {"b", "bias", "biases"},
    "kernel": {"kernel_size", "size", "pool_size", "ksize", "k", "pool", "window", "window_size", "kernel", "f"},
    "kernel_h": {"pool_h", "kernel_h", "pool_height", "kernel_height", "kh", "filter_h", "ph"},
    "kernel_w": {"pool_w", "kernel_w", "pool_width", "kernel_width", "kw", "filter_w", "pw"},
    "stride": {"stride", "strides", "s", "step"},
    "padding": {"padding", "pad", "p", "zero_padding", "pads"},
    "dilation": {"dilation", "dilations", "dilation_rate", "d", "rate"},
}
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Form:
    """The parameters of a plain function.

    Parameters
    ----------
    meanings : tuple of str
        What each parameter means, in their order: a key of `NAMES`.
    names : tuple of str
        What each is called.
    defaults : mapping of str to object
        Defaults by meaning.
    keyword_only : frozenset of str
        Meanings that are passed by name alone.
    """

    meanings: tuple[str, ...]
    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    keyword_only: frozenset[str]

    def __contains__(self, meaning: str) -> bool:
        return meaning in self.meanings

    def call(self, function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """Call the function with values by meaning; those that it does not take are left out, others are defaults."""
        values = {**self.defaults, **values}
        args = [values[meaning] for meaning in self.meanings if meaning not in self.keyword_only]
        named = zip(self.meanings, self.names)
        return function(*args, **{name: values[meaning] for meaning, name in named if meaning in self.keyword_only})

    def reader(self) -> Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]:
        """Return the function that gives the values of a call by meaning; quicker than `inspect.Signature.bind`."""
        meanings, defaults = self.meanings, dict(self.defaults)
        of_name = dict(zip(self.names, meanings))
        required = {meaning for meaning in meanings if meaning not in defaults}
        positional = len(meanings) - len(self.keyword_only)

        def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
            given = dict(zip(meanings, args))
            for name, value in kwargs.items():
                if name not in of_name or of_name[name] in given:
                    raise Declined
                given[of_name[name]] = value
            if len(args) > positional or not required <= given.keys():
                raise Declined  # the original says what is wrong
            return {**defaults, **given}

        return read


def read_form(function: Any, leading: tuple[str, ...], others: tuple[str, ...]) -> Form | None:
    """Return the form of a function whose first parameters mean `leading`, and the rest some of `others`.

    Parameters
    ----------
    function : callable
        Anything.
    leading : tuple of str
        Meanings of the first parameters.
    others : tuple of str
        Meanings that may follow.

    Returns
    -------
    Form or None
        None if a parameter means something else or a required one is missing.
    """
    try:
        parameters = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return None
    found: dict[str, inspect.Parameter] = {}
    for index, parameter in enumerate(parameters):
        allowed = leading[index : index + 1] or tuple(meaning for meaning in others if meaning not in found)
        meaning = next((one for one in allowed if parameter.name.lower() in NAMES[one]), None)
        if meaning is None or parameter.kind not in (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY):
            return None
        found[meaning] = parameter
    if not set(leading) <= found.keys() or ("kernel_h" in found) != ("kernel_w" in found):
        return None
    return Form(
        tuple(found),
        tuple(parameter.name for parameter in found.values()),
        {one: given.default for one, given in found.items() if given.default is not inspect.Parameter.empty},
        frozenset(one for one, given in found.items() if given.kind is inspect.Parameter.KEYWORD_ONLY),
    )
