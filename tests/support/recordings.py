"""Calls of other libraries that were written down: arguments, arrays that went in, and arrays that came out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recording:
    """One call: the name of the function, its options, and arrays by their names."""

    function: str
    options: dict[str, Any]
    arrays: dict[str, Array]
    results: dict[str, Array]

    def __str__(self) -> str:
        options = ",".join(f"{name}={value}" for name, value in self.options.items() if value is not None)
        return f"{self.function}({options})".replace(" ", "")


def write(path: Path, source: dict[str, Any], recordings: Iterable[Recording]) -> None:
    """Write a file of JSON with one call a line, and above them what made it."""
    lines = [json.dumps(_as_json(recording), separators=(",", ":")) for recording in recordings]
    path.write_text(f'{{"source":{json.dumps(source)},"calls":[\n' + ",\n".join(lines) + "\n]}\n")


def read(path: Path) -> list[Recording]:
    """Return the calls of a file."""
    calls = json.loads(path.read_text())["calls"]
    return [
        Recording(call["function"], call["options"], _arrays(call["arrays"]), _arrays(call["results"]))
        for call in calls
    ]


def whole_numbers(rng: np.random.Generator, shape: Iterable[int], dtype: str = "float32") -> Array:
    """Different whole numbers around zero, in any order: sums of their products are exact, and no two are equal."""
    shape = tuple(shape)
    size = int(np.prod(shape))
    return (rng.permutation(size) - size // 2).reshape(shape).astype(dtype)


def _as_json(recording: Recording) -> dict[str, Any]:
    return {
        "function": recording.function,
        "options": recording.options,
        "arrays": {name: _array_as_json(array) for name, array in recording.arrays.items()},
        "results": {name: _array_as_json(array) for name, array in recording.results.items()},
    }


def _array_as_json(array: Array) -> dict[str, Any]:
    return {"dtype": str(array.dtype), "shape": array.shape, "values": [_number(value) for value in array.ravel()]}


def _number(value: Any) -> float | int:
    """The shortest number that is this one again in its dtype."""
    short = float(str(value))
    return int(short) if short.is_integer() else short


def _arrays(found: dict[str, dict[str, Any]]) -> dict[str, Array]:
    return {name: np.array(one["values"], one["dtype"]).reshape(one["shape"]) for name, one in found.items()}
