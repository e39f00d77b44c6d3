"""What the rows of the fuzzer are: public calls, made rightly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PublicCall:
    """A call that works, with every argument that it takes by its name.

    `backends` says that a result may be held against that of another backend, `theirs` names libraries in whose words
    an error may be.
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    backends: bool = False
    theirs: tuple[str, ...] = ()


def numbers(*shape: int) -> Array:
    """Numbers of both signs, the same for the same shape."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)
