"""Which dtypes somebody's functions return, found by calling them: their equivalents return the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Calls, DTypes
from fastconv.dropin.conventions.convention import Implementation
from fastconv.dropin.conventions.judge import Run, run
from fastconv.dropin.conventions.problem import Problem, draw

_FLOATS = (np.float64, np.float32)
_INTEGERS = (np.uint8, np.int64)


@dataclass(frozen=True)
class _Listening(Calls):
    """Calls that remember the dtypes with which they were called."""

    engine: str = "numpy"
    heard: dict[str, DTypes] = field(default_factory=dict)

    def compute(self, role: str, arrays: tuple[Any, ...], run: Callable[..., Any]) -> Any:
        self.heard[role] = (role, *(None if array is None else array.dtype for array in arrays))
        return run(*arrays)


def learn_dtypes(
    implementation: Implementation, exact: bool, problems: Sequence[Problem]
) -> dict[DTypes, DTypes | None]:
    """Return the dtypes of results by those of arguments, where they are not those of fastconv (see `Calls`).

    Parameters
    ----------
    implementation : Implementation
        Right functions.
    exact : bool
        Whether the forward function was right for an image of integers; otherwise such calls are left to it.
    problems : sequence of Problem
        Those on which they ran and were right. What they cannot do with other dtypes is left to them.
    """
    learned: dict[DTypes, DTypes | None] = {}
    settled: set[DTypes] = set()  # a convention may convert before it calls: then the first dtypes are the true ones
    convention = implementation.convention
    listening = _Listening()
    ours = implementation.with_functions(convention.fast(implementation, listening))
    problem = _smallest(implementation, problems)
    for variant in _variants(problem):
        listening.heard.clear()
        there, here = run(implementation, variant), run(ours, variant)
        first = convention.first
        for role in implementation.targets:
            key = listening.heard.get("forward" if role == first else "backward")
            dtypes = _dtypes(implementation, role, there)
            if key is None or role in here.errors or key in settled:
                continue
            settled.add(key)
            if not dtypes:
                learned[key] = None
            elif any(dtype.kind in "iub" for dtype in (*key[1:], *dtypes) if dtype is not None):
                whole = role != first and any(dtype.kind in "iub" for dtype in dtypes)
                learned[key] = None if whole or (role == first and not exact) else dtypes
            elif np.float16 in key[1:] or dtypes != _dtypes(implementation, role, here):
                learned[key] = dtypes
    return learned


def _smallest(implementation: Implementation, problems: Sequence[Problem]) -> Problem:
    """The first problem with a backward pass, with one image, one channel and one filter where they take that."""
    found = [problem for problem in problems if problem.dy is not None]
    first = found[0] if found else draw(implementation.convention.operations[0], size=(4, 4), kernel=(2, 2))
    whole, small = (
        implementation.convention.adapted(implementation, problem)
        for problem in (first, first.only(images=1, channels=1, filters=1))
    )
    return whole if run(implementation, small).errors else small


def _dtypes(implementation: Implementation, role: str, found: Run) -> DTypes:
    """Dtypes of what a role has given, one for each array that it may give; nothing where it has not given arrays."""
    convention = implementation.convention
    arrays = {name: getattr(found.results, name) for name in convention.arrays(implementation, role)}
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        return ()
    first = next(iter(arrays.values()))
    return tuple(arrays.get(name, first).dtype for name in convention.gives[role])


def _variants(problem: Problem) -> Iterator[Problem]:
    """The problem in every combination of float32 and float64, in float16, and with images of integers."""
    names = list(problem.arrays)
    for dtypes in product(_FLOATS, repeat=len(names)):
        yield _typed(problem, dict(zip(names, dtypes)))
    yield _typed(problem, dict.fromkeys(names, np.float16))
    for integer, floating in product(_INTEGERS, _FLOATS):
        yield _typed(problem, {**dict.fromkeys(names, floating), "x": integer})
    yield _typed(problem, dict.fromkeys(names, np.int64))
    if "bias" in names:
        for dtype in _FLOATS:
            yield replace(_typed(problem, dict.fromkeys(names, dtype)), bias=None)


def _typed(problem: Problem, dtypes: dict[str, Any]) -> Problem:
    return replace(problem, **{name: getattr(problem, name).astype(dtype) for name, dtype in dtypes.items()})
