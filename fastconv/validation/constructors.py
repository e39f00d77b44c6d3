"""Constructors that know the likely mistake: an argument that they do not take, lack, or want the name of.

What is called is the class, so its metaclass can say what is wrong with a call, and ``__init__`` stays as it is, for
`inspect.signature`, `help` and editors. A function has no such place: the interpreter refuses its arguments before
anything of it runs, and names what was meant from Python 3.13 on.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Mapping
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any

from fastconv.errors import FastconvError, InvalidTypeError, meant, shown

_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_ANY_NUMBER = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class Constructed(ABCMeta):
    """Metaclass of what users make: a call that does not fit ``__init__`` says which argument was meant.

    It is that of abstract classes, too, so that classes of users may be both.
    """

    if not TYPE_CHECKING:  # or type checkers and editors would look here for the arguments

        def __call__(cls, /, *args: Any, **options: Any) -> Any:
            """Return a new object, or say what is wrong with the arguments."""
            try:
                return super().__call__(*args, **options)
            except TypeError as error:
                wrong = None if isinstance(error, FastconvError) else misfit(cls, args, options)
                if wrong is None:
                    raise
                raise wrong from None

        @property
        def __signature__(cls) -> Signature:
            """What `inspect.signature` would find without a metaclass."""
            whole = signature(cls.__init__)
            return whole.replace(parameters=[*whole.parameters.values()][1:])


def misfit(cls: type, args: tuple[Any, ...], options: Mapping[str, Any]) -> InvalidTypeError | None:
    """Return the error of arguments that a class does not take; None if they fit, and something else went wrong."""
    try:
        every = signature(cls).parameters
    except (TypeError, ValueError):  # of somebody's own class
        return None
    kinds = {each.kind for each in every.values()}
    known = {name: each for name, each in every.items() if each.kind not in _ANY_NUMBER}
    places = [name for name, each in known.items() if each.kind in _BY_PLACE]
    unknown = [name for name in options if name not in known and Parameter.VAR_KEYWORD not in kinds]
    given = [*places[: len(args)], *options]
    missing = [name for name, each in known.items() if each.default is Parameter.empty and name not in given]
    twice = [name for name in places[: len(args)] if name in options]
    if unknown:
        rule = f"arguments must be among {', '.join(known)}" if known else "arguments must have no name"
        got = f"{', '.join(map(shown, unknown[:3]))}.{meant(unknown[0], known)}"
    elif len(args) > len(places) and Parameter.VAR_POSITIONAL not in kinds:
        others = "".join(f" {name}=," for name in known if name not in places)[:-1]
        others = f" Name the others:{others}." if others else ""
        rule = f"only {', '.join(places)} may come without a name" if places else "every argument must have a name"
        got = f"{len(args)} arguments.{others}"
    elif twice:
        rule, got = f"{twice[0]} must be given once", "it with and without its name."
    elif missing:
        rule, got = f"{', '.join(missing)} must be given", f"{', '.join(given) or 'no argument'}."
    else:
        return None
    return InvalidTypeError(f"{cls.__name__}: {rule}, but got {got}")
