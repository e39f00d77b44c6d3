"""Every operation and every layer of the benchmark's table, shrunk until plain loops take milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from strategies import Array

from fastconv.backends import use_backend
from fastconv.evidence.bench import family_work
from fastconv.evidence.bench.cases import Case
from fastconv.evidence.bench.family import LAYERS, OPERATIONS, Build, LayerOf, Member, OperationOf

# Sizes of the table -> here: those of arguments keep what they mean to each other, such as channels of a group
_SIZES = {1024: 16, 512: 8, 288: 72, 256: 12, 64: 5, 32: 8, 16: 4}
_HALVES = {8: 2}  # of a volume that is unpooled
_SPECIAL = {"col2im": (72, 64)}  # columns, windows
_ARGUMENTS = {64: 16}  # of which one is twice another


def _shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((_SIZES | _HALVES).get(size, size) for size in shape)


def _argument(value: Any) -> Any:
    if isinstance(value, Build):
        return replace(value, arguments=tuple(map(_argument, value.arguments)))
    if isinstance(value, tuple):
        return tuple(map(_argument, value))
    return (_SIZES | _ARGUMENTS).get(value, value) if isinstance(value, int) else value


def _shrunk(member: Member) -> Member:
    small = replace(member, shape=(2, *_SPECIAL.get(member.name, _shape(member.shape[1:]))))
    if isinstance(small, OperationOf):
        options = {name: _argument(value) for name, value in small.options.items()}
        arrays = {name: small.shape if shape == member.shape else _shape(shape) for name, shape in small.arrays.items()}
        return replace(small, arrays=arrays, options=options)
    assert isinstance(small, LayerOf)
    return replace(small, build=_argument(small.build))


MEMBERS = {member.name: _shrunk(member) for member in (*OPERATIONS, *LAYERS)}


def results(
    name: str, backend: str, dtype: str, draw: Callable[[tuple[int, ...]], Array], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Array]:
    """What every pass of one of them computes of arrays that `draw` makes."""

    def drawn(shape: tuple[int, ...]) -> Array:
        with np.errstate(all="ignore"):
            return draw(shape).astype(dtype)

    monkeypatch.setattr(family_work, "_Draw", lambda _: drawn)
    found, member = {}, MEMBERS[name]
    for step in member.steps:
        work = family_work.member_work(Case(name, step, backend, dtype), member)
        with use_backend(backend):
            found.update({f"{step} {key}": np.array(array) for key, array in work.results().items()})
    return found
