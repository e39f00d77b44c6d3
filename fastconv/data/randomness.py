"""The source of all randomness is passed in."""

from __future__ import annotations

import numpy as np

from fastconv.errors import InvalidTypeError
from fastconv.validation.sizes import check_integer

__all__ = ["check_generator", "check_rng"]

_GENERATOR = "a numpy.random.Generator, for example np.random.default_rng(0)"


def check_generator(operation: str, rng: object) -> np.random.Generator:
    """Return `rng`, which must be a generator: a seed would draw the same numbers in every call."""
    if isinstance(rng, np.random.Generator):
        return rng
    raise InvalidTypeError(f"{operation}: rng must be {_GENERATOR}, but got {rng!r}.")


def check_rng(operation: str, rng: object) -> np.random.Generator:
    """Return a generator: `rng` itself, or a new one if it is a seed."""
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.default_rng(check_integer(operation, "rng", rng, 0, f"a seed or {_GENERATOR}"))
