"""Which dtypes NumPy computes with, inside functions that take plain arrays."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from fastconv.backends import activations


class Recorder(np.ndarray):
    """An array that notes the dtype of every array that takes part in an operation with it."""

    seen: set[str]

    def __array_finalize__(self, parent: object) -> None:
        self.seen = getattr(parent, "seen", None) or set()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        mask = options.get("where")
        if isinstance(mask, Recorder):
            options["where"] = mask.view(np.ndarray)
        plain = [x.view(np.ndarray) if isinstance(x, Recorder) else x for x in inputs]
        if out is not None:
            options["out"] = tuple(x.view(np.ndarray) if isinstance(x, Recorder) else x for x in out)
        result = getattr(ufunc, method)(*plain, **options)
        self.seen.update(str(x.dtype) for x in (*plain, result) if isinstance(x, (np.ndarray, np.generic)))
        if out is not None:
            return out[0]
        return recording(result, self.seen) if isinstance(result, np.ndarray) else result


def recording(array: np.ndarray, seen: set[str]) -> Recorder:
    """View of an array that notes dtypes in `seen`."""
    view = array.view(Recorder)
    view.seen = seen
    return view


@contextmanager
def recorded_in(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> Iterator[set[str]]:
    """Let every array that a function such as `as_computed` returns, and every block, note what it meets."""
    seen: set[str] = set()
    original: Callable[..., np.ndarray] = getattr(sys.modules[module], name)

    def recorded(*arguments: Any) -> np.ndarray:
        return recording(original(*arguments), seen)

    def blocks(function: Callable[..., None], *arrays: np.ndarray) -> np.ndarray:
        return elementwise_of(
            lambda *each: function(*(recording(array, seen) for array in each)),
            *(array.view(np.ndarray) for array in arrays),
        )

    elementwise_of = activations.elementwise
    with monkeypatch.context() as patch:
        for loaded in [value for key, value in sys.modules.items() if key.startswith("fastconv.")]:
            if getattr(loaded, name, None) is original:
                patch.setattr(loaded, name, recorded)
        patch.setattr(activations, "elementwise", blocks)
        yield seen
