"""Which parameter of somebody's plain function is the stride, and how the function is called then."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.spelling import words


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_OF_ARRAYS = _set("array arr matrix mat tensor volume data in prev map maps batch")
_OF_SIZES = _set("size shape dim dims length amount")
_OF_WINDOWS = _OF_SIZES | _set("kernel filter pool pooling window field k f p block")

# Words of which one makes a parameter what it means, and words that may stand beside it.
_SAYING = {
    "dy": (
        _set("dy dz da dh do dv dp d dout doutput dloss dtop dldy dldz gy gout grad grads gradient gradients")
        | _set("upstream delta deltas error errors err sensitivity"),
        _OF_ARRAYS | _set("y z a h l o v out output outputs next loss top layer"),
    ),
    "x": (
        _OF_ARRAYS | _set("x a input inputs inp image images img imgs picture feature features fmap signal src"),
        frozenset(),
    ),
    "weight": (
        _set("w weight weights kernel kernels ker k filter filters filt filts fil f mask"),
        _OF_ARRAYS | {"conv", "bank"},
    ),
    "bias": (_set("b bias biases"), _OF_ARRAYS),
    "kernel": (_set("kernel filter pool pooling window win size ksize k f dims"), _OF_WINDOWS),
    "kernel_h": (_set("h height kh ph hh fh hf hk rows"), _OF_WINDOWS),
    "kernel_w": (_set("w width kw pw ww fw wf wk cols"), _OF_WINDOWS),
    "out_h": (_set("out_h out_height output_h output_height h_out oh"), frozenset()),
    "out_w": (_set("out_w out_width output_w output_width w_out ow"), frozenset()),
    "columns": (_set("col cols column columns dcol dcols dcolumn"), _OF_ARRAYS | _set("x d")),
    "shape": (_set("shape dims size"), _set("x a input inputs im image images img imgs output original data")),
    "stride": (_set("stride strides s step steps"), _OF_SIZES | {"pool", "pooling", "conv"}),
    "padding": (_set("padding pad pads p zp zeropad zeropadding"), _OF_SIZES | {"zero", "width"}),
    "dilation": (_set("dilation dilations dil rate d"), _OF_SIZES),
}
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_SIMPLE = (str, int, float, bool, type(None))


def means(name: str, meaning: str) -> bool:
    """Whether the name of a parameter may say what it means.

    Examples
    --------
    >>> means("input_image", "x"), means("next_dz", "dy"), means("filter_size", "weight")
    (True, True, False)
    """
    saying, beside = _SAYING[meaning]
    return any(spoken & saying and spoken <= saying | beside for spoken in ({name.lower()}, {*words(name)}))


def means_something(name: str) -> bool:
    """Whether the name of a parameter says anything that is known.

    Examples
    --------
    >>> means_something("input_image"), means_something("verbose")
    (True, False)
    """
    return any(means(name, meaning) for meaning in _SAYING)


@dataclass(frozen=True)
class Form:
    """The parameters of a plain function.

    Parameters
    ----------
    meanings : tuple of str
        What each parameter means, in their order; of one that means nothing known, its name.
    names : tuple of str
        What each is called.
    defaults : mapping of str to object
        Defaults by meaning.
    keyword_only : frozenset of str
        Meanings that are passed by name alone.
    unknown : frozenset of str
        Those that mean nothing known: they stay what they are by default.
    """

    meanings: tuple[str, ...]
    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    keyword_only: frozenset[str]
    unknown: frozenset[str] = frozenset()

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
        meanings, defaults, unknown = self.meanings, dict(self.defaults), self.unknown
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
            if unknown and not all(is_default(given.get(each, defaults[each]), defaults[each]) for each in unknown):
                raise Declined
            return {**defaults, **given}

        return read

    def wrapped(self, run: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
        """Return a function with these parameters, which hands their values by meaning to `run`."""
        read = self.reader()
        return lambda *args, **kwargs: run(read(args, kwargs))


def is_default(value: Any, default: Any) -> bool:
    """Whether a value is surely the same as a default."""
    return value is default or (type(value) is type(default) and isinstance(value, _SIMPLE) and value == default)


def read_form(function: Any, leading: tuple[str, ...], others: tuple[str, ...]) -> Form | None:
    """Return the form of a function whose parameters mean `leading`, in any order, and some of `others`.

    Parameters
    ----------
    function : callable
        Anything.
    leading : tuple of str
        Meanings that have to be there.
    others : tuple of str
        Meanings that may be there. A parameter of no known meaning is left at its default.

    Returns
    -------
    Form or None
        None if a parameter without a default means something else, or if a required one is missing.
    """
    try:
        parameters = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return None
    found: dict[str, inspect.Parameter] = {}
    unknown = set()
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        if parameter.kind not in (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY):
            return None
        meaning = next((one for one in (*leading, *others) if one not in found and means(parameter.name, one)), None)
        if meaning is None:
            if parameter.default is inspect.Parameter.empty or any(means(parameter.name, one) for one in _SAYING):
                return None
            meaning = f"={parameter.name}"
            unknown.add(meaning)
        found[meaning] = parameter
    if not set(leading) <= found.keys() or ("kernel_h" in found) != ("kernel_w" in found):
        return None
    return Form(
        tuple(found),
        tuple(parameter.name for parameter in found.values()),
        {one: given.default for one, given in found.items() if given.default is not inspect.Parameter.empty},
        frozenset(one for one, given in found.items() if given.kind is inspect.Parameter.KEYWORD_ONLY),
        frozenset(unknown),
    )


def called_like(original: Callable[..., Any], fast: Callable[..., Any], count: int | None = None) -> Callable[..., Any]:
    """Take arguments as the original does, by name and with its defaults.

    Parameters
    ----------
    original : callable
        Whose parameters they are.
    fast : callable
        Takes the first of them, by position.
    count : int, optional
        How many those are; all by default. A call that gives another of them something else than its default is
        left to the original.
    """
    parameters = [*inspect.signature(original).parameters.values()]
    count = len(parameters) if count is None else count
    signature = inspect.signature(original)
    defaults = [parameter.default for parameter in parameters[count:] if parameter.kind in _POSITIONAL]

    def function(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != count:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args, others = bound.args[:count], [*zip(bound.args[count:], defaults)]
            others += [(value, signature.parameters[name].default) for name, value in bound.kwargs.items()]
            if not all(is_default(value, default) for value, default in others):
                raise Declined
        return fast(*args)

    return function
