"""Every known convention, and finding the loop implementations in a module, a class or a function."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from fastconv.dropin.conventions import (
    columns,
    coursera,
    cs231n,
    plain_cached,
    plain_operations,
    scratch,
    tutorial,
)
from fastconv.dropin.conventions.convention import Convention, Implementation, Target
from fastconv.dropin.conventions.spelling import BACKWARD, FORWARD, words
from fastconv.errors import InvalidTypeError, InvalidValueError, meant, shown

# In the order in which they are tried.
CONVENTIONS: tuple[Convention, ...] = (
    cs231n.CONV,
    *cs231n.POOLS,
    coursera.CONV,
    coursera.POOL,
    scratch.CONV,
    *scratch.POOLS,
    tutorial.CONV,
    tutorial.POOL,
    tutorial.FUNCTION,
    columns.SCRATCH,
    columns.INDICES,
    columns.CYTHON,
    columns.SIX_AXES,
    columns.PLAIN,
    plain_operations.CONV,
    *plain_operations.POOLS,
    plain_cached.CONV,
    *plain_cached.POOLS,
)

Candidate = tuple[Convention, str]


def by_name(name: str, *, source: str = "recognise") -> tuple[Convention, str | None]:
    """Return a convention by its name, and the role where one is named.

    Parameters
    ----------
    name : str
        Such as "cs231n.conv2d" or "cs231n.conv2d.forward".
    source : str
        Who asks, for messages.

    Raises
    ------
    ValueError
        If there is no such convention or role; the message lists them.
    """
    for convention in CONVENTIONS:
        if name == convention.name:
            return convention, None
        for role in convention.gives:
            if name == f"{convention.name}.{role}":
                return convention, role
    names = [convention.name for convention in CONVENTIONS]
    hint = meant(name, [*names, *(f"{each.name}.{role}" for each in CONVENTIONS for role in each.gives)])
    raise InvalidValueError(
        f"{source}: a convention must be one of {', '.join(names)}, or one of them with .forward or .backward, but got "
        f"{shown(name)}.{hint}"
    )


def recognise(
    target: Any, mapping: Mapping[str, str] | None = None, *, source: str = "recognise"
) -> list[Implementation]:
    """Find the loop implementations of known conventions.

    Parameters
    ----------
    target : module, class or function
        Where to look. In a module, what is defined there counts; what it imports counts if there is nothing else, or if
        `mapping` names it.
    mapping : mapping of str to str, optional
        Conventions of functions or classes with other names, such as ``{"my_conv": "cs231n.conv2d.forward"}``; see
        `by_name`.
    source : str
        Who asks, for messages.

    Returns
    -------
    list of Implementation
        Classes, then functions, in the order in which they are defined; forward and backward together.

    Raises
    ------
    ValueError
        If `mapping` names a convention that is not known, or a function that is not there.
    TypeError
        If `target` is something else; for an instance the message names its class.
    """
    names = _names(target, source)
    mapped = _mapped(target, names, {} if mapping is None else mapping, source)
    own = {name: held for name, held in names.items() if name in mapped or _is_own(target, held[1])}
    others = {name: held for name, held in names.items() if name in mapped or not _is_ours(held[1])}
    return _among(own, mapped, source) or _among(others, mapped, source)


def unrecognised(
    target: Any, found: Iterable[Implementation], *, source: str = "recognise"
) -> Iterator[tuple[Any, str, Any]]:
    """Give what is defined in a target and is of no known convention: who holds it, its name, and itself.

    Parameters
    ----------
    target : module, class or function
        Where to look.
    found : iterable of Implementation
        What was recognised there.
    source : str
        Who asks, for messages.
    """
    taken = {id(each.cls) for each in found}
    taken |= {id(held.function) for each in found for held in each.targets.values()}
    for name, (owner, value) in _names(target, source).items():
        if id(value) not in taken and _is_own(target, value):
            yield owner, name, value


def _among(
    names: Mapping[str, tuple[Any, Any]], mapped: Mapping[str, tuple[Convention, str | None]], source: str
) -> list[Implementation]:
    """The implementations among named functions and classes."""
    found: list[Implementation] = []
    loose: list[tuple[Target, list[Candidate], bool]] = []
    for name, (owner, value) in names.items():
        if isinstance(value, type):
            found += _classes(value, mapped[name][0] if name in mapped else None, source)
            continue
        if name in mapped:
            convention, role = mapped[name]
            candidates = [(convention, role or convention.default_role(name))]
        else:
            given = getattr(value, "__name__", name)
            candidates = list(_candidates(name, value)) or list(_candidates(given, value))
        if candidates:
            loose.append((Target(owner, name, value), candidates, name in mapped))
    return found + _paired(loose)


def _names(target: Any, source: str) -> dict[str, tuple[Any, Any]]:
    """Everything that may be an implementation: name to its owner and itself."""
    if isinstance(target, ModuleType):
        return {name: (target, value) for name, value in vars(target).items() if callable(value)}
    if isinstance(target, type):
        methods = {
            name: (target, value.__func__) for name, value in vars(target).items() if isinstance(value, staticmethod)
        }
        return {target.__name__: (home_of(target)[0], target), **methods}
    if inspect.isroutine(target):
        module, name = home_of(target)
        return {name: (module, target)}
    raise InvalidTypeError(
        f"{source}: the target must be a module, a class or a function, but got {type(target).__name__}.{_hint(target)}"
    )


def _hint(target: Any) -> str:
    if isinstance(target, str):
        return " Import the module first."
    if target is None or isinstance(target, (list, tuple, dict)):
        return ""
    return " Pass the function that it calls." if callable(target) else f" Pass its class, {type(target).__name__}."


def home_of(found: Any) -> tuple[Any, str]:
    """The module in which a function or class is still found, and under which name: its own, or that of a closure."""
    module = sys.modules.get(getattr(found, "__module__", None) or "")
    held = [name for name, value in vars(module).items() if value is found] if module else []
    name = held[0] if held and found.__name__ not in held else found.__name__
    return (module if held else None), name


def _mapped(
    target: Any, names: Mapping[str, Any], mapping: Mapping[str, str], source: str
) -> dict[str, tuple[Convention, str | None]]:
    if not isinstance(mapping, Mapping):
        raise InvalidTypeError(
            f"{source}: mapping must map names to conventions, such as {{'my_conv': 'plain.conv2d'}}, but got"
            f" {type(mapping).__name__}."
        )
    for name in mapping:
        if name not in names:
            raise InvalidValueError(
                f"{source}: mapping must name functions or classes of {getattr(target, '__name__', target)}, but got "
                f"{name!r}, which is not there.{meant(name, names)}"
            )
    return {name: by_name(convention, source=source) for name, convention in mapping.items()}


def _is_own(target: Any, value: Any) -> bool:
    """Whether something was defined in a module, and not imported by it; a class or function stands for itself."""
    if isinstance(target, ModuleType):
        return getattr(value, "__module__", None) == target.__name__ and not _is_ours(value)
    return not _is_ours(value)


def _is_ours(value: Any) -> bool:
    """Whether something is a function or class of fastconv."""
    home = getattr(value, "__module__", None) or ""
    return home.startswith("fastconv.") and hasattr(value, "__name__") and home_of(value)[0] is not None


def _candidates(name: str, value: Any) -> Iterator[Candidate]:
    for convention in CONVENTIONS:
        role = convention.role_of(name, value)
        if role is not None:
            yield convention, role


def _classes(cls: type, said: Convention | None, source: str) -> list[Implementation]:
    for convention in CONVENTIONS if said is None else (said,):
        methods = convention.methods_of(cls, said=said is not None)
        if methods is not None:
            targets = {role: Target(cls, method, getattr(cls, method)) for role, method in methods.items()}
            return [Implementation(convention, targets, cls)]
    if said is not None:
        raise InvalidValueError(f"{source}: {cls.__name__} must be a class of the form {said.form} ({said.name}).")
    return []


def _stem(name: str) -> str:
    """What forward and backward of a pair have in common in their names."""
    role = columns.columns_role(name)
    if role is not None:
        return " ".join(("im2col", *words(name)[1:])) if role in words(name) else "im2col"
    spoken = words(name)
    if spoken[:1] == ["d"]:
        spoken = spoken[1:]
    return " ".join(word for word in spoken if word not in BACKWARD | FORWARD)


def _paired(loose: list[tuple[Target, list[Candidate], bool]]) -> list[Implementation]:
    """Put forward and backward of one convention together by name, and those that somebody has named."""
    groups: dict[str, list[tuple[Target, list[Candidate], bool]]] = {}
    said = [candidates[0] for _, candidates, named in loose if named]
    for each in loose:
        target, candidates, named = each
        pair = named and said.count(candidates[0]) == 1 and sum(one[0] is candidates[0][0] for one in said) > 1
        groups.setdefault(f"a pair of {candidates[0][0].name}" if pair else _stem(target.name), []).append(each)
    return [implementation for group in groups.values() for implementation in _of_group(group)]


def _of_group(group: list[tuple[Target, list[Candidate], bool]]) -> Iterator[Implementation]:
    """Implementations of a group of like names: the convention that explains most of them comes first."""
    left = list(group)
    while left:
        votes = [convention for _, candidates, _ in left for convention, _ in candidates]
        liked = {convention for target, _, _ in left for convention in votes if convention.likes(target.function)}
        convention = max(votes, key=lambda convention: (votes.count(convention), convention in liked))
        targets: dict[str, Target] = {}
        for each in list(left):
            role = dict(each[1]).get(convention)
            if role is not None and role not in targets:
                targets[role] = each[0]
                left.remove(each)
        yield Implementation(convention, {role: targets[role] for role in convention.gives if role in targets})
