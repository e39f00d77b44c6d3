"""Which of several ways of calling somebody's functions they take, found by trying."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from fastconv.dropin.conventions.calls import Declined
from fastconv.dropin.conventions.convention import Implementation
from fastconv.dropin.conventions.expected import expected
from fastconv.dropin.conventions.judge import OK, compared
from fastconv.dropin.conventions.problem import Problem, draw
from fastconv.validation.arrays import Array

Way = Mapping[str, Any]  # details of an implementation

# The shapes that a bias of F filters may have, the usual one first; a number stands for all filters.
BIASES: dict[str, tuple[int, ...]] = {
    "(F,)": (-1,),
    "(F, 1)": (-1, 1),
    "(1, F)": (1, -1),
    "(F, 1, 1)": (-1, 1, 1),
    "(1, F, 1, 1)": (1, -1, 1, 1),
    "(1, 1, 1, F)": (1, 1, 1, -1),
    "(F, 1, 1, 1)": (-1, 1, 1, 1),
}
NUMBER = "a number"
_RIGHT = 3
_SIZES = {"size": (6, 6), "kernel": (2, 2)}
_LARGE = 2**14  # numbers of x that are too many for the loops of the naive backend


def bias_as(problem: Problem, shape: str) -> Any:
    """Return the bias of a convolution in one of the shapes."""
    _, bias = problem.filters
    if shape == NUMBER:
        return float(bias[0])
    return problem.stored(bias if len(BIASES[shape]) == 1 else bias.reshape(BIASES[shape]))


def bias_of(given: Any, shape: str, filters: int) -> Array | None:
    """Return the bias (F,) of a call, if it has the shape that was tried; another is left to the original."""
    if given is None:
        return None
    sizes = () if shape == NUMBER else tuple(filters if size < 0 else 1 for size in BIASES[shape])
    if np.shape(given) != sizes:
        raise Declined
    return np.broadcast_to(given, (filters,)) if shape == NUMBER else np.reshape(given, -1)


def settle(implementation: Implementation, ways: Iterable[Way]) -> Mapping[str, Any]:
    """Keep the way that explains most in the details of an implementation, once and for all; return the details.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions; the first of them is tried.
    ways : iterable of mappings
        What may be in its details, the usual first: the trial ends with the first way that gives the right numbers.
        Each has the same keys, so that nothing is left of the way before.
    """
    details = implementation.details
    if "settled" not in details:
        details["settled"] = True  # what is tried asks for the way, too
        best, most = dict[str, Any](), -1
        for way in ways:
            details.update(way)
            score = max(_score(implementation, problem) for problem in _trials(implementation))
            if score > most:
                best, most = dict(way), score
            if score == _RIGHT:
                break
        details.update(best)
    return details


def forward_in_some_way(
    implementation: Implementation, problem: Problem, ways: Sequence[Way], forward: Callable[[], tuple[Any, Any]]
) -> tuple[Any, Any]:
    """Call a forward function in the usual way, and only where that is not right, in the one that explains most.

    So the first call of a function that is called in the usual way is the first: some keep a state.

    Parameters
    ----------
    implementation : Implementation
        Whose function it is.
    problem : Problem
        What it is called with.
    ways : sequence of mappings
        As of `settle`.
    forward : callable
        Calls it, in the way that is in the details, and returns its output and the context.
    """
    if "settled" not in implementation.details:
        implementation.details.update(ways[0])
        if problem.x.size > _LARGE:
            settle(implementation, ways)
            return forward()
        try:
            y, context = forward()
        except (Exception, SystemExit):  # noqa: BLE001 - theirs: it does not take this
            y = None
        if compared("y", y, problem).kind == OK:
            implementation.details["settled"] = True
            return y, context
        settle(implementation, ways)
    return forward()


@cache
def _drawn(operation: str, sizes: tuple[tuple[str, Any], ...]) -> Problem:
    return draw(operation, **dict(sizes))


def _trials(implementation: Implementation) -> Iterator[Problem]:
    """Small problems, of which most functions take one: without padding, and with it, as `[pad:-pad]` needs it."""
    convention = implementation.convention
    for sizes in convention.trial_sizes(implementation):
        yield _drawn(convention.operations[0], tuple({**_SIZES, **sizes}.items()))


def _score(implementation: Implementation, problem: Problem) -> int:
    """3 if the numbers of the first function are right, 2 if their shape is, 1 if they have as many axes, else 0."""
    convention = implementation.convention
    try:
        problem = convention.adapted(implementation, problem)
        found, context = convention.forward(implementation, problem)
        name = "y"
        if convention.first not in implementation:
            found = convention.backward(implementation, problem, context)
            name = next(each for each in ("dx", "dweight") if getattr(found, each) is not None)
            found = getattr(found, name)
    except (Exception, SystemExit):  # noqa: BLE001 - theirs: it does not take this
        return 0
    if compared(name, found, problem).kind == OK:
        return _RIGHT
    right = getattr(expected(problem), name)
    return (found.ndim == right.ndim) + (found.shape == right.shape) if isinstance(found, np.ndarray) else 0
